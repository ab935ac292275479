"""The newest of what comes, so often and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class RateLimiter(Generic[T]):
    """Hands on at most `rate_hz` values a second, on a grid; the newest replaces one that waits."""

    def __init__(self, rate_hz: float, send: Callable[[T], None], loop: asyncio.AbstractEventLoop) -> None:
        self.due = 0.0
        """When the next value may go, on the loop's clock; in the past: the next one goes at once."""
        self._period, self._send, self._loop = 1.0 / rate_hz, send, loop
        self._waiting: list[T] = []
        self._timer: asyncio.TimerHandle | None = None

    def put(self, value: T) -> None:
        self._waiting = [value]
        if self._timer is None:
            if self._loop.time() >= self.due:
                self._release()
            else:
                self._timer = self._loop.call_at(self.due, self._release)

    def close(self) -> None:
        """Forget what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._timer = None
        time = self._loop.time()
        behind = max(0.0, time - self.due)
        # However late a value came, the grid stays where it was.
        self.due = self.due + (behind // self._period + 1.0) * self._period if self.due else time + self._period
        self._send(self._waiting.pop())
