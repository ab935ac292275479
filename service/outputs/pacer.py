"""The newest of what comes, so often and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pacer(Generic[T]):
    """Hands on at most `rate_hz` values a second, on a grid; the newest replaces one that waits."""

    def __init__(self, rate_hz: float, send: Callable[[T], None], loop: asyncio.AbstractEventLoop) -> None:
        self._period, self._send, self._loop = 1.0 / rate_hz, send, loop
        self._due = 0.0
        self._waiting: list[T] = []
        self._timer: asyncio.TimerHandle | None = None

    def put(self, value: T) -> None:
        self._waiting = [value]
        if self._timer is None:
            if self._loop.time() >= self._due:
                self._release()
            else:
                self._timer = self._loop.call_at(self._due, self._release)

    def close(self) -> None:
        """Forget what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._timer = None
        time = self._loop.time()
        on_grid = self._due + self._period
        self._due = on_grid if on_grid > time else time + self._period
        self._send(self._waiting.pop())
