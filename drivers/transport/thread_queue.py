"""From a thread that reads a device to the event loop: crossed once, in a buffer of bounded size."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from drivers.errors import DriverError

T = TypeVar("T")


class ThreadQueue(Generic[T]):
    """One thread puts, one task takes. Make it on the event loop's thread.

    Args:
        limit: the sum of sizes that may wait; what comes beyond is dropped and counted.
    """

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        """Sum of the sizes that found no room: the event loop was blocked for too long."""
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: list[T] = []
        self._size = 0
        self._something = asyncio.Event()
        self._failure: DriverError | None = None

    def put(self, item: T, size: int) -> None:
        """From the thread: hand something over."""
        with self._lock:
            if self._size + size > self._limit:
                self.dropped += size
                return
            first = not self._waiting
            self._waiting.append(item)
            self._size += size
        if first:
            self.call(self._something.set)

    def fail(self, failure: DriverError) -> None:
        """From the thread: nothing more will come. `take` raises this after what waits."""
        self.call(lambda: self._fail(failure))

    def call(self, what: Callable[[], object]) -> None:
        """From the thread: call something on the loop's, if the loop still runs."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what)

    async def take(self) -> list[T]:
        """Everything that waits, at least one item. Raises what the thread failed with."""
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            self._something.clear()
            await self._something.wait()
        with self._lock:
            items, self._waiting, self._size = self._waiting, [], 0
        return items

    def _fail(self, failure: DriverError) -> None:
        self._failure = failure
        self._something.set()
