"""Keep a source running: run it, watch for silence, and reconnect after a loss.

One run of a source is one connection. An error that only a person can correct (a wrong address, no permission) ends
the first attempt. A lost connection is retried without end, and so is every failure once samples have come: after a
back-off, or as soon as the source reports that its device is present again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final
from weakref import WeakSet

from drivers.clock import CLOCK, OFF_S, Clock, now
from drivers.clock_shift import shifted
from drivers.errors import DeviceLost, DriverError
from drivers.events import Event, Frame, Notice
from drivers.source import Source, SupportsPresence
from drivers.transport.asyncio_utils import first_done
from service.devices.status import DeviceStatus
from service.event_loop import stop_on_signals

log = logging.getLogger("myocast")

SILENCE_S: Final = 2.0
"""Seconds without a sample after which a live connection is closed and opened anew."""
FIRST_BACKOFF_S: Final = 0.5
"""Seconds before the first attempt to reconnect; they double with every further one."""
LAST_BACKOFF_S: Final = 10.0
"""Seconds between two attempts at most."""


_SUPERVISORS: Final[WeakSet[Supervisor]] = WeakSet()
"""Those of this process, which share its clock."""


class DriverFault(DriverError):
    """A driver ended with an error that it should not have."""

    exit_code = 1


class Backoff:
    """Delays of 0.5 s, doubling to 10 s, each shortened at random by up to half to keep two bands from colliding."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._next = FIRST_BACKOFF_S

    def next(self) -> float:
        """Return the next delay, seconds."""
        delay, self._next = self._next, min(2 * self._next, LAST_BACKOFF_S)
        return delay * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with the shortest delay."""
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
        self._presence_backoff = Backoff()
        self._last_frame_at = 0.0
        self._frames = 0
        self._had_frames = False
        self._shifted_s = shifted()
        self._told_behind_s = 0.0
        _SUPERVISORS.add(self)

    async def run(self) -> None:
        """Run the source until it ends.

        Raises:
            DriverError: the first connection failed, and not because the device was lost.
            DriverFault: the driver has a fault; its log line has the traceback.
        """
        try:
            await self._run()
        except DriverError:
            raise
        except Exception as error:
            # Another run would meet it again.
            log.exception("device %d: its driver failed", self._status.index)
            fault = DriverFault(f"{self._source.info.uri}: a fault in its driver ({type(error).__name__}: {error})")
            self._status.set("failed", ("source_failed", str(fault)))
            raise fault from error

    async def _run(self) -> None:
        while True:
            try:
                await self._connect()
                self._status.set("ended")
                return
            except DriverError as error:
                self._had_frames = self._had_frames or self._frames > 0
                if not self._had_frames and not isinstance(error, DeviceLost):
                    self._status.set("failed", ("source_failed", str(error)))
                    raise
                await self._retry(error)

    async def _retry(self, error: DriverError) -> None:
        if self._frames:
            self._backoff.reset()
            self._presence_backoff.reset()
        code = "device_lost" if isinstance(error, DeviceLost) else "source_failed"
        self._status.set("reconnecting", (code, str(error)))
        delay_s = self._backoff.next()
        if isinstance(self._source, SupportsPresence):
            await self._wait_for_presence(self._source, delay_s)
        else:
            await asyncio.sleep(delay_s)

    async def _wait_for_presence(self, source: SupportsPresence, delay_s: float) -> None:
        """Back off, but only until the device is present again.

        A device that is present and yet fails must not be tried ever faster: the time before its presence counts
        grows with a back-off of its own, which a device that stayed away for the whole delay resets.
        """
        clock = asyncio.get_running_loop().time
        start, least_s = clock(), min(self._presence_backoff.next(), delay_s)
        if not await self._present_within(source, delay_s):
            self._presence_backoff.reset()
            least_s = delay_s
        await asyncio.sleep(max(0.0, start + least_s - clock()))

    async def _present_within(self, source: SupportsPresence, seconds: float) -> bool:
        """Return whether the source reports its device within that time; False for a source that cannot detect it."""
        reachable = asyncio.ensure_future(source.reachable())
        await first_done(reachable, seconds=seconds)
        if reachable.cancelled() or isinstance(reachable.exception(), DriverError):
            return False
        reachable.result()
        return True

    async def _connect(self) -> None:
        """Run the source once beside a watch for silence; whichever ends first ends the other."""
        self._frames = 0
        self._anchor_clock()
        self._last_frame_at = self._clock()
        run = asyncio.ensure_future(self._source.run(self._on_event))
        silence = asyncio.ensure_future(self._wait_for_silence())
        await first_done(run, silence)
        if run.cancelled():
            raise DeviceLost(f"{self._source.info.uri}: no sample for {SILENCE_S:g} s; making the link again")
        run.result()

    def _anchor_clock(self) -> None:
        """Bring the process clock to a wall clock that was set since, unless samples flow anywhere."""
        if any(one.flowing for one in _SUPERVISORS if one is not self):
            return
        behind_s = max(0.0, -CLOCK.anchor_anew())
        if behind_s > self._told_behind_s + OFF_S:
            log.warning("the computer's clock was set back by %.1f s; times run on as they are", behind_s)
        self._told_behind_s = behind_s

    @property
    def flowing(self) -> bool:
        """Whether samples came within the last seconds."""
        return self._frames > 0 and self._clock() - self._last_frame_at < SILENCE_S

    def _follow_clock(self) -> None:
        """Tell that the process clock was anchored anew."""
        moved_s, self._shifted_s = shifted() - self._shifted_s, shifted()
        self._last_frame_at += moved_s
        detail = f"times go on {moved_s:.1f} s later: the computer slept, or its clock was set"
        log.warning("device %d: %s", self._status.index, detail)
        self._emit(Notice(self._clock(), "clock", detail))

    def _on_event(self, event: Event) -> None:
        if shifted() != self._shifted_s:
            self._follow_clock()
        if type(event) is Frame:
            self._frames += 1
            self._last_frame_at = self._clock()
        self._emit(event)

    async def _wait_for_silence(self) -> None:
        """Return when a live source that has sent frames has sent none for `SILENCE_S`."""
        if self._source.info.nature != "live":
            await asyncio.Event().wait()
        while True:
            self._clock()  # Asking for the time adds what the computer slept.
            if shifted() != self._shifted_s:
                self._follow_clock()
            left_s = self._last_frame_at + SILENCE_S - self._clock()
            if left_s <= 0 and self._frames:
                return
            await asyncio.sleep(max(left_s, 0.05) if self._frames else SILENCE_S / 4)


async def run_until(stop: asyncio.Event, source: Source, emit: Callable[[Event], None], status: DeviceStatus) -> None:
    """Run an opened source without serving it, until `stop` is set, it ends by itself, or SIGINT or SIGTERM comes.

    The signals set `stop`. What the source meets while it is being stopped is no error.

    Raises:
        DriverError: see `Supervisor.run`.
    """
    stop_on_signals(stop)
    running = asyncio.ensure_future(Supervisor(source, emit, status).run())
    stopped = asyncio.ensure_future(stop.wait())
    await first_done(running, stopped)
    if stopped.cancelled():
        running.result()
