"""The rate of lines, measured from their arrivals. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

WAITED_S: Final = 0.5
"""Seconds after the first arrival that do not count, where there are enough: what had waited came with them."""
LEAST_S: Final = 1.0
"""Seconds that must remain then."""
SPAN_S: Final = 5.0
"""Seconds of each measurement that goes on while samples flow."""
SPANS: Final = 3
"""Measurements in a row that must agree before a rate is given up for another."""
WRONG: Final = 0.03
"""Fraction by which a rate is wrong: the sample clock follows a smaller difference by itself."""
_AGREE: Final = 0.02

Arrival = tuple[int, float]
"""Samples, and the time at which they arrived, Unix seconds."""


def measured_rate(arrivals: Sequence[Arrival]) -> float:
    """Samples per second, to 0.1 Hz: those after the first arrival that counts, by the time to the last one."""
    start = next((t for _, t in arrivals if t >= arrivals[0][1] + WAITED_S), arrivals[0][1])
    if arrivals[-1][1] - start < LEAST_S:
        start = arrivals[0][1]
    count = sum(samples for samples, t in arrivals if t > start)
    return max(0.1, round(count / (arrivals[-1][1] - start), 1))


class RateWatch:
    """Goes on measuring a rate that was measured.

    Args:
        rate_hz: as measured first.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._start: float | None = None
        self._count = 0
        self._measured: deque[float] = deque(maxlen=SPANS)

    def restart(self) -> None:
        """Begin anew on a new link."""
        self._start, self._count = None, 0
        self._measured.clear()

    def add(self, count: int, arrival: float) -> float | None:
        """Count samples; return the rate, to 0.1 Hz, once it has been another one for long enough."""
        if self._start is None:
            self._start = arrival
            return None
        self._count += count
        if arrival - self._start < SPAN_S:
            return None
        self._measured.append(self._count / (arrival - self._start))
        self._start, self._count = arrival, 0
        if not self._proved_wrong():
            return None
        self._rate_hz = round(sorted(self._measured)[SPANS // 2], 1)
        self._measured.clear()
        return self._rate_hz

    def _proved_wrong(self) -> bool:
        return (
            len(self._measured) == SPANS
            and all(abs(rate - self._rate_hz) > WRONG * self._rate_hz for rate in self._measured)
            and all(abs(a - b) < _AGREE * a for a, b in pairwise(sorted(self._measured)))
        )
