"""Print how well labels from the webcam are made: a rendered hand of known poses as the camera, in Chromium.

Run: .venv/bin/python -m tools.measure_webcam

Without a graphics card the hand tracker runs on software WebGL, at about one frame a second; this takes some minutes.
"""

from __future__ import annotations

import base64
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from mcap.reader import make_reader
from PIL import Image

from models import kinematics
from models.arrays import Float64Array
from models.forward.poses import POSES
from models.hand import PARENTS
from tests.support.chromium import chromium
from tests.support.console import Console, Server
from tests.support.viewer import ScriptedStream, Viewer, hello, pose, status

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY: Final = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 640, 480
FRAMES_PER_S: Final = 30
"""Chromium plays a file of JPEGs at this rate, over and over."""
REFERENCES: Final = ("flat", "fist")
SHOWN: Final = ("rest", "open", "index")
SECONDS: Final[Mapping[str, int]] = dict.fromkeys(REFERENCES, 30) | dict.fromkeys(SHOWN, 7)
BIT_PX: Final = 16
"""The top left corner of a frame tells which pose it shows: one square per bit."""
BITS: Final = 3
PATIENCE_MS: Final = 240_000

OBSERVE: Final = """() => {
  // What the camera showed when, on the server's clock, apart from the page's own reading of it.
  window.shown = []; window.sent = [];
  const canvas = document.createElement("canvas");
  canvas.width = %(width)d; canvas.height = 16;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const video = document.querySelector(".camera video");
  const look = (now, frame) => {
    context.drawImage(video, 0, 0);
    let code = 0;
    for (let bit = 0; bit < %(bits)d; bit++) {
      if (context.getImageData(bit * 16 + 8, 8, 1, 1).data[0] > 128) code |= 1 << bit;
    }
    shown.push([myocast.client.serverNow() - (performance.now() - frame.captureTime) / 1000, code]);
    window.code = code;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}"""


def render(browser: Browser, server: Server, names: Sequence[str]) -> dict[str, Image.Image]:
    """Pictures of the viewer's own hand in these poses, in front of a wall."""
    stream = ScriptedStream(browser, server)
    page = stream.viewer
    page.page.set_viewport_size({"width": 1000, "height": 700})
    stream.send(hello(uri="demo:"), status("live"))
    pictures = {}
    for name in names:
        joints = kinematics.points(POSES[name][None], kinematics.bones())[0].reshape(-1).tolist()
        stream.send(pose(0.0, joints=joints))
        page.until(f"{json.dumps(joints)}.every((value, i) => Math.abs(value - myocast.hand().points[i]) < 0.01)")
        data = page.evaluate("myocast.picture()").partition(",")[2]
        hand = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
        wall = Image.new("RGBA", hand.size, (205, 210, 214, 255))
        wall.alpha_composite(hand)
        scale = max(WIDTH / wall.width, HEIGHT / wall.height)
        grown = wall.convert("RGB").resize((round(wall.width * scale), round(wall.height * scale)))
        left, top = (grown.width - WIDTH) // 2, (grown.height - HEIGHT) // 2
        pictures[name] = grown.crop((left, top, left + WIDTH, top + HEIGHT))
    page.close()
    return pictures


def write_film(path: Path, pictures: Mapping[str, Image.Image]) -> None:
    """The pictures one after the other as a file of JPEGs, each with its number in the corner."""
    with path.open("wb") as film:
        for number, (name, picture) in enumerate(pictures.items()):
            for bit in range(BITS):
                level = 255 if number >> bit & 1 else 0
                picture.paste((level, level, level), (bit * BIT_PX, 0, (bit + 1) * BIT_PX, BIT_PX))
            frame = io.BytesIO()
            picture.save(frame, "JPEG", quality=85)
            film.write(frame.getvalue() * (SECONDS[name] * FRAMES_PER_S))


def make_film(path: Path, console: Console) -> None:
    """Render the poses and write them as the file that Chromium plays as its camera."""
    with chromium() as browser:
        write_film(path, render(browser, console.serve("demo:"), (*REFERENCES, *SHOWN)))


@contextmanager
def camera_page(film: Path, console: Console) -> Iterator[Viewer]:
    """Open a page on a band without ground truth, with the film as its camera."""
    rows = (",".join(str((37 * i * (c + 3)) % 90 - 45) for c in range(8)) for i in range(4000))
    (console.folder / "numbers.csv").write_text("\n".join(rows) + "\n", encoding="ascii")
    server = console.serve(f"replay:{console.folder / 'numbers.csv'}?rate=250&unit=uV&loop=1")
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with chromium(*fake, f"--use-file-for-fake-video-capture={film}") as browser:
        # Small, so that the hand of the page takes little time from the tracker.
        page = Viewer.launch(browser, viewport={"width": 400, "height": 400}).open(server.url)
        page.page.set_default_timeout(PATIENCE_MS)
        yield page
        page.close()
    server.stop()


def wait(page: Viewer, condition: str) -> None:
    page.page.wait_for_function(f"() => {condition}", timeout=PATIENCE_MS)


def show_reference(page: Viewer, number: int, following: str) -> None:
    """Confirm a reference pose soon after the film begins to show it."""
    wait(page, f"window.code !== {number}")
    wait(page, f"window.code === {number}")
    page.page.get_by_role("button", name="I hold it: take it").click()
    wait(page, f"document.querySelector('#guide [data-phase]').dataset.phase === '{following}'")


def recorded_labels(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as stream:
        return [json.loads(message.data) for _, _, message in make_reader(stream).iter_messages(topics=["/label"])]


def bends(points: Sequence[float] | Float64Array) -> Float64Array:
    """(15,) degrees between consecutive bones of each digit."""
    p = np.asarray(points, dtype=np.float64).reshape(21, 3)
    bones = np.stack([p[i] - p[PARENTS[i]] for i in range(1, 21)])
    bones = (bones / np.linalg.norm(bones, axis=1, keepdims=True)).reshape(5, 4, 3)
    found: Float64Array = np.degrees(np.arccos(np.clip((bones[:, :-1] * bones[:, 1:]).sum(-1), -1, 1))).reshape(-1)
    return found


def record_labels(page: Viewer, console: Console) -> tuple[list[dict[str, Any]], list[tuple[float, int]]]:
    """Take the reference poses and record one round of the film: the labels, and when which pose was shown."""
    page.page.click("#guide-toggle")
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.page.fill("#hand-mm", "190")
    page.page.get_by_role("button", name="Start the camera").click()
    wait(page, "document.querySelector('#guide [data-phase]').dataset.phase === 'flat'")
    page.page.evaluate(OBSERVE % {"width": WIDTH, "bits": BITS})
    show_reference(page, 0, "fist")
    show_reference(page, 1, "labels")
    page.page.fill("#record-name", "taught")
    page.page.click("#record-button")
    page.until_text("#record-button", "Stop")
    wait(page, f"window.code === {len(REFERENCES)}")
    wait(page, "window.code === 0")
    page.page.click("#record-button")
    page.until("!document.querySelector('#recorded').hidden")
    return recorded_labels(console.folder / "recordings" / "taught.mcap"), page.evaluate("window.shown")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        console = Console(REPOSITORY, Path(folder))
        try:
            make_film(Path(folder) / "hand.mjpeg", console)
            with camera_page(Path(folder) / "hand.mjpeg", console) as page:
                labels, shown = record_labels(page, console)
        finally:
            console.close()
    names = (*REFERENCES, *SHOWN)
    times = np.array([t for t, _ in shown])
    late: list[float] = []
    errors: dict[str, list[float]] = {}
    for label in labels:
        nearest = int(np.argmin(np.abs(times - label["t"])))
        late.append(1000.0 * (label["t"] - times[nearest]))
        truth = kinematics.points(POSES[names[shown[nearest][1]]][None], kinematics.bones())[0]
        error = float(np.abs(bends(label["joints"]) - bends(truth)).mean())
        errors.setdefault(names[shown[nearest][1]], []).append(error)
    print(f"{len(labels)} labels, at most {np.abs(late).max():.0f} ms from the camera's own time")
    for name, values in errors.items():
        print(f"{name}: bends off by {np.mean(values):.1f} degrees")
    middle = kinematics.measure(np.reshape(labels[0]["joints"], (21, 3)))[8:12]
    print(f"hand length {middle.sum():.1f} mm, 190 mm were entered")


if __name__ == "__main__":
    main()
