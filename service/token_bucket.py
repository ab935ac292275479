"""How much of something may be done in a while: so many at once, and so many a second."""

from __future__ import annotations


class TokenBucket:
    """Grants `burst` at once and `rate` a second after that.

    Args:
        time: when it begins, seconds on any clock; the same clock counts in `take`.
    """

    __slots__ = ("_burst", "_left", "_rate", "_time")

    def __init__(self, rate: float, burst: float, time: float) -> None:
        self._rate, self._burst = rate, float(burst)
        self._left, self._time = float(burst), time

    def take(self, time: float, count: float = 1.0) -> bool:
        """Take so many if they are left; return whether they were."""
        self._left = min(self._burst, self._left + (time - self._time) * self._rate)
        self._time = time
        if self._left < count:
            return False
        self._left -= count
        return True
