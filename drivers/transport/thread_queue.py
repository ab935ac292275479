"""A queue of bounded size from a thread that reads a device to the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from drivers.errors import DriverError

T = TypeVar("T")


class ThreadQueue(Generic[T]):
    """A queue with one thread that puts and one task that takes; created on the event loop's thread.

    Unlike `queue.Queue` it bounds the sum of the items' sizes, and never makes the thread wait.

    Args:
        limit: largest sum of the sizes of waiting items; items beyond it are dropped and counted.
    """

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        """Sum of the sizes of dropped items: the event loop was blocked for too long."""
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: list[T] = []
        self._size = 0
        self._not_empty = asyncio.Event()
        self._failure: DriverError | None = None

    def put(self, item: T, size: int) -> None:
        """Put an item; called from the thread."""
        with self._lock:
            if self._size + size > self._limit:
                self.dropped += size
                return
            first = not self._waiting
            self._waiting.append(item)
            self._size += size
        if first:
            self.call(self._not_empty.set)

    def fail(self, failure: DriverError) -> None:
        """End the queue; called from the thread. `take` raises the failure after the waiting items."""
        self.call(lambda: self._fail(failure))

    def call(self, function: Callable[[], object]) -> None:
        """Call a function on the loop's thread, if the loop still runs; called from the thread."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    async def take(self) -> list[T]:
        """Wait for an item; return all that wait. Raises the failure that the thread ended with."""
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            self._not_empty.clear()
            await self._not_empty.wait()
        with self._lock:
            items, self._waiting, self._size = self._waiting, [], 0
        return items

    def _fail(self, failure: DriverError) -> None:
        self._failure = failure
        self._not_empty.set()
