"""Measure labels from the webcam: a rendered hand of known poses as the camera of the page, in Chromium.

Run: .venv/bin/python -m tools.measure_webcam [--out docs/results/data/webcam.json]

The hand is the viewer's own, in front of a plain wall. The poses that are judged were not used to choose anything of
the fit. Without a graphics card the hand tracker runs on software WebGL, at about one frame a second on an idle
machine; this takes some ten minutes there. On a busy machine, `--stretch 4` shows every pose four times as long.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
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
OUT: Final = REPOSITORY / "docs" / "results" / "data" / "webcam.json"
WIDTH, HEIGHT = 640, 480
FRAMES_PER_S: Final = 30
"""Chromium plays a file of JPEGs at this rate, over and over."""
VIEWS: Final[Mapping[str, tuple[str, ...]]] = {
    "turned": ("1", "ArrowLeft", "ArrowLeft", "ArrowLeft"),
    "straight": ("1",),
}
"""Keys of the viewer: the palm turned by 24 degrees, as the page asks for, and the palm straight to the camera."""
JUDGED: Final = (
    "claw", "four", "hook", "index", "ok", "pinch", "point", "ring", "three", "thumb_pinky", "thumb_up", "two",
)  # fmt: skip
REFERENCE_SECONDS: Final = 25
SHOWN_SECONDS: Final = 5
BIT_PX: Final = 16
BITS: Final = 16
"""The top left corner of a frame holds its number: one square per bit."""
PATIENCE_MS: Final = 1_800_000

OBSERVE: Final = """({ bits, starts }) => {
  // Of each label sent: the film's frame that was looked at, and what the tracker itself saw in it.
  window.film = { labels: [], looked: -1, taken: null, seen: null };
  window.segment = (number) => starts.findLastIndex((start) => start <= number);
  const context = Object.assign(document.createElement("canvas"), { width: bits * 16, height: 16 })
    .getContext("2d", { willReadFrequently: true });
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (image, ...at) {
    draw.call(this, image, ...at);
    if (!(image instanceof HTMLVideoElement)) return;
    draw.call(context, image, 0, 0);
    const { data } = context.getImageData(0, 8, bits * 16, 1);
    let number = 0;
    for (let bit = 0; bit < bits; bit++) if (data[4 * (bit * 16 + 8)] > 128) number += 2 ** bit;
    film.looked = number;
  };
  // When the browser says that the camera took this frame, on the server's clock.
  const request = HTMLVideoElement.prototype.requestVideoFrameCallback;
  HTMLVideoElement.prototype.requestVideoFrameCallback = function (look) {
    return request.call(this, (now, frame) => {
      film.taken = myocast.client.serverNow() - (performance.now() - frame.captureTime) / 1000;
      look(now, frame);
    });
  };
  document.addEventListener("load", () => {
    if (!window.Hands || window.Hands.observed) return;
    window.Hands.observed = true;
    const set = Hands.prototype.onResults;
    Hands.prototype.onResults = function (use) {
      return set.call(this, (results) => {
        const right = results.multiHandedness.findIndex((hand) => hand.label === "Left");
        film.seen = right < 0 ? null : results.multiHandWorldLandmarks[right].flatMap((p) => [p.x, p.y, p.z]);
        use(results);
      });
    };
  }, true);
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    if (typeof text === "string" && text.includes('"type":"label"')) {
      const { t, joints } = JSON.parse(text);
      film.labels.push({ t, joints, number: film.looked, taken: film.taken, seen: film.seen });
    }
    return send.call(this, text);
  };
}"""


class TooBusyError(Exception):
    """The film went on before the tracker had looked often enough."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the film that shows one pose."""

    view: str
    pose: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One label against the pose that was shown."""

    segment: Segment
    settled: bool
    """Whether the frame before it showed the same pose: the tracker looks where the hand was."""
    late_s: float
    """Its time against the camera's own."""
    film_s: float
    """Its time against the film's clock, less the median of all labels: nobody knows when the film began.

    On a busy machine the fake camera itself falls behind the film."""
    hand_mm: float
    error: Float64Array
    """(15,) what the bends are off by, degrees."""
    raw_error: Float64Array
    """(15,) the same of the tracker's own points."""


def script(views: Sequence[str] = tuple(VIEWS), poses: Sequence[str] = JUDGED, stretch: int = 1) -> list[Segment]:
    """The film: both reference poses in the first view, then all poses in all views, `stretch` times as long."""
    references = [Segment(views[0], name, REFERENCE_SECONDS * stretch) for name in ("flat", "fist")]
    return [*references, *(Segment(view, name, SHOWN_SECONDS * stretch) for view in views for name in poses)]


def render(browser: Browser, server: Server, segments: Sequence[Segment]) -> list[Image.Image]:
    """Pictures of the viewer's own hand, in front of a wall."""
    stream = ScriptedStream(browser, server)
    page = stream.viewer
    page.page.set_viewport_size({"width": 900, "height": 520})
    stream.send(hello(uri="demo:"), status("live"))
    pictures, view = [], ""
    for segment in segments:
        for key in VIEWS[segment.view] if segment.view != view else ():
            page.page.keyboard.press(key)
        view = segment.view
        joints = kinematics.points(POSES[segment.pose][None], kinematics.bones())[0].reshape(-1).tolist()
        stream.send(pose(0.0, joints=joints))
        page.until(f"{json.dumps(joints)}.every((value, i) => Math.abs(value - myocast.hand().points[i]) < 0.01)")
        data = page.evaluate("myocast.picture()").partition(",")[2]
        hand = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
        wall = Image.new("RGBA", hand.size, (205, 210, 214, 255))
        wall.alpha_composite(hand)
        scale = max(WIDTH / wall.width, HEIGHT / wall.height)
        grown = wall.convert("RGB").resize((round(wall.width * scale), round(wall.height * scale)))
        left, top = (grown.width - WIDTH) // 2, (grown.height - HEIGHT) // 2
        pictures.append(grown.crop((left, top, left + WIDTH, top + HEIGHT)))
    page.close()
    return pictures


def starts(segments: Sequence[Segment]) -> list[int]:
    """The number of each segment's first frame."""
    return list(accumulate((segment.seconds * FRAMES_PER_S for segment in segments[:-1]), initial=0))


def write_film(path: Path, segments: Sequence[Segment], pictures: Sequence[Image.Image]) -> None:
    """Write a file of JPEGs, each with its number in the corner."""
    number = 0
    with path.open("wb") as film:
        for segment, picture in zip(segments, pictures, strict=True):
            for _ in range(segment.seconds * FRAMES_PER_S):
                for bit in range(BITS):
                    level = 255 if number >> bit & 1 else 0
                    picture.paste((level, level, level), (bit * BIT_PX, 0, (bit + 1) * BIT_PX, BIT_PX))
                picture.save(film, "JPEG", quality=85)
                number += 1


@contextmanager
def camera_page(film: Path, console: Console) -> Iterator[Viewer]:
    """Open a page on a band without ground truth, with the film as its camera."""
    rows = (",".join(str((37 * i * (c + 3)) % 90 - 45) for c in range(8)) for i in range(4000))
    (console.folder / "numbers.csv").write_text("\n".join(rows) + "\n", encoding="ascii")
    # One pose a second, and a small page: what the page draws takes time from the tracker.
    server = console.serve(f"replay:{console.folder / 'numbers.csv'}?rate=250&unit=uV&loop=1", "--hop", 250)
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with chromium(*fake, f"--use-file-for-fake-video-capture={film}") as browser:
        page = Viewer.launch(browser, viewport={"width": 400, "height": 400}).open(server.url)
        page.page.set_default_timeout(PATIENCE_MS)
        yield page
        page.close()
    server.stop()


def wait(page: Viewer, condition: str) -> None:
    page.page.wait_for_function(f"() => {condition}", timeout=PATIENCE_MS, polling=100)


def show_reference(page: Viewer, segments: Sequence[Segment], number: int, following: str) -> None:
    """Confirm a reference pose in the first half of its time in the film."""
    start, half = starts(segments)[number], segments[number].seconds * FRAMES_PER_S // 2
    wait(page, f"film.looked >= {start} && film.looked < {start + half}")
    page.page.get_by_role("button", name="I hold it: take it").click()
    wait(page, f"document.querySelector('#guide [data-phase]').dataset.phase === '{following}'")
    if page.evaluate("segment(film.looked)") != number:
        raise TooBusyError("fewer than 3 frames of a reference pose: this machine is too busy; use a larger --stretch")


def take_labels(page: Viewer, segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Take the reference poses, and the labels of the film until there is a settled one of each pose."""
    page.page.click("#guide-toggle")
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.page.fill("#hand-mm", "190")
    page.page.evaluate(OBSERVE, {"bits": BITS, "starts": starts(segments)})
    page.page.get_by_role("button", name="Start the camera").click()
    wait(page, "document.querySelector('#guide [data-phase]').dataset.phase === 'flat'")
    show_reference(page, segments, 0, "fist")
    show_reference(page, segments, 1, "labels")
    shown = "film.labels.map((label) => segment(label.number))"
    settled = f"{shown}.filter((one, i, all) => i > 0 && one === all[i - 1])"
    wait(page, f"{list(range(2, len(segments)))}.every((one) => {settled}.includes(one))")
    labels: list[dict[str, Any]] = page.evaluate("film.labels")
    return labels


def bends(points: Sequence[float] | Float64Array) -> Float64Array:
    """(15,) degrees between consecutive bones of each digit."""
    p = np.asarray(points, dtype=np.float64).reshape(21, 3)
    bones = np.stack([p[i] - p[PARENTS[i]] for i in range(1, 21)])
    bones = (bones / np.linalg.norm(bones, axis=1, keepdims=True)).reshape(5, 4, 3)
    found: Float64Array = np.degrees(np.arccos(np.clip((bones[:, :-1] * bones[:, 1:]).sum(-1), -1, 1))).reshape(-1)
    return found


def accuracy_of(labels: Sequence[Mapping[str, Any]], segments: Sequence[Segment]) -> list[Accuracy]:
    """Compare labels with the poses that the film showed."""
    first, film_s = starts(segments), sum(segment.seconds for segment in segments)
    shown = [int(np.searchsorted(first, label["number"], "right")) - 1 for label in labels]
    began = np.array([label["t"] - label["number"] / FRAMES_PER_S for label in labels])
    began -= film_s * np.round((began - began[0]) / film_s)
    judged = []
    for i, label in enumerate(labels):
        segment = segments[shown[i]]
        truth = bends(kinematics.points(POSES[segment.pose][None], kinematics.bones())[0])
        judged.append(
            Accuracy(
                segment=segment,
                settled=i > 0 and shown[i] == shown[i - 1],
                late_s=label["t"] - label["taken"],
                film_s=float(began[i] - np.median(began)),
                hand_mm=float(kinematics.measure(np.reshape(label["joints"], (21, 3)))[8:12].sum()),
                error=bends(label["joints"]) - truth,
                raw_error=bends(label["seen"]) - truth,
            )
        )
    return judged


def measure(folder: Path, segments: Sequence[Segment]) -> list[Accuracy]:
    """Make the film, show it to the page, and judge its labels."""
    console = Console(REPOSITORY, folder)
    film = folder / "hand.mjpeg"
    try:
        with chromium() as browser:
            pictures = render(browser, console.serve("demo:", "--hop", 200), segments)
        write_film(film, segments, pictures)
        with camera_page(film, console) as page:
            return accuracy_of(take_labels(page, segments), segments)
    finally:
        console.close()
        film.unlink(missing_ok=True)


def mean_error(judged: Sequence[Accuracy], error: str = "error", without_bias: bool = False) -> Float64Array:
    """(15,) mean absolute error of each bend, degrees; every pose counts the same, whatever its number of labels."""
    poses = list(dict.fromkeys(one.segment for one in judged))
    each = np.array([np.mean([getattr(one, error) for one in judged if one.segment == pose], axis=0) for pose in poses])
    found: Float64Array = np.abs(each - np.median(each, axis=0) if without_bias else each).mean(axis=0)
    return found


def summary(judged: Sequence[Accuracy]) -> dict[str, Any]:
    """What the page of results shows."""
    poses = [one for one in judged if one.segment.pose not in {"flat", "fist"} and one.settled]
    views = {}
    for view in dict.fromkeys(one.segment.view for one in poses):
        those = [one for one in poses if one.segment.view == view]
        truth = [
            bends(kinematics.points(POSES[p][None], kinematics.bones())[0]) for p in {o.segment.pose for o in those}
        ]
        views[view] = {
            "poses": len(truth),
            "labels": len(those),
            "raw": mean_error(those, "raw_error").tolist(),
            "raw_without_bias": mean_error(those, "raw_error", without_bias=True).tolist(),
            "labels_error": mean_error(those).tolist(),
            "constant": np.abs(np.array(truth) - np.median(truth, axis=0)).mean(axis=0).tolist(),
        }
    return {
        "labels": len(judged),
        "late_ms": 1000.0 * max(abs(one.late_s) for one in judged),
        "film_ms": 1000.0 * float(np.median([abs(one.film_s) for one in judged])),
        "hand_mm": judged[0].hand_mm,
        "entered_mm": 190.0,
        "views": views,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure labels from the webcam on a rendered hand.")
    parser.add_argument("--out", type=Path, default=OUT, help="where the figures go")
    parser.add_argument("--stretch", type=int, default=1, help="show each pose so many times as long")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = summary(measure(Path(folder), script(stretch=options.stretch)))
        except TooBusyError as too_busy:
            sys.exit(str(too_busy))
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{found['labels']} labels, at most {found['late_ms']:.1f} ms from the camera's own time")
    print(f"half of them within {found['film_ms']:.1f} ms of the film's clock")
    print(f"hand length {found['hand_mm']:.1f} mm, {found['entered_mm']:.0f} mm were entered")
    for view, figures in found["views"].items():
        for name in ("constant", "raw", "raw_without_bias", "labels_error"):
            error = np.array(figures[name])
            parts = f"thumb {error[:3].mean():.1f}, fingers {error[3:].mean():.1f}"
            print(f"{view} {name}: {error.mean():.1f} degrees; {parts}")


if __name__ == "__main__":
    main()
