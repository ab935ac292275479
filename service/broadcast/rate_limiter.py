"""A limit on how often the newest of several values is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class RateLimiter(Generic[T]):
    """Passes on at most `rate_hz` values a second, on a grid; a newer value replaces one that waits."""

    def __init__(self, rate_hz: float, send: Callable[[T], None], loop: asyncio.AbstractEventLoop) -> None:
        self.due = 0.0
        """When the next value may be sent, on the loop's clock; a time in the past means at once."""
        self._period, self._send, self._loop = 1.0 / rate_hz, send, loop
        self._waiting: list[T] = []
        self._timer: asyncio.TimerHandle | None = None

    def put(self, value: T) -> None:
        """Send a value now, or at the grid's next time."""
        self._waiting = [value]
        if self._timer is None:
            if self._loop.time() >= self.due:
                self._release()
            else:
                self._timer = self._loop.call_at(self.due, self._release)

    def close(self) -> None:
        """Discard what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._timer = None
        time = self._loop.time()
        late = max(0.0, time - self.due)
        # The grid stays where it is, however late a value came.
        self.due = self.due + (late // self._period + 1.0) * self._period if self.due else time + self._period
        self._send(self._waiting.pop())
