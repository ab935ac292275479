"""Keeps a source running: runs it, watches for silence, and makes a lost link again.

One run of a source is one connection. What a person must mend (a wrong address, no permission) ends the
first attempt with the source's own error. A lost link, and once samples have come every failure, is tried
again for ever: after a back-off, or as soon as the source says that its device is there again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from drivers.asyncio_utils import first_done
from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError
from drivers.events import Event, Frame
from drivers.source import Source, SupportsPresence
from service.devices.status import DeviceStatus

SILENCE_S: Final = 2.0
"""A link without a sample for so long is dead, whatever the radio stack says."""
FIRST_BACKOFF_S: Final = 0.5
LAST_BACKOFF_S: Final = 10.0


class Backoff:
    """0.5 s, doubling to 10 s, each shortened by up to half at random so that two bands do not keep colliding."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._next = FIRST_BACKOFF_S

    def next(self) -> float:
        delay, self._next = self._next, min(2 * self._next, LAST_BACKOFF_S)
        return delay * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._next = FIRST_BACKOFF_S


class Supervisor:
    """Runs one source until cancelled, or until it ends by itself."""

    def __init__(
        self,
        source: Source,
        emit: Callable[[Event], None],
        status: DeviceStatus,
        *,
        backoff: Backoff | None = None,
        clock: Clock = now,
    ) -> None:
        self._source, self._emit, self._status, self._clock = source, emit, status, clock
        self._backoff = backoff or Backoff()
        self._eagerness = Backoff()
        self._heard = 0.0
        self._frames = 0
        self._ever = False

    async def run(self) -> None:
        """Until the source ends.

        Raises:
            DriverError: the first connection failed in a way that trying again does not mend.
        """
        while True:
            try:
                await self._connection()
                self._status.set("ended")
                return
            except DriverError as error:
                self._ever = self._ever or self._frames > 0
                if not self._ever and not isinstance(error, DeviceLost):
                    self._status.set("failed", ("source_failed", str(error)))
                    raise
                await self._retry(error)

    async def _retry(self, error: DriverError) -> None:
        if self._frames:
            self._backoff.reset()
            self._eagerness.reset()
        code = "device_lost" if isinstance(error, DeviceLost) else "source_failed"
        self._status.set("reconnecting", (code, str(error)))
        pause = self._backoff.next()
        if isinstance(self._source, SupportsPresence):
            await self._pause(self._source, pause)
        else:
            await asyncio.sleep(pause)

    async def _pause(self, source: SupportsPresence, pause: float) -> None:
        """Back off, but no longer than until the device is there again.

        A device that is there and yet fails is not tried faster and faster: while it does, what must pass before
        such a word counts grows as the back-off does. A device that was away all the time is believed at once.
        """
        clock = asyncio.get_running_loop().time
        start, least = clock(), min(self._eagerness.next(), pause)
        if not await self._there_again(source, pause):
            self._eagerness.reset()
            least = pause
        await asyncio.sleep(max(0.0, start + least - clock()))

    async def _there_again(self, source: SupportsPresence, seconds: float) -> bool:
        """Whether the source says so within that time."""
        watch = asyncio.ensure_future(source.reachable())
        try:
            await asyncio.wait_for(asyncio.shield(watch), seconds)
        except (TimeoutError, DriverError):
            return False
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        return True

    async def _connection(self) -> None:
        """One run of the source beside its watchdog; whichever ends first ends the other."""
        self._frames = 0
        self._heard = self._clock()
        run = asyncio.ensure_future(self._source.run(self._take))
        watch = asyncio.ensure_future(self._watch())
        await first_done(run, watch)
        if run.cancelled():
            raise DeviceLost(f"{self._source.info.uri}: no sample for {SILENCE_S:g} s; making the link again")
        run.result()

    def _take(self, event: Event) -> None:
        if type(event) is Frame:
            self._frames += 1
            self._heard = self._clock()
        self._emit(event)

    async def _watch(self) -> None:
        """Ends when a live source that has spoken falls silent."""
        if self._source.info.nature != "live":
            await asyncio.Event().wait()
        while True:
            left = self._heard + SILENCE_S - self._clock()
            if left <= 0 and self._frames:
                return
            await asyncio.sleep(max(left, 0.05) if self._frames else SILENCE_S / 4)
