"""Scripted sources, and frames whose every number can be checked by arithmetic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from drivers.errors import DeviceLost
from drivers.events import Emit, Event, Frame, SourceInfo
from models.arrays import Float32Array
from models.hand import CHANNELS

INFO: Final = SourceInfo("scripted:", "Scripted armband", 200.0)


def ramp(start: int, count: int) -> Float32Array:
    """(count, 8): row i is 10 i + 0.1 channel, modulo a range that stays within an armband's numbers."""
    rows = np.arange(start, start + count)[:, None] % 100
    return (rows + 0.1 * np.arange(CHANNELS)).astype(np.float32)


def frame(sample: int, count: int = 2, *, t0: float = 1000.0, rate_hz: float = 200.0, **more: Any) -> Frame:
    """A frame of `ramp` whose sample i has the time t0 + i / rate."""
    t = t0 + sample / rate_hz
    return Frame(sample, t, ramp(sample, count), more.pop("arrival", t + count / rate_hz), **more)


def frames(start: int, stop: int, step: int = 2, **more: Any) -> Iterator[Frame]:
    """Frames of `step` samples from `start` up to `stop`."""
    for sample in range(start, stop, step):
        yield frame(sample, min(step, stop - sample), **more)


class Puppet:
    """A source that a test controls: `emit` an event, `lose` the link, `end` the run."""

    def __init__(self, info: SourceInfo = INFO) -> None:
        self.info = info
        self.runs = 0
        self.running = asyncio.Event()
        self._emit: Emit | None = None
        self._over: asyncio.Future[None] | None = None

    async def run(self, emit: Emit) -> None:
        self.runs += 1
        self._emit = emit
        self._over = asyncio.get_running_loop().create_future()
        emit(self.info)
        self.running.set()
        try:
            await self._over
        finally:
            self._emit = None
            self.running.clear()

    def emit(self, *events: Event) -> None:
        assert self._emit is not None, "not running"
        for event in events:
            self._emit(event)

    def tell(self, info: SourceInfo) -> None:
        """Emit a changed description of the device."""
        self.info = info
        self.emit(info)

    def lose(self, why: str = "the link went") -> None:
        assert self._over is not None
        self._over.set_exception(DeviceLost(why))

    def end(self) -> None:
        assert self._over is not None
        self._over.set_result(None)


class Script:
    """A source of runs prepared beforehand; each ends with an error, or by itself (None)."""

    def __init__(self, runs: Sequence[tuple[Sequence[Event | float], BaseException | None]], info: SourceInfo = INFO):
        self.info = info
        self.runs = 0
        self._script = runs

    async def run(self, emit: Emit) -> None:
        """Emit events; a number is a pause in seconds."""
        events, error = self._script[min(self.runs, len(self._script) - 1)]
        self.runs += 1
        emit(self.info)
        for event in events:
            if isinstance(event, float):
                await asyncio.sleep(event)
            else:
                emit(event)
        if error is not None:
            raise error
