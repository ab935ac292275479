"""Threads that several engines share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from service.engine.workers import Finish, Workers


class Runs:
    """Work that tells where it ran and was finished, and an event once so many are finished."""

    def __init__(self, expected: int) -> None:
        self.ran: list[threading.Thread] = []
        self.finished: list[int] = []
        self.all = asyncio.Event()
        self._expected = expected

    def work(self, number: int, before: Callable[[], object] = int) -> Callable[[], Finish]:
        def finish() -> None:
            assert threading.current_thread() is threading.main_thread()
            self.finished.append(number)
            if len(self.finished) == self._expected:
                self.all.set()

        def run() -> Finish:
            before()
            self.ran.append(threading.current_thread())
            return finish

        return run


async def test_one_thread_serves_all_in_order_and_finishes_on_the_loop() -> None:
    workers, runs = Workers(1), Runs(20)
    for _ in range(4):
        workers.join()
    for number in range(20):
        workers.submit(runs.work(number))
    await runs.all.wait()
    assert runs.finished == list(range(20))
    assert len(set(runs.ran)) == 1
    for _ in range(4):
        workers.leave()
    await asyncio.to_thread(runs.ran[0].join)


async def test_there_are_no_more_threads_than_users() -> None:
    workers, runs = Workers(3), Runs(2)
    workers.join()
    workers.join()
    # Each waits for the other: one thread alone would never end.
    both = threading.Barrier(2)
    workers.submit(runs.work(0, both.wait))
    workers.submit(runs.work(1, both.wait))
    await runs.all.wait()
    assert len(set(runs.ran)) == 2
    workers.leave()
    workers.leave()
    for thread in set(runs.ran):
        await asyncio.to_thread(thread.join)


async def test_what_is_done_together_wakes_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    workers, runs = Workers(1), Runs(5)
    calls: list[object] = []
    loop = asyncio.get_running_loop()
    threadsafe = loop.call_soon_threadsafe

    def counted(function: Callable[[], object]) -> asyncio.Handle:
        calls.append(function)
        return threadsafe(function)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    workers.join()
    done = threading.Semaphore(0)
    for number in range(5):
        workers.submit(runs.work(number, done.release))
    # The loop's thread is held here until all five have begun, so that none of them is finished before.
    for _ in range(5):
        done.acquire()
    await runs.all.wait()
    assert runs.finished == list(range(5))
    assert len(calls) <= 2
    workers.leave()


async def test_who_joins_after_all_have_left_is_served() -> None:
    workers, runs = Workers(2), Runs(1)
    workers.join()
    workers.leave()
    workers.join()
    workers.submit(runs.work(0))
    await runs.all.wait()
    workers.leave()
