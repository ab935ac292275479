"""Record the viewer for the README: docs/images/viewer.webp, a moving hand beside the steps, and viewer.png, a still.

Run: .venv/bin/python -m tools.viewer_clip [FOLDER]

First the stream of the demo session is recorded from a real server in real time, then a page plays that recording
with a simulated clock, frame by frame. So the clip is smooth however slowly this machine draws, and the browser takes
no processor time from the server while its figures are measured. Pose rate, pose age, skipped windows and mean error
are those of the recorded messages; the latency is that of a 60 Hz screen without the time that drawing takes. A
recording in which other programs on this machine made the server skip windows is made again.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from PIL import Image
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.support.chromium import chromium
from tests.support.console import Console, Server

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

REPOSITORY: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = REPOSITORY / "docs" / "images"
SIZE: Final[ViewportSize] = {"width": 1100, "height": 640}
START_S: Final = 5.3
"""Position in the demo session at which the clip starts: the hand is open, then makes a fist and opens again."""
REFRESH_MS: Final = 16
"""Time between two refreshes of the simulated screen, the grid of Playwright's clock."""
FRAME_MS: Final = 5 * REFRESH_MS
LEAD_MS: Final = 56 * FRAME_MS
"""Time played before the clip, so that the EMG strips are full."""
LENGTH_MS: Final = 50 * FRAME_MS
STILL_MS: Final = 40 * FRAME_MS
"""Time of the still in the clip: the hand is open."""
LOAD_MS: Final = 3750 * REFRESH_MS
"""The page may take this long to load, before its clock is stopped at the recording's start."""
ATTEMPTS: Final = 20
QUALITY: Final = 75
MAX_BYTES: Final = 1_500_000

# Takes the place of the browser's WebSocket: `feed` delivers messages, and pings are answered at once.
SOCKET: Final = """
class RecordedSocket extends EventTarget {
  static OPEN = 1;
  constructor() {
    super();
    Object.assign(this, { readyState: 0, protocol: "myocast.v1.json", bufferedAmount: 0 });
    window.feed = (texts) => texts.forEach((text) => this.deliver(text));
    setTimeout(() => { this.readyState = 1; this.emit(new Event("open")); }, 0);
  }
  send(text) {
    const message = JSON.parse(text);
    if (message.type === "ping") this.deliver(JSON.stringify({ type: "pong", id: message.id, t: Date.now() / 1000 }));
  }
  close() {}
  deliver(data) { this.emit(new MessageEvent("message", { data })); }
  emit(event) { this.dispatchEvent(event); this["on" + event.type]?.(event); }
}
window.WebSocket = RecordedSocket;
"""


# Opens the steps at the one that shows the signal of each channel, once the server has told what it is.
OPEN_CHECK: Final = """() => {
  const guide = document.querySelector("#guide");
  if (guide.hidden) document.querySelector("#guide-toggle").click();
  const check = [...document.querySelectorAll("#guide-steps button")].find((one) => one.innerText.includes("Check"));
  check?.click();
  return check !== undefined;
}"""


class Message(NamedTuple):
    """A message of the stream, and when it arrived: Unix seconds."""

    arrival_s: float
    text: str


def record(server: Server) -> list[Message]:
    """Messages of the demo session from `LEAD_MS` before the clip to its end, as a client receives them."""
    for _ in range(ATTEMPTS):
        messages = record_once(server)
        if not any(json.loads(message.text).get("skipped") for message in messages):
            return messages
    sys.exit(f"the server skipped windows in each of {ATTEMPTS} recordings: run this while the machine has less to do")


def record_once(server: Server) -> list[Message]:
    action = json.dumps({"action": "seek", "value": START_S - LEAD_MS / 1000}).encode()
    request = urllib.request.Request(f"{server.url}api/v1/replay", action, {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()
    messages: list[Message] = []
    address = f"{server.stream}?streams=pose,emg,imu,status"
    with connect(address, subprotocols=[Subprotocol("myocast.v1.json")]) as socket:
        while not messages or messages[-1].arrival_s < messages[0].arrival_s + (LEAD_MS + LENGTH_MS) / 1000:
            text = socket.recv()
            messages.append(Message(time.time(), str(text)))
    return messages


def play(page: Page, messages: Sequence[Message]) -> Iterator[bytes]:
    """Play the messages to a page whose clock is simulated; yield a PNG for each frame of the clip."""
    waiting = deque(messages)
    elapsed_ms, is_open = 0, False
    while elapsed_ms < LEAD_MS + LENGTH_MS:
        # During the lead only every frame is drawn, not every refresh, to save time.
        step_ms = FRAME_MS if elapsed_ms < LEAD_MS else REFRESH_MS
        elapsed_ms += step_ms
        due = []
        while waiting and waiting[0].arrival_s <= messages[0].arrival_s + elapsed_ms / 1000:
            due.append(waiting.popleft().text)
        page.evaluate("texts => feed(texts)", due)
        page.clock.fast_forward(step_ms)
        is_open = is_open or page.evaluate(OPEN_CHECK)
        if elapsed_ms > LEAD_MS and elapsed_ms % FRAME_MS == 0:
            yield page.screenshot()


def save(frames: Sequence[bytes], folder: Path) -> Path:
    """Write the clip and the still; returns the clip."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = folder / "viewer.webp"
    first, *others = (Image.open(io.BytesIO(png)).convert("RGB") for png in frames)
    first.save(clip, save_all=True, append_images=others, duration=FRAME_MS, loop=0, quality=QUALITY, method=6)
    Image.open(io.BytesIO(frames[STILL_MS // FRAME_MS])).save(folder / "viewer.png", optimize=True)
    return clip


def main(arguments: Sequence[str]) -> int:
    """Record, draw, save, and print what came out; 1 if the clip is too large."""
    folder = Path(arguments[0]) if arguments else IMAGES
    with tempfile.TemporaryDirectory() as scratch:
        console = Console(REPOSITORY, Path(scratch))
        server = console.serve("demo:")
        messages = record(server)
        with chromium() as browser:
            page = browser.new_page(viewport=SIZE, color_scheme="dark", reduced_motion="reduce")
            start_ms = int(messages[0].arrival_s * 1000)
            page.clock.install(time=(start_ms - LOAD_MS) / 1000)
            page.add_init_script(SOCKET)
            page.goto(f"{server.url}?quality=full")
            page.clock.pause_at(start_ms / 1000)
            frames = list(play(page, messages))
            page.close()
        console.close()
    clip = save(frames, folder)
    size = clip.stat().st_size
    print(f"{clip}: {len(frames)} frames of {FRAME_MS} ms, {size / 1e6:.2f} MB")
    return int(size > MAX_BYTES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
