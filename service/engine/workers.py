"""Threads that run the models of all armbands of a process.

One core is left to the event loop, so that on two cores one thread serves every armband. What is done by then goes back
to the event loop at once: where many armbands wait, one wake-up on each side serves several runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

log = logging.getLogger("myocast")

Finish = Callable[[], None]
"""Is called on the event loop's thread."""
Work = Callable[[], Finish]
"""Is called on a worker thread; it returns what to call afterwards. It raises nothing."""

MOST: Final = max(1, (os.cpu_count() or 2) - 1)
"""Threads at most."""


class Workers:
    """The threads, started as users join. Everything but the work runs on the event loop's thread."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._users = 0
        self._threads: list[threading.Thread] = []
        self._leaving: list[threading.Thread] = []
        self._waiting: SimpleQueue[Work | None] = SimpleQueue()
        self._finished: deque[Finish] = deque()
        self._told = False
        self._loop = asyncio.get_running_loop()

    def join(self) -> None:
        """Count one more user; there are no more threads than users."""
        self._users += 1
        if len(self._threads) < min(self._users, self._most):
            name = f"myocast-engine-{len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def leave(self) -> None:
        """Count one user less; the last one ends the threads, once they have done what waits."""
        self._users -= 1
        if not self._users:
            for _ in self._threads:
                self._waiting.put(None)
            self._leaving, self._threads = self._threads, []

    async def ended(self) -> None:
        """Wait until threads that were let go have ended."""
        while any(thread.is_alive() for thread in self._leaving):  # noqa: ASYNC110 (a thread has no event)
            await asyncio.sleep(0.001)

    def replace_one(self) -> None:
        """Start one more thread: one does not come back from its work, and others wait for it."""
        thread = threading.Thread(target=self._work, name=f"myocast-engine-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def submit(self, work: Work) -> None:
        """Let a thread do this; work is begun in the order in which it came."""
        self._waiting.put(work)

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                self._finished.append(work())
            except Exception:
                # Work catches its own faults; one that it does not catch must not cost the other armbands the thread.
                log.exception("a fault in a run of a model")
                continue
            # The event loop takes the note back before it looks, so that nothing that is appended meanwhile is missed.
            if not self._told:
                self._told = True
                with contextlib.suppress(RuntimeError):  # the loop has ended before
                    self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        self._told = False
        while self._finished:
            self._finished.popleft()()
