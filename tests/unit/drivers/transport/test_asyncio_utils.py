"""The first of several tasks to end ends the others, whatever happens."""

from __future__ import annotations

import asyncio

import pytest

from drivers.transport.asyncio_utils import first_done


class Sleeper:
    """A task that waits for ever, and what became of it; it takes a moment to end."""

    def __init__(self) -> None:
        self.ended = False

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended = True


@pytest.mark.parametrize("error", [None, ValueError("broken")])
async def test_the_first_ends_the_others_and_keeps_how_it_ended(error: Exception | None) -> None:
    async def quick() -> int:
        await asyncio.sleep(0)
        if error is not None:
            raise error
        return 7

    sleeper = Sleeper()
    first, other = asyncio.ensure_future(quick()), asyncio.ensure_future(sleeper.run())
    await first_done(first, other)
    assert (other.cancelled(), sleeper.ended) == (True, True)
    assert (first.result() if error is None else first.exception()) == (7 if error is None else error)


async def test_without_any_that_ends_all_are_cancelled_in_time() -> None:
    sleepers = [Sleeper(), Sleeper()]
    tasks = [asyncio.ensure_future(sleeper.run()) for sleeper in sleepers]
    await first_done(*tasks, seconds=0.01)
    assert [task.cancelled() for task in tasks] == [sleeper.ended for sleeper in sleepers] == [True, True]


async def test_a_task_that_fails_while_it_is_cancelled_says_so() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("broken") from None

    async def quick() -> None:
        await asyncio.sleep(0)

    task = asyncio.ensure_future(stubborn())
    await first_done(asyncio.ensure_future(quick()), task)
    assert isinstance(task.exception(), ValueError)


async def test_cancelled_itself_it_leaves_nothing_running() -> None:
    sleepers = [Sleeper(), Sleeper()]
    tasks = [asyncio.ensure_future(sleeper.run()) for sleeper in sleepers]
    waiting = asyncio.ensure_future(first_done(*tasks))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [task.cancelled() for task in tasks] == [sleeper.ended for sleeper in sleepers] == [True, True]
