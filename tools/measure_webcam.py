"""Measure labels from the webcam: a rendered hand of known poses as the camera of the page, in Chromium.

Run: .venv/bin/python -m tools.measure_webcam [--out docs/results/data/webcam.json]

The hand is the viewer's own, in front of a plain wall. The poses that are judged were not used to choose anything of
the fit. Chromium plays a short film as its camera (`--use-file-for-fake-video-capture`), over and over, and each frame
has its number in a corner; another pose is written into the same file when the tracker has looked at this one often
enough. So it goes as fast as the tracker does: without a graphics card that runs on software WebGL, at about one frame
a second on an idle machine, and all takes about ten minutes.

The clock of the film is that of a second page, which does nothing but note when each frame reaches it: the times of
labels are compared with it, both on the server's clock.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
    from playwright.sync_api import Browser, Page

REPOSITORY: Final = Path(__file__).resolve().parents[1]
OUT: Final = REPOSITORY / "docs" / "results" / "data" / "webcam.json"
WIDTH, HEIGHT = 640, 480
FRAMES_PER_S: Final = 5
"""Of the film. More would take time from the tracker: each frame is drawn, by the same processors."""
FRAMES: Final = 20
"""Of the film; it repeats after 4 s."""
VIEWS: Final[Mapping[str, tuple[str, ...]]] = {
    "turned": ("1", "ArrowLeft", "ArrowLeft", "ArrowLeft"),
    "straight": ("1",),
}
"""Keys of the viewer: the palm turned by 24 degrees, as the page asks for, and the palm straight to the camera."""
JUDGED: Final = (
    "claw", "four", "hook", "index", "ok", "pinch", "point", "ring", "three", "thumb_pinky", "thumb_up", "two",
)  # fmt: skip
REFERENCES: Final = ("flat", "fist")
SETTLED: Final = 1
"""Labels of a pose that are waited for, beside that of the frame in which the hand jumped there."""
CLOSINGS: Final = 10
"""Labels of the hand that opens and closes."""
HAND_MM: Final = 190.0
BIT_PX: Final = 16
BITS: Final = 5
"""The top left corner of a frame holds its number: one square per bit."""
PATIENCE_MS: Final = 1_800_000
ATTEMPTS: Final = 20
ATTEMPT_MS: Final = 10_000
NEAR_S: Final = 1.0
"""Frames of so much before and after tell the film's clock at a moment."""

OBSERVE: Final = """(bits) => {
  // Of each label sent: the film's frame that was looked at, and what the tracker itself saw in it.
  window.film = { labels: [], looked: -1, frames: 0, seen: null };
  const context = Object.assign(document.createElement("canvas"), { width: bits * 16, height: 16 })
    .getContext("2d", { willReadFrequently: true });
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (image, ...at) {
    draw.call(this, image, ...at);
    if (!(image instanceof HTMLVideoElement || image instanceof VideoFrame)) return;
    draw.call(context, image, 0, 0);
    const { data } = context.getImageData(0, 8, bits * 16, 1);
    let number = 0;
    for (let bit = 0; bit < bits; bit++) if (data[4 * (bit * 16 + 8)] > 128) number += 2 ** bit;
    film.looked = number;
    film.frames++;
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
      film.labels.push({ t, joints, number: film.looked, seen: film.seen });
    }
    return send.call(this, text);
  };
}"""

LOOK: Final = """async ({ frames, labels }) => {
  // Wait until the tracker has begun with so many frames more, and then for labels.
  const until = async (holds) => { while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20)); };
  const begun = film.frames + frames;
  await until(() => film.frames >= begun);
  const first = film.labels.length;
  await until(() => film.labels.length >= first + labels);
  return film.labels.slice(first, first + labels);
}"""

CLOCK: Final = """async (bits) => {
  // The number of each frame, and when it came, on the server's clock.
  const { connect } = await import(new URL("/client.mjs", location.href));
  const client = connect(undefined, { streams: ["status"] });
  const size = { width: { ideal: 640 }, height: { ideal: 480 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: size });
  const reader = new MediaStreamTrackProcessor({ track: stream.getVideoTracks()[0] }).readable.getReader();
  const rect = { x: 0, y: 0, width: bits * 16, height: 16 };
  window.frames = [];
  for (;;) {
    const { value: frame, done } = await reader.read();
    if (done) return;
    const t = client.serverNow();
    const luma = new Uint8Array(frame.allocationSize({ rect }));
    const planes = await frame.copyTo(luma, { rect });
    frame.close();
    let number = 0;
    for (let bit = 0; bit < bits; bit++) {
      if (luma[planes[0].offset + 8 * planes[0].stride + bit * 16 + 8] > 128) number += 2 ** bit;
    }
    if (t !== null) window.frames.push([number, t]);
  }
}"""


class Shown(NamedTuple):
    """What the film shows."""

    view: str
    pose: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One label against the pose that was shown."""

    shown: Shown
    film_s: float
    """Its time against that of the same frame by the film's clock; positive: later."""
    hand_mm: float
    error: Float64Array
    """(15,) what the bends are off by, degrees."""
    raw_error: Float64Array
    """(15,) the same of the tracker's own points."""


class Film:
    """A short film that repeats, in a file that Chromium reads frame by frame.

    YUV4MPEG2 without compression: its header states the rate, and every frame has its place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_PER_S}:1 Ip A1:1 C420\n".encode()

    def show(self, *pictures: Image.Image) -> None:
        """Show these pictures from now on, each for the same part of the film."""
        planes = [_planes(picture) for picture in pictures]
        content = bytearray(self._header)
        for number in range(FRAMES):
            luma, chroma = planes[number * len(planes) // FRAMES]
            for bit in range(BITS):
                luma[:BIT_PX, bit * BIT_PX : (bit + 1) * BIT_PX] = 235 if number >> bit & 1 else 16
            content += b"FRAME\n" + luma.tobytes() + chroma
        # In place: the file is open in the browser.
        with self.path.open("r+b" if self.path.exists() else "xb") as file:
            file.write(content)


def _planes(picture: Image.Image) -> tuple[Any, bytes]:
    """(height, width) luma in video range, and both planes of chroma at half the size."""
    y, cb, cr = picture.convert("YCbCr").split()
    luma = np.rint(16.0 + np.asarray(y, np.float32) * (219.0 / 255.0)).astype(np.uint8)
    half = [np.asarray(plane.resize((WIDTH // 2, HEIGHT // 2)), np.float32) for plane in (cb, cr)]
    chroma = [np.rint(128.0 + (plane - 128.0) * (224.0 / 255.0)).astype(np.uint8).tobytes() for plane in half]
    return luma, b"".join(chroma)


def render(browser: Browser, server: Server, wanted: Sequence[Shown]) -> dict[Shown, Image.Image]:
    """Pictures of the viewer's own hand, in front of a wall."""
    stream = ScriptedStream(browser, server)
    page = stream.viewer
    page.page.set_viewport_size({"width": 900, "height": 520})
    pictures, view = {}, ""
    for shown in wanted:
        for key in VIEWS[shown.view] if shown.view != view else ():
            page.page.keyboard.press(key)
        view = shown.view
        joints = kinematics.points(POSES[shown.pose][None], kinematics.bones())[0].reshape(-1).tolist()
        show_pose(stream, joints)
        data = page.evaluate("myocast.picture()").partition(",")[2]
        hand = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
        wall = Image.new("RGBA", hand.size, (205, 210, 214, 255))
        wall.alpha_composite(hand)
        scale = max(WIDTH / wall.width, HEIGHT / wall.height)
        grown = wall.convert("RGB").resize((round(wall.width * scale), round(wall.height * scale)))
        left, top = (grown.width - WIDTH) // 2, (grown.height - HEIGHT) // 2
        pictures[shown] = grown.crop((left, top, left + WIDTH, top + HEIGHT))
    page.close()
    return pictures


def show_pose(stream: ScriptedStream, joints: Sequence[float]) -> None:
    """Let the page draw a hand (63 values, mm). On a busy machine the page may have connected anew meanwhile."""
    from playwright.sync_api import TimeoutError as NotYetError

    is_shown = f"{json.dumps(joints)}.every((value, i) => Math.abs(value - myocast.hand()?.points[i]) < 0.01)"
    for _ in range(ATTEMPTS):
        stream.send(hello(uri="demo:"), status("live"), pose(0.0, joints=list(joints)))
        with suppress(NotYetError):
            stream.viewer.page.wait_for_function(f"() => {is_shown}", timeout=ATTEMPT_MS, polling=100)
            return
    raise TooBusyError(f"a hand is not drawn within {ATTEMPTS * ATTEMPT_MS / 1000:g} s; let the machine do less")


class TooBusyError(Exception):
    """What takes a second was not done in minutes."""


@contextmanager
def camera_page(film: Path, console: Console) -> Iterator[tuple[Viewer, Page]]:
    """Open a page on a band without ground truth with the film as its camera, and a page that notes its frames."""
    rows = (",".join(str((37 * i * (c + 3)) % 90 - 45) for c in range(8)) for i in range(4000))
    (console.folder / "numbers.csv").write_text("\n".join(rows) + "\n", encoding="ascii")
    # One pose a second, and a small page: what the page draws takes time from the tracker.
    server = console.serve(f"replay:{console.folder / 'numbers.csv'}?rate=250&unit=uV&loop=1", "--hop", 250)
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with chromium(*fake, f"--use-file-for-fake-video-capture={film}") as browser:
        clock = browser.new_context(bypass_csp=True).new_page()
        clock.goto(f"{server.url}healthz")
        clock.evaluate(f"(bits) => void ({CLOCK})(bits)", BITS)
        clock.wait_for_function("() => window.frames?.length > 10", timeout=PATIENCE_MS, polling=100)
        page = Viewer.launch(browser, viewport={"width": 400, "height": 400}).open(server.url)
        page.page.set_default_timeout(PATIENCE_MS)
        # Labels need no signal, and drawing it takes time from the tracker.
        page.until("myocast.samples > 0")
        page.evaluate("myocast.client.api.replay({ action: 'pause' }, 0)")
        yield page, clock
        clock.context.close()
        page.close()
    server.stop()


def wait(page: Viewer, condition: str) -> None:
    page.page.wait_for_function(f"() => {condition}", timeout=PATIENCE_MS, polling=100)


def start(page: Viewer, film: Film, pictures: Mapping[Shown, Image.Image], view: str) -> None:
    """Start the camera, and show both reference poses as the page asks for them."""
    film.show(pictures[Shown(view, REFERENCES[0])])
    page.page.click("#guide-toggle")
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.page.fill("#hand-mm", f"{HAND_MM:.0f}")
    page.page.evaluate(OBSERVE, BITS)
    page.page.get_by_role("button", name="Start the camera").click()
    for name, following in zip(REFERENCES, ("fist", "labels"), strict=True):
        wait(page, f"document.querySelector('#guide [data-phase]').dataset.phase === '{name}'")
        film.show(pictures[Shown(view, name)])
        page.page.evaluate(LOOK, {"frames": 2, "labels": 0})
        page.page.get_by_role("button", name="I hold it: take it").click()
        wait(page, f"document.querySelector('#guide [data-phase]').dataset.phase === '{following}'")


def take_labels(page: Viewer, film: Film, count: int, *pictures: Image.Image) -> list[dict[str, Any]]:
    """So many labels of what is shown from now on, without that of the frame in which it appeared."""
    film.show(*pictures)
    labels: list[dict[str, Any]] = page.page.evaluate(LOOK, {"frames": 2, "labels": count})
    return labels


class FilmClock:
    """When each frame of the film was there, by the page that notes them.

    A busy machine plays the film a little slower, and where it begins anew a frame comes later than the others: so the
    clock is that of the frames nearby, in the same round.
    """

    def __init__(self, frames: Sequence[tuple[int, float]]) -> None:
        """Take the number of each frame, and when it came, seconds."""
        self._number, self._t = np.array([n for n, _ in frames]), np.array([t for _, t in frames])
        self._round = np.cumsum(np.diff(self._number, prepend=0) < 0)
        self._begin = self._t - self._number / FRAMES_PER_S

    def late_s(self, t: float, number: int) -> float:
        """By how much a time is later than the nearest time at which a frame was there."""
        nearest = int(np.argmin(np.where(self._number == number, np.abs(self._t - t), np.inf)))
        near = (self._round == self._round[nearest]) & (np.abs(self._t - self._t[nearest]) <= NEAR_S)
        return float(t - number / FRAMES_PER_S - np.median(self._begin[near]))

    def frame_at(self, t: float) -> int:
        """The number of the frame that came nearest to a time."""
        return int(self._number[np.argmin(np.abs(self._t - t))])


def bends(points: Sequence[float] | Float64Array) -> Float64Array:
    """(15,) degrees between consecutive bones of each digit."""
    p = np.asarray(points, dtype=np.float64).reshape(21, 3)
    bones = np.stack([p[i] - p[PARENTS[i]] for i in range(1, 21)])
    bones = (bones / np.linalg.norm(bones, axis=1, keepdims=True)).reshape(5, 4, 3)
    found: Float64Array = np.degrees(np.arccos(np.clip((bones[:, :-1] * bones[:, 1:]).sum(-1), -1, 1))).reshape(-1)
    return found


def true_bends(name: str) -> Float64Array:
    """(15,) of a pose that was rendered."""
    return bends(kinematics.points(POSES[name][None], kinematics.bones())[0])


def accuracy_of(label: Mapping[str, Any], shown: Shown, clock: FilmClock) -> Accuracy:
    """Compare a label with the pose that the film showed."""
    truth = true_bends(shown.pose)
    return Accuracy(
        shown=shown,
        film_s=clock.late_s(label["t"], label["number"]),
        hand_mm=float(kinematics.measure(np.reshape(label["joints"], (21, 3)))[8:12].sum()),
        error=bends(label["joints"]) - truth,
        raw_error=bends(label["seen"]) - truth,
    )


def is_closed(label: Mapping[str, Any]) -> bool:
    """Whether the fingers of a label are nearer to the fist than to the flat hand."""
    found, flat, fist = (each[3:].sum() for each in (bends(label["joints"]), true_bends("flat"), true_bends("fist")))
    return bool(found > (flat + fist) / 2.0)


@dataclass(slots=True)
class WebcamResult:
    """What one run found."""

    poses: list[Accuracy]
    closings: list[tuple[float, int, bool]]
    """Of labels of a hand that opens and closes: time against the film's clock, s; frame at that time; closed."""
    seconds: float


def measure(folder: Path, views: Sequence[str], poses: Sequence[str], count: int, closings: int) -> WebcamResult:
    """Show the film to the page, and judge its labels.

    Args:
        folder: for the film.
        views: the first is that of the reference poses.
        poses: shown in each view.
        count: labels of each.
        closings: labels of a hand that opens and closes, which comes first.
    """
    began, console, film = time.monotonic(), Console(REPOSITORY, folder), Film(folder / "hand.y4m")
    judged = [Shown(view, name) for view in views for name in poses]
    wanted = [*(Shown(views[0], name) for name in REFERENCES), *judged]
    labels: list[tuple[Shown, dict[str, Any]]] = []
    try:
        with chromium() as browser:
            pictures = render(browser, console.serve("demo:", "--hop", 200), wanted)
        flat, fist = (pictures[Shown(views[0], name)] for name in REFERENCES)
        film.show(flat)
        with camera_page(film.path, console) as (page, observer):
            start(page, film, pictures, views[0])
            moving = take_labels(page, film, closings, flat, fist)
            for shown in judged:
                labels += [(shown, one) for one in take_labels(page, film, count, pictures[shown])]
            clock = FilmClock(observer.evaluate("window.frames"))
    finally:
        console.close()
        film.path.unlink(missing_ok=True)
    return WebcamResult(
        [accuracy_of(label, shown, clock) for shown, label in labels],
        [(clock.late_s(one["t"], one["number"]), clock.frame_at(one["t"]), is_closed(one)) for one in moving],
        time.monotonic() - began,
    )


def mean_error(judged: Sequence[Accuracy], error: str = "error", without_bias: bool = False) -> Float64Array:
    """(15,) mean absolute error of each bend, degrees; every pose counts the same, whatever its number of labels."""
    poses = list(dict.fromkeys(one.shown for one in judged))
    each = np.array([np.mean([getattr(one, error) for one in judged if one.shown == shown], axis=0) for shown in poses])
    found: Float64Array = np.abs(each - np.median(each, axis=0) if without_bias else each).mean(axis=0)
    return found


def summary(found: WebcamResult) -> dict[str, Any]:
    """What the page of results shows."""
    views = {}
    for view in dict.fromkeys(one.shown.view for one in found.poses):
        those = [one for one in found.poses if one.shown.view == view]
        truth = [true_bends(name) for name in {one.shown.pose for one in those}]
        views[view] = {
            "poses": len(truth),
            "labels": len(those),
            "raw": mean_error(those, "raw_error").tolist(),
            "raw_without_bias": mean_error(those, "raw_error", without_bias=True).tolist(),
            "labels_error": mean_error(those).tolist(),
            "constant": np.abs(np.array(truth) - np.median(truth, axis=0)).mean(axis=0).tolist(),
        }
    late_ms = [1000.0 * late for late in (*(one.film_s for one in found.poses), *(one[0] for one in found.closings))]
    return {
        "labels": len(late_ms),
        "late_ms": {
            "half_within": float(np.median(np.abs(late_ms))),
            "nine_in_ten_within": float(np.quantile(np.abs(late_ms), 0.9)),
            "median": float(np.median(late_ms)),
            "least": min(late_ms),
            "most": max(late_ms),
        },
        "closings": {
            "labels": len(found.closings),
            "right": sum((frame >= FRAMES / 2) == closed for _, frame, closed in found.closings),
        },
        "hand_mm": found.poses[0].hand_mm,
        "entered_mm": HAND_MM,
        "seconds": round(found.seconds),
        "views": views,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure labels from the webcam on a rendered hand.")
    parser.add_argument("--out", type=Path, default=OUT, help="where the figures go")
    parser.add_argument("--poses", default=",".join(JUDGED), metavar="NAME,NAME", help="which poses are shown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = summary(measure(Path(folder), tuple(VIEWS), options.poses.split(","), SETTLED, CLOSINGS))
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    late = found["late_ms"]
    print(f"{found['labels']} labels in {found['seconds']} s")
    print(f"against the film's clock: {late['least']:.1f} to {late['most']:.1f} ms, median {late['median']:.1f} ms")
    print(f"open or closed as the film at their time: {found['closings']['right']} of {found['closings']['labels']}")
    print(f"hand length {found['hand_mm']:.1f} mm, {found['entered_mm']:.0f} mm were entered")
    for view, figures in found["views"].items():
        for name in ("constant", "raw", "raw_without_bias", "labels_error"):
            error = np.array(figures[name])
            parts = f"thumb {error[:3].mean():.1f}, fingers {error[3:].mean():.1f}"
            print(f"{view} {name}: {error.mean():.1f} degrees; {parts}")


if __name__ == "__main__":
    main()
