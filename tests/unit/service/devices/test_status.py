"""The states of docs/protocol.md#status, and what is counted on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from drivers.events import Battery, Notice, Playback
from service.devices.status import DeviceStatus, RateMeter, State, StatusError, replay_object
from tests.fakes.sources import INFO, frame


class Watched:
    """A status with a clock that the test moves, and the states that were told."""

    def __init__(self, nature: Any = "live") -> None:
        self.time = 1000.0
        self.told: list[str] = []
        self.status = DeviceStatus(0, lambda: self.told.append(self.status.state), lambda: self.time)
        self.status.on_info(replace(INFO, nature=nature))

    @property
    def now(self) -> tuple[str, StatusError | None]:
        """State and error."""
        return self.status.state, self.status.error

    def feed(self, seconds: float, sample: int = 0, rate_hz: float = 200.0) -> int:
        """Frames of two samples that arrive evenly; gives the next sample."""
        for _ in range(int(seconds * rate_hz / 2)):
            self.time += 2 / rate_hz
            self.status.on_frame(frame(sample, 2, arrival=self.time))
            sample += 2
        return sample


@pytest.mark.parametrize(("nature", "state"), [("live", "live"), ("synthetic", "live"), ("replay", "replay")])
def test_the_first_sample_makes_it_live(nature: str, state: str) -> None:
    watched = Watched(nature)
    assert watched.now[0] == "connecting"
    assert not watched.status.flowing
    watched.feed(0.1)
    assert watched.told == [state]
    assert watched.status.flowing


def test_samples_bring_it_back_from_a_stall_and_a_lost_link() -> None:
    watched = Watched()
    sample = watched.feed(0.1)
    states: tuple[State, ...] = ("stalled", "reconnecting")
    for state in states:
        watched.status.set(state, ("device_lost", "gone"))
        assert watched.now[1] == {"code": "device_lost", "message": "gone"}
        sample = watched.feed(0.1, sample)
        assert watched.now == ("live", None)
    assert watched.told == ["live", "stalled", "live", "reconnecting", "live"]


def test_it_stays_failed_until_there_is_a_pose_again() -> None:
    watched = Watched()
    sample = watched.feed(0.1)
    watched.status.set("failed", ("inference_failed", "NaN"))
    watched.feed(0.1, sample)
    assert watched.now[0] == "failed"
    assert watched.now[1] == {"code": "inference_failed", "message": "NaN"}
    watched.status.on_pose()
    assert watched.now == ("live", None)
    watched.status.on_pose()
    assert watched.told == ["live", "failed", "live"]


def test_the_same_failure_is_reported_once() -> None:
    watched = Watched()
    for _ in range(5):
        watched.status.set("failed", ("inference_failed", "NaN"))
    assert watched.told == ["failed"]


def test_a_replay_that_pauses_ends_and_plays_again() -> None:
    watched = Watched("replay")
    sample = watched.feed(0.1)
    playing = Playback(1.0, 10.0, 1.0, False)
    watched.status.on_playback(replace(playing, paused=True))
    assert watched.now[0] == "paused"
    sample = watched.feed(0.01, sample)
    assert watched.now[0] == "paused"
    watched.status.on_playback(playing)
    assert watched.now[0] == "replay"
    watched.status.set("ended")
    watched.feed(0.1, sample)
    assert watched.now[0] == "replay"


def test_lost_counts_what_the_index_jumped_over() -> None:
    watched = Watched()
    for sample in (0, 2, 8, 10, 110):
        watched.status.on_frame(frame(sample, 2))
    assert (watched.status.lost, watched.status.samples, watched.status.newest_sample) == (4 + 98, 10, 111)


def test_a_report_leaves_the_state() -> None:
    watched = Watched()
    watched.feed(0.1)
    watched.status.report("disk_full", "no room")
    assert watched.now == ("live", {"code": "disk_full", "message": "no room"})


def test_the_battery_is_reported_when_it_changes() -> None:
    watched = Watched()
    for percent in (87, 87, 86):
        watched.status.on_battery(Battery(0.0, percent))
    assert watched.status.battery == 86
    assert len(watched.told) == 2


def test_the_message_has_the_fields_of_the_contract() -> None:
    watched = Watched()
    watched.feed(3.0)
    playback = Playback(1.23456, 60.0, 1.0, True)
    message = watched.status.as_message(playback, {"name": "a", "seconds": 1.0, "bytes": 2})
    assert message == {
        "device": 0, "t": watched.time, "state": "live", "rate_hz": 200.0, "lost": 0, "battery": None,
        "recording": {"name": "a", "seconds": 1.0, "bytes": 2},
        "replay": {"position_s": 1.235, "duration_s": 60.0, "speed": 1.0, "loop": True}, "error": None,
    }  # fmt: skip
    assert watched.status.as_message(None, None)["replay"] is None


def test_replay_object_is_the_contracts() -> None:
    assert replay_object(Playback(0.0, 2.0, 20.0, False, paused=True)) == {
        "position_s": 0.0, "duration_s": 2.0, "speed": 20.0, "loop": False,
    }  # fmt: skip


@pytest.mark.parametrize("rate_hz", [50.0, 200.0, 250.0, 2000.0])
def test_the_rate_is_measured(rate_hz: float) -> None:
    watched = Watched()
    watched.feed(5.0, rate_hz=rate_hz)
    assert watched.status.rate_hz() == pytest.approx(rate_hz, rel=0.01)


def test_the_rate_falls_when_nothing_comes() -> None:
    watched = Watched()
    watched.feed(5.0)
    watched.time += 1.0
    assert 0.0 < watched.status.rate_hz() < 150.0
    watched.time += 5.0
    assert watched.status.rate_hz() == 0.0


def test_the_meter_is_small_however_long_it_runs() -> None:
    meter = RateMeter()
    for number in range(100_000):
        meter.add(2, number / 100)
    assert len(meter._points) < 40
    assert meter.rate(1000.0) == pytest.approx(200.0, rel=0.01)


def test_a_change_of_speed_starts_the_rate_anew() -> None:
    watched = Watched("replay")
    watched.feed(5.0)
    watched.status.on_playback(Playback(5.0, 60.0, 4.0, False))
    watched.feed(1.0, rate_hz=800.0)
    assert watched.status.rate_hz() == pytest.approx(800.0, rel=0.02)


def test_an_error_of_one_kind_is_cleared_and_no_other() -> None:
    watched = Watched()
    watched.feed(0.1)
    watched.status.report("disk_full", "no room")
    watched.status.clear_error({"recording_failed"})
    assert watched.status.error == {"code": "disk_full", "message": "no room"}
    for _ in range(2):
        watched.status.clear_error({"disk_full"})
        assert watched.now == ("live", None)


@pytest.mark.case("B13")
def test_how_lines_are_read_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    status = DeviceStatus(0, lambda: None)
    status.on_notice(Notice(1.0, "columns", "of 9 numbers in a line 2-9 are channels 1-8"))
    status.on_notice(Notice(1.0, "connect", "a board"))
    assert [record.getMessage() for record in caplog.records] == [
        "device 0: of 9 numbers in a line 2-9 are channels 1-8"
    ]
