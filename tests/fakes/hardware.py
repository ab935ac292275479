"""Helpers of the tests of live sources: a collector of events, a run that is always stopped, real EMG."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pytest

from drivers.events import Event, Frame
from drivers.sessions import read_session
from drivers.source import Source
from models.arrays import Float32Array
from models.recording import Recording

E = TypeVar("E")

LIVE_S: Final = float(os.environ.get("MYOCAST_LIVE_SECONDS", "2"))
"""Seconds that the tests of a plain stream in real time last; before a release, a minute."""
GESTURES: Final = Path(__file__).parents[3] / "shared" / "data" / "myo-readings-dataset"
PATIENCE_S: Final = 30.0


class EventCollector:
    """Collects the events of a source; a test can wait for them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.samples = 0
        self.failure: BaseException | None = None
        self._arrived = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Frame):
            self.samples += len(event.samples)
        self._arrived.set()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def emg(self) -> Float32Array:
        return np.concatenate([frame.samples for frame in self.of(Frame)])

    @property
    def index(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Index of every sample."""
        return np.concatenate([frame.first_sample + np.arange(len(frame.samples)) for frame in self.of(Frame)])

    async def until(self, condition: Callable[[EventCollector], object], seconds: float = PATIENCE_S) -> None:
        async with asyncio.timeout(seconds):
            while not condition(self):
                assert self.failure is None, f"the run ended: {self.failure}"
                self._arrived.clear()
                await self._arrived.wait()

    def fail(self, failure: BaseException | None) -> None:
        """End the waiting of `until`, since the run is over."""
        self.failure = failure
        self._arrived.set()

    async def until_samples(self, count: int, seconds: float = PATIENCE_S) -> None:
        await self.until(lambda collector: collector.samples >= count, seconds)


class Run:
    """One run of a source, as a task."""

    def __init__(self, source: Source, collector: EventCollector) -> None:
        self.task = asyncio.ensure_future(source.run(collector))
        self.expected = False
        collector.failure = None
        self.task.add_done_callback(lambda task: collector.fail(None if task.cancelled() else task.exception()))

    async def ended(self, seconds: float = PATIENCE_S) -> BaseException | None:
        """Wait until it ends by itself; return its exception."""
        self.expected = True
        async with asyncio.timeout(seconds):
            await asyncio.wait((self.task,))
        return self.task.exception()


@asynccontextmanager
async def running(source: Source, collector: EventCollector) -> AsyncIterator[Run]:
    """One run of a source; cancelled at the end. What it raised unexpectedly is raised here."""
    run = Run(source, collector)
    try:
        yield run
    finally:
        run.task.cancel()
        with suppress(asyncio.CancelledError, *((Exception,) if run.expected else ())):
            await run.task


def session(name: str = "21547-1/7.txt.gz") -> Recording:
    """A minute of real EMG of a Myo."""
    path = GESTURES / "_readings_right_hand" / name
    if not path.exists():
        pytest.skip("the recorded Myo sessions are not beside this repository")
    return read_session(path)
