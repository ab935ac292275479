"""What fails is named and counted, and the rest goes on."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from models.errors import MyocastError
from service import guard as guard_module
from service.guard import MOST_IN_A_ROW, TRACEBACKS, Guard, PartFailed

pytestmark = pytest.mark.case("R")


class Told:
    """What the guard tells the status."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.guard = Guard(self)

    def __call__(self, code: str, message: str) -> None:
        assert code == "internal_error"
        self.lines.append(message)


async def test_a_task_that_must_not_end_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "FIRST_PAUSE_S", 0.001)
    told, runs = Told(), 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise KeyError("x")

    await told.guard.keep("the clockwork", work)
    assert runs == 4
    assert told.guard.faults == {"the clockwork": 3}
    assert told.lines[0] == "a fault in the clockwork (KeyError: 'x'); it is started again in 0.001 s"


async def test_what_ends_on_purpose_is_no_fault() -> None:
    told = Told()

    async def work() -> None:
        raise MyocastError("no such port")

    with pytest.raises(MyocastError, match="no such port"):
        await told.guard.keep("the clockwork", work)
    with pytest.raises(MyocastError, match="no such port"):
        await told.guard.needed("the server", work())
    assert not told.guard.faults


async def test_what_is_needed_ends_the_server_in_one_line() -> None:
    told = Told()

    async def work() -> None:
        raise ValueError("two\nlines")

    with pytest.raises(PartFailed, match=r"a fault in the server \(ValueError: two lines\); the server ends") as failed:
        await told.guard.needed("the server", work())
    assert failed.value.exit_code == 1


def test_an_output_that_always_fails_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    ends = [told.guard.output_failed("output UDP", ValueError("x")) for _ in range(MOST_IN_A_ROW)]
    assert ends == [False] * (MOST_IN_A_ROW - 1) + [True]
    assert len([r for r in caplog.records if r.exc_info]) == TRACEBACKS
    assert "gets no more" in told.lines[-1]
    told.guard.output_works("output UDP")
    assert not told.guard.output_failed("output UDP", ValueError("x"))


async def test_what_nobody_catches_is_told(caplog: pytest.LogCaptureFixture) -> None:
    told, loop = Told(), asyncio.get_running_loop()
    undo = told.guard.watch(loop)

    def callback() -> None:
        raise ZeroDivisionError

    async def forgotten() -> None:
        raise KeyError

    try:
        loop.call_soon(callback)
        task = asyncio.ensure_future(forgotten())
        await asyncio.wait([task])
        del task
        thread = threading.Thread(target=callback, name="myocast-lost")
        thread.start()
        thread.join()
    finally:
        undo()
    await asyncio.sleep(0)
    assert told.guard.faults["a callback"] == 1
    assert told.guard.faults["thread myocast-lost"] == 1
    assert any("forgotten" in part for part in told.guard.faults)
    assert all(record.levelno == logging.ERROR for record in caplog.records)
