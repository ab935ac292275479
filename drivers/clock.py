"""The process clock: Unix seconds that never step back.

It is the monotonic clock, anchored to the wall clock when the process began. Two things put such a clock off for good:
a computer that sleeps, whose monotonic clock stands still meanwhile, and one that gets its time late, from NTP. The
time slept is added as soon as somebody asks for the time. Towards a wall clock that was set, it is anchored anew where
no sample flows (`anchor_anew`); never backwards, because later times were sent already: then it runs on as it is.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from drivers.clock_shift import SHIFT, ClockShift

Clock = Callable[[], float]

OFF_S: Final = 1.0
"""Seconds by which the wall clock must be ahead before the process clock is anchored anew."""


def _boot_clock() -> int | None:
    """The system's clock that counts while it sleeps, where the performance counter does not; None on Windows.

    Linux has one for the purpose; on macOS it is CLOCK_MONOTONIC, whose namesake on Linux stands still.
    """
    name = "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME"
    found: int | None = getattr(time, name, None)
    return found


def _slept() -> float:
    """Seconds that the computer has slept since it was switched on, plus a constant."""
    return 0.0 if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK) - time.perf_counter()


class ProcessClock:
    """Unix seconds from the monotonic clock. Safe to call from any thread.

    Args:
        shift: is told by how much it was anchored anew; sample clocks move by as much.
    """

    def __init__(self, shift: ClockShift) -> None:
        self._shift = shift
        self._anchor = time.time() - time.perf_counter()
        self._slept = _slept()
        self._lock = threading.Lock()

    def now(self) -> float:
        """Unix seconds."""
        slept = _slept() - self._slept
        if slept > OFF_S:
            self._add_sleep()
        return time.perf_counter() + self._anchor

    def anchor_anew(self) -> float:
        """Anchor it to the wall clock, if that is ahead; to be called where no samples flow.

        Returns:
            Seconds by which the wall clock was ahead; negative where it is behind, which changes nothing.
        """
        with self._lock:
            ahead_s = time.time() - (time.perf_counter() + self._anchor)
            if ahead_s > OFF_S:
                self._anchor += ahead_s
                self._shift.seconds += ahead_s
        return ahead_s

    def _add_sleep(self) -> None:
        with self._lock:
            slept = _slept() - self._slept
            if slept > OFF_S:
                self._slept += slept
                self._anchor += slept
                self._shift.seconds += slept


_BOOT_CLOCK: Final = _boot_clock()
CLOCK: Final = ProcessClock(SHIFT)
"""The one of this process."""


def now() -> float:
    """Unix seconds (float64) on the process clock."""
    return CLOCK.now()
