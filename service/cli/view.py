"""`myocast view`: what a server sends, in a browser or as one live line of text."""

from __future__ import annotations

import asyncio
import math
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Final

import typer

from models.errors import MyocastError
from models.hand import FINGERS

if TYPE_CHECKING:
    from myocast_client import Client, Float32Array, Pose, Status

Url = Annotated[str, typer.Argument(metavar="URL", help="What `myocast serve` prints, like http://127.0.0.1:8765/")]
Text = Annotated[bool, typer.Option("--text", help="Show a live line here instead of opening a browser.")]
Token = Annotated[str | None, typer.Option(metavar="T", help="The server's token, if the address does not carry it.")]

MAX_LINES_PER_S: Final = 10.0
BARS: Final = "▁▂▃▄▅▆▇█"
_BENT, _STRAIGHT = 0.4, 1.0
"""A finger's straight length over the sum of its bones: curled up, and stretched."""


class ViewError(MyocastError):
    """A server that cannot be viewed."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def command(url: Url, text: Text = False, token: Token = None) -> None:
    """Watch a server: the hand in a browser, or with --text one line of state, rate, latency and fingers."""
    if text:
        with asyncio.Runner() as runner:
            runner.run(_watch(url, token))
    else:
        _browse(url)


def _browse(url: str) -> None:
    import webbrowser

    if not webbrowser.open(url if "://" in url else f"http://{url}"):
        raise ViewError("there is no browser here; add --text for a line of text", 1)


async def _watch(url: str, token: str | None) -> None:
    from myocast_client import ClientError, Unreachable, connect

    client = connect(url, streams=("pose", "status"), max_rate=MAX_LINES_PER_S, token=token)
    try:
        async with _until_stopped(), client:
            await _show(client)
    except Unreachable as error:
        raise ViewError(f"{error}; start one with `myocast serve`, or give its address", 1) from None
    except ClientError as error:
        raise ViewError(f"the server does not let us in: {error}" if error.status else str(error), 2) from None


@asynccontextmanager
async def _until_stopped() -> AsyncIterator[None]:
    """SIGINT and SIGTERM end the block quietly."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    signals = () if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    except asyncio.CancelledError:
        task.uncancel()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _show(client: Client) -> None:
    from myocast_client import Hello, Pose, Status

    line = StatusLine(client.latency)
    with _screen() as show:
        async for message in client.messages():
            if isinstance(message, Hello):
                line.lag_ms = (message.pose or {}).get("lag_ms")
            elif isinstance(message, Status) and message.device == 0:
                line.status = message
                if not line.poses_flow:
                    show(line.text())
            elif isinstance(message, Pose) and message.device == 0:
                line.add(message)
                show(line.text())


class _screen:
    """On a terminal one line that changes; else one line after the other, at most ten a second."""

    def __enter__(self) -> Callable[[str], None]:
        if not sys.stdout.isatty():
            return lambda text: typer.echo(text)
        from rich.live import Live
        from rich.text import Text

        self._live = Live(auto_refresh=False, transient=False)
        self._live.start()
        return lambda text: self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_live"):
            self._live.stop()


@dataclass
class StatusLine:
    """The text of the status line, made from the newest pose and status."""

    latency: Callable[[Pose], float | None]
    status: Status | None = None
    pose: Pose | None = None
    rate_hz: float = 0.0
    lag_ms: float | None = None
    """By how much the model and its filter are behind the hand, as the server tells."""
    _before: list[Pose] = field(default_factory=list)

    @property
    def poses_flow(self) -> bool:
        return self.status is not None and self.status.state in ("live", "replay") and self.pose is not None

    def add(self, pose: Pose) -> None:
        """Add the newest pose; the rate is the server's, from the `seq` and `t` of the last second's poses."""
        if self._before and self._before[-1].seq >= pose.seq:
            self._before = []
        self._before = [old for old in self._before if 0.0 < pose.t - old.t <= 1.0]
        if self._before:
            first = self._before[0]
            self.rate_hz = (pose.seq - first.seq) / (pose.t - first.t or math.inf)
        self._before.append(pose)
        self.pose = pose

    def text(self) -> str:
        state = self.status.state if self.status is not None else "connecting"
        if self.status is not None and self.status.error is not None:
            state += f" ({self.status.error['message']})"
        if self.pose is None:
            return f"{state}: no poses yet"
        pose, latency = self.pose, self.latency(self.pose)
        parts = [state, pose.hand, f"#{pose.seq}", f"{self.rate_hz:.1f} poses/s"]
        if latency is not None:
            parts.append(f"latency {latency * 1e3:.1f} ms")
        if self.lag_ms is not None:
            parts.append(f"lag {self.lag_ms:.0f} ms")
        if pose.held:
            parts.append("held")
        parts += [f"infer {pose.infer_ms:.1f} ms", f"skipped {pose.skipped}"]
        if pose.confidence is not None:
            parts.append(f"confidence {pose.confidence:.2f}")
        if pose.truth is not None:
            parts.append(f"error {_mean_distance(pose.joints, pose.truth):.1f} mm")
        fingers = " ".join(f"{name} {bar}" for name, bar in zip(FINGERS, finger_bars(pose.joints), strict=True))
        return " · ".join([*parts, fingers])


def finger_bars(joints: Float32Array) -> list[str]:
    """One block per finger, as tall as the finger is stretched.

    Args:
        joints: (21, 3) mm.
    """
    bars = []
    for base in range(1, 21, 4):
        points = [tuple(map(float, joints[base + k])) for k in range(4)]
        length = sum(math.dist(a, b) for a, b in pairwise(points))
        straight = math.dist(points[0], points[3]) / length if length else 0.0
        share = min(max((straight - _BENT) / (_STRAIGHT - _BENT), 0.0), 1.0)
        bars.append(BARS[round(share * (len(BARS) - 1))])
    return bars


def _mean_distance(a: Float32Array, b: Float32Array) -> float:
    return sum(math.dist(map(float, p), map(float, q)) for p, q in zip(a, b, strict=True)) / len(a)
