"""A source is kept running: watched for silence, and connected again. All in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from drivers.base import DeviceLost, DriverError, Event, Frame, SourceInfo
from service.status import DeviceStatus
from service.supervisor import FIRST_BACKOFF_S, LAST_BACKOFF_S, SILENCE_S, Backoff, Supervisor
from tests.sources import INFO, Puppet, Script, frame
from tests.virtual_time import VirtualLoop


class Stage:
    """A supervised source in virtual time, and the states it went through with their times."""

    def __init__(self, loop: VirtualLoop, source: Any) -> None:
        self.loop = loop
        self.states: list[tuple[float, str]] = []
        self.events: list[Event] = []
        self.status = DeviceStatus(0, self._note, loop.now)
        self.source = source
        self.supervisor = Supervisor(source, self._take, self.status, backoff=Backoff(random.Random(1)), clock=loop.now)

    def _note(self) -> None:
        self.states.append((self.loop.time(), self.status.state))

    def _take(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Frame):
            self.status.on_frame(event)
        elif isinstance(event, SourceInfo):
            self.status.on_info(event)

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.states]


def play(source: Any, main: Callable[[Stage], Coroutine[Any, Any, None]]) -> Stage:
    with VirtualLoop() as loop:
        made: list[Stage] = []

        async def body() -> None:
            made.append(Stage(loop, source() if callable(source) else source))
            await main(made[0])

        loop.run(body())
    return made[0]


async def cancel(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_source_that_ends_is_ended() -> None:
    async def main(stage: Stage) -> None:
        await stage.supervisor.run()

    stage = play(Script([([frame(0)], None)]), main)
    assert stage.names == ["live", "ended"]


def test_the_first_connection_that_fails_is_the_users_to_mend() -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(DriverError, match="no such band"):
            await stage.supervisor.run()

    stage = play(Script([([], DriverError("no such band"))]), main)
    assert stage.names == ["failed"]
    assert stage.status.error == {"code": "source_failed", "message": "no such band"}


@pytest.mark.parametrize(
    ("error", "code"), [(DeviceLost("gone"), "device_lost"), (DriverError("busy"), "source_failed")]
)
def test_once_samples_have_come_every_failure_is_tried_again(error: DriverError, code: str) -> None:
    codes: list[str] = []

    async def main(stage: Stage) -> None:
        original = stage._note

        def note() -> None:
            original()
            if stage.status.state == "reconnecting":
                assert stage.status.error is not None
                codes.append(stage.status.error["code"])

        stage.status._on_change = note
        await stage.supervisor.run()

    script = Script([([frame(0)], DeviceLost("gone")), ([], error), ([], error), ([frame(2)], None)])
    stage = play(script, main)
    assert script.runs == 4
    assert stage.names[0] == "live"
    assert stage.names[-2:] == ["live", "ended"]
    assert set(codes) == {"device_lost", code}


def test_a_link_lost_before_its_first_sample_is_made_again() -> None:
    async def main(stage: Stage) -> None:
        await stage.supervisor.run()

    script = Script([([], DeviceLost("the band did not answer")), ([frame(0)], None)])
    assert play(script, main).names == ["reconnecting", "live", "ended"]
    assert script.runs == 2


def test_it_backs_off_from_half_a_second_to_ten_and_starts_anew_after_success() -> None:
    async def main(stage: Stage) -> None:
        task = asyncio.ensure_future(stage.supervisor.run())
        await asyncio.sleep(200.0)
        await cancel(task)

    starts: list[float] = []

    class Failing(Script):
        async def run(self, emit: Any) -> None:
            starts.append(asyncio.get_running_loop().time())
            await super().run(emit)

    lost = DeviceLost("gone")
    play(Failing([([frame(0)], lost), *[([], lost)] * 8, ([frame(2)], lost), ([], lost)]), main)
    pauses = [b - a for a, b in itertools.pairwise(starts)]
    expected = [min(FIRST_BACKOFF_S * 2**n, LAST_BACKOFF_S) for n in range(9)]
    for pause, most in zip(pauses, [*expected, FIRST_BACKOFF_S], strict=False):
        assert most / 2 - 1e-9 <= pause <= most + 1e-9


def test_silence_is_a_lost_link_whatever_the_radio_says() -> None:
    async def main(stage: Stage) -> None:
        task = asyncio.ensure_future(stage.supervisor.run())
        await stage.source.running.wait()
        stage.source.emit(frame(0))
        await asyncio.sleep(SILENCE_S * 0.9)
        assert stage.source.runs == 1
        stage.source.emit(frame(2))
        await asyncio.sleep(SILENCE_S * 0.9)
        assert stage.source.runs == 1
        await asyncio.sleep(SILENCE_S * 0.2)
        assert stage.status.state == "reconnecting"
        assert stage.status.error is not None
        assert "no sample for 2 s" in stage.status.error["message"]
        await asyncio.sleep(FIRST_BACKOFF_S)
        assert stage.source.runs == 2
        await cancel(task)

    play(Puppet, main)


def test_a_source_that_has_never_spoken_is_given_time() -> None:
    async def main(stage: Stage) -> None:
        task = asyncio.ensure_future(stage.supervisor.run())
        await asyncio.sleep(3600.0)
        assert (stage.source.runs, stage.status.state) == (1, "connecting")
        await cancel(task)

    play(Puppet, main)


@pytest.mark.parametrize("nature", ["replay", "synthetic"])
def test_a_replay_may_be_silent(nature: Any) -> None:
    async def main(stage: Stage) -> None:
        task = asyncio.ensure_future(stage.supervisor.run())
        await stage.source.running.wait()
        stage.source.emit(frame(0))
        await asyncio.sleep(3600.0)
        assert stage.source.runs == 1
        await cancel(task)

    play(lambda: Puppet(SourceInfo("replay:x", "x", 200.0, nature=nature)), main)


def test_cancelling_it_ends_the_run_of_the_source() -> None:
    async def main(stage: Stage) -> None:
        task = asyncio.ensure_future(stage.supervisor.run())
        await stage.source.running.wait()
        await cancel(task)
        assert not stage.source.running.is_set()
        assert task.cancelled()

    play(Puppet, main)


def test_a_bug_in_a_driver_is_not_hidden() -> None:
    async def main(stage: Stage) -> None:
        with pytest.raises(ZeroDivisionError):
            await stage.supervisor.run()

    play(Script([([frame(0)], ZeroDivisionError())], INFO), main)
