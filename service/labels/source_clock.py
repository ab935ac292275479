"""Times of a tracker's clock on the process clock.

A network and a busy computer deliver late by varying amounts, never early. So the least delay within a while tells how
the two clocks differ, up to a constant delay that no program can see from outside; the lag that is estimated between
labels and EMG contains it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

WHILE_S: Final = 30.0
"""Seconds over which the least delay counts: clocks drift by a millisecond within it."""
JUMP_S: Final = 1.0
"""Seconds by which a delay may change at once; beyond that the tracker's clock was set, or began anew."""


class SourceClock:
    """Turns times of one tracker into times of the process."""

    def __init__(self) -> None:
        self._least: deque[tuple[float, float]] = deque()

    def at(self, source_s: float, arrival: float) -> float:
        """Seconds on the process clock, at most `arrival`.

        Args:
            source_s: when, on the tracker's clock.
            arrival: when that arrived, on the process clock.
        """
        delay = arrival - source_s
        if self._least and abs(delay - self._least[0][1]) > JUMP_S:
            self._least.clear()
        while self._least and self._least[-1][1] >= delay:
            self._least.pop()
        self._least.append((arrival, delay))
        while arrival - self._least[0][0] > WHILE_S:
            self._least.popleft()
        return source_s + self._least[0][1]
