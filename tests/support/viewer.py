"""A page with the viewer, what tests do with it, and a stream that a test writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.fakes.simple_hand import make_hand
from tests.support.console import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize, WebSocketRoute

REPOSITORY: Final = Path(__file__).resolve().parents[2]
TIMEOUT_MS: Final = 30_000
DESKTOP: Final[ViewportSize] = {"width": 800, "height": 500}
GOLDEN: Final = REPOSITORY / "tests" / "golden"
FRAME_MS: Final = 150
"""Milliseconds that a page waits before each frame. Drawn by software, one takes a processor a tenth of a second and
more, and frame after frame would take all processors from the other tests."""
UNHURRIED: Final = f"""
  const draw = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) => setTimeout(() => draw(callback), {FRAME_MS});
  window.cancelAnimationFrame = clearTimeout;
"""
AXE: Final = REPOSITORY / "service" / "viewer" / "node_modules" / "axe-core" / "axe.min.js"


class Viewer:
    """A page with the viewer, and what tests do with it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.script: ScriptedStream | None = None
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    @classmethod
    def launch(cls, browser: Browser, **options: Any) -> Viewer:
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
        context.add_init_script(UNHURRIED)
        return cls(context.new_page())

    def close(self) -> None:
        """Close the page. It must not have raised, nor sent a request to another host."""
        self.page.context.close()
        assert self.errors == []
        assert len({address.split("/")[2] for address in self.requests}) == 1

    def open(self, url: str) -> Viewer:
        self.page.goto(url)
        self.until("window.myocast !== undefined")
        return self

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression holds."""
        self.page.wait_for_function(f"() => {condition}", timeout=TIMEOUT_MS)

    def evaluate(self, expression: str) -> Any:
        return self.page.evaluate(f"() => {expression}")

    def until_text(self, selector: str, text: str) -> None:
        self.until(f"document.querySelector({selector!r}).innerText.includes({text!r})")

    def until_moving(self) -> None:
        """Wait until a newer pose has been drawn."""
        before = self.evaluate("({ frames: myocast.frames, seq: myocast.pose?.seq ?? -1 })")
        self.until(f"myocast.frames > {before['frames']} && (myocast.pose?.seq ?? -1) > {before['seq']}")

    def visible(self, selector: str) -> bool:
        return self.page.locator(selector).is_visible()


OpenViewer = Callable[..., Viewer]


class PageHolder:
    """Holds at most one open page, because every open page renders and software rendering is slow."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._open: tuple[str, Viewer] | None = None

    def show(self, name: str, make: Callable[[Browser], Viewer]) -> Viewer:
        """Return the open page if it has this name, else close it and make a new one."""
        if self._open is None or self._open[0] != name:
            self.close()
            self._open = name, make(self._browser)
        return self._open[1]

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
        self._open = None


class ScriptedStream:
    """A page whose stream the test writes; everything else comes from the real server."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.viewer = Viewer.launch(browser)
        self._sockets: list[WebSocketRoute] = []
        self.viewer.page.route_web_socket("**/v1/stream**", self._on_connect)
        self.viewer.open(server.url)
        self.viewer.until("myocast.phase === 'open'")

    def send(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self._sockets[-1].send(json.dumps(message))

    def _on_connect(self, socket: WebSocketRoute) -> None:
        def answer_ping(text: str | bytes) -> None:
            socket.send(json.dumps({"type": "pong", "id": json.loads(text)["id"], "t": 1763900000.0}))

        socket.on_message(answer_ping)
        self._sockets.append(socket)


def hello(**device: Any) -> dict[str, Any]:
    """The golden hello, with its first armband changed."""
    message: dict[str, Any] = json.loads((GOLDEN / "hello.json").read_bytes())
    entry = {**message["devices"][0], "device": {**message["device"], **device}}
    return {**message, **entry, "devices": [entry]}


def status(state: str, **more: Any) -> dict[str, Any]:
    quiet = {
        "signal": None,
        "labels": None,
        "battery": None,
        "recording": None,
        "replay": None,
        "error": None,
        "dropped": 0,
    }
    message: dict[str, Any] = json.loads((GOLDEN / "status.json").read_bytes())
    return {**message, **quiet, "state": state, **more}


def pose(bend: float, hand: str = "right", **more: Any) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((GOLDEN / "pose.json").read_bytes())
    joints = make_hand(bend, "left" if hand == "left" else "right").tolist()
    return {**message, "hand": hand, "joints": joints, **more}


def axe_violations(page: Viewer) -> list[str]:
    """What axe-core finds, as `rule: element`."""
    if page.evaluate("window.axe === undefined"):
        # Not as a script of the page, which its content security policy forbids.
        page.page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = page.page.evaluate(
        "async () => (await axe.run()).violations"
        ".flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html} ${n.failureSummary}`))"
    )
    return found
