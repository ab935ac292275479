"""A source is kept running: watched for silence, and connected again. All in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from drivers.clock_shift import SHIFT
from drivers.errors import DeviceLost, DriverError
from drivers.events import Emit, Event, Frame, Notice, SourceInfo
from drivers.source import SupportsPresence
from service.devices import supervisor
from service.devices.status import DeviceStatus
from service.devices.supervisor import FIRST_BACKOFF_S, LAST_BACKOFF_S, SILENCE_S, Backoff, DriverFault, Supervisor
from tests.fakes.sources import INFO, Puppet, Script, frame
from tests.fakes.virtual_time import VirtualLoop


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


def test_an_error_of_the_first_connection_is_raised() -> None:
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


def test_silence_is_a_lost_link_whatever_the_radio_reports() -> None:
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
        with pytest.raises(DriverFault, match="ZeroDivisionError") as caught:
            await stage.supervisor.run()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    play(Script([([frame(0)], ZeroDivisionError())], INFO), main)


class Beacon:
    """A device that can be reached while `there` is set; it streams one frame, then is away until then.

    Args:
        works: whether connecting to it, once it is there, gives samples.
    """

    def __init__(self, works: bool = True) -> None:
        self.info = INFO
        self.works = works
        self.there = asyncio.Event()
        self.starts: list[float] = []
        self.watches = self.watching = 0
        self.trouble: Exception | None = None

    async def run(self, emit: Emit) -> None:
        assert not self.watching, "a run and a watch share the radio or the port"
        self.starts.append(asyncio.get_running_loop().time())
        if len(self.starts) == 1:
            emit(frame(0))
        elif self.works and self.there.is_set():
            emit(frame(1000))
            await asyncio.Event().wait()
        raise DeviceLost("gone")

    async def reachable(self) -> None:
        self.watches += 1
        self.watching += 1
        try:
            if self.trouble is not None:
                raise self.trouble
            await self.there.wait()
        finally:
            await asyncio.sleep(0)
            self.watching -= 1


def away_for(seconds: float, beacon: Beacon, after: float = 1.0) -> list[float]:
    """When it was tried, if its device is there again after so long."""

    async def main(stage: Stage) -> None:
        assert isinstance(beacon, SupportsPresence)
        task = asyncio.ensure_future(stage.supervisor.run())
        await asyncio.sleep(seconds)
        beacon.there.set()
        await asyncio.sleep(after)
        await cancel(task)
        assert not beacon.watching

    play(beacon, main)
    return beacon.starts


@pytest.mark.parametrize("seconds", [0.0, 0.1, 3.0, 100.0, 3600.0])
def test_a_device_that_is_there_again_is_not_kept_waiting(seconds: float) -> None:
    """However far the back-off has come; right after a loss the shortest one still counts."""
    starts = away_for(seconds, Beacon())
    assert seconds <= starts[-1] <= seconds + FIRST_BACKOFF_S
    assert len(starts) > seconds / LAST_BACKOFF_S, "it was tried meanwhile, too"


def test_a_device_that_is_there_and_fails_is_tried_as_the_backoff_says() -> None:
    starts = away_for(0.0, Beacon(works=False), 200.0)
    pauses = [b - a for a, b in itertools.pairwise(starts)]
    for n, pause in enumerate(pauses):
        most = min(FIRST_BACKOFF_S * 2**n, LAST_BACKOFF_S)
        assert most / 2 - 1e-9 <= pause <= most + 1e-9
    assert len(pauses) > 20


def test_a_device_that_fails_and_goes_away_is_trusted_again() -> None:
    beacon = Beacon(works=False)

    async def main(stage: Stage) -> None:
        task = asyncio.ensure_future(stage.supervisor.run())
        beacon.there.set()
        await asyncio.sleep(60.0)
        beacon.there.clear()
        await asyncio.sleep(60.0)
        beacon.works = True
        returned = stage.loop.time()
        beacon.there.set()
        await asyncio.sleep(1.0)
        assert returned <= beacon.starts[-1] <= returned + FIRST_BACKOFF_S
        await cancel(task)

    play(beacon, main)


def test_without_presence_detection_the_backoff_runs_out() -> None:
    beacon = Beacon()
    beacon.trouble = DriverError("no radio")
    starts = away_for(100.0, beacon, LAST_BACKOFF_S)
    assert FIRST_BACKOFF_S / 2 <= starts[1] - starts[0] <= FIRST_BACKOFF_S
    assert starts[-1] > 100.0
    assert beacon.watches == len(starts) - 1


def test_a_bug_in_a_watch_is_not_hidden() -> None:
    beacon = Beacon()
    beacon.trouble = ZeroDivisionError()

    async def main(stage: Stage) -> None:
        with pytest.raises(DriverFault, match="ZeroDivisionError") as caught:
            await stage.supervisor.run()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    play(beacon, main)


@pytest.mark.case("B35")
def test_a_clock_that_was_set_counts_from_the_reconnect_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(SHIFT, "seconds", 0.0)
    monkeypatch.setattr(supervisor, "_SUPERVISORS", set())
    ahead = iter([0.0, 3600.0, 0.0])

    def anchor_anew() -> float:
        moved_s = next(ahead)
        SHIFT.seconds += moved_s
        return moved_s

    monkeypatch.setattr(supervisor, "CLOCK", SimpleNamespace(anchor_anew=anchor_anew))

    async def main(stage: Stage) -> None:
        await stage.supervisor.run()

    stage = play(Script([([frame(0)], DeviceLost("gone")), ([frame(2)], None)]), main)
    told = [event.detail for event in stage.events if isinstance(event, Notice) and event.kind == "clock"]
    assert told == ["times go on 3600.0 s later: the computer slept, or its clock was set"]
    assert [record.message for record in caplog.records if "3600.0 s later" in record.message]
    kinds = [type(event) for event in stage.events]
    assert kinds.index(Notice) < len(kinds) - 1 - kinds[::-1].index(Frame)


@pytest.mark.case("B35")
def test_the_clock_is_left_alone_while_samples_of_another_armband_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        flowing = True

    asked: list[float] = []

    def anchor_anew() -> float:
        asked.append(0.0)
        return 0.0

    monkeypatch.setattr(supervisor, "_SUPERVISORS", {Other()})
    monkeypatch.setattr(supervisor, "CLOCK", SimpleNamespace(anchor_anew=anchor_anew))

    async def main(stage: Stage) -> None:
        await stage.supervisor.run()

    play(Script([([frame(0)], None)]), main)
    assert not asked


@pytest.mark.case("B35")
def test_a_clock_that_was_set_back_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "_SUPERVISORS", set())
    monkeypatch.setattr(supervisor, "CLOCK", SimpleNamespace(anchor_anew=lambda: -60.0))

    async def main(stage: Stage) -> None:
        await stage.supervisor.run()

    lost = ([frame(0)], DeviceLost("gone"))
    play(Script([lost, lost, ([frame(2)], None)]), main)
    assert sum("was set back by 60.0 s" in record.message for record in caplog.records) == 1
