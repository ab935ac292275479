from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from drivers.errors import DriverError
from drivers.events import Battery, Event, Frame, Imu, Notice, Playback, SourceInfo
from drivers.replay.source import ReplaySource
from drivers.sessions import write_session
from drivers.source import SupportsReplay
from drivers.uri import source_from_uri
from models.hand import VALUES
from models.recording import Marker, Recording
from tests.fakes.virtual_time import EPOCH, VirtualLoop

E = TypeVar("E")
Script = Callable[["Played"], Awaitable[None]]


def ramp(n: int = 1000, rate: float = 200.0, **changes: Any) -> Recording:
    """Channel 1 carries the row (exact in float32 up to 16 million), so that any window can be checked."""
    emg = np.zeros((n, 8), np.float32)
    emg[:, 0] = np.arange(n)
    rec = Recording(emg=emg, t=1000.0 + np.arange(n) / rate, sample=np.arange(n), rate_hz=rate, hand="right", name="r")
    return dataclasses.replace(rec, **changes)


class Played:
    """A source, run in virtual time; `script` may steer it meanwhile."""

    def __init__(self, recording: Recording, script: Script | None = None, **options: Any) -> None:
        self.events: list[Event] = []
        self.at: list[float] = []
        with VirtualLoop() as loop:
            self.loop = loop
            self.source = ReplaySource(recording, clock=loop.now, **options)
            loop.run(self._play(script))
            self.elapsed = loop.time()

    async def _play(self, script: Script | None) -> None:
        if script is None:
            await self.source.run(self.take)
            return
        self.running = asyncio.ensure_future(self.source.run(self.take))
        await script(self)
        if not self.running.done():
            self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    def take(self, event: Event) -> None:
        self.events.append(event)
        self.at.append(self.loop.time())

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def frames(self) -> list[Frame]:
        return self.all(Frame)

    @property
    def rows(self) -> list[int]:
        """Rows of the recording in the order in which they were played."""
        return [int(value) for frame in self.frames for value in frame.samples[:, 0]]

    @property
    def samples(self) -> list[int]:
        return [frame.first_sample + k for frame in self.frames for k in range(len(frame.samples))]


def test_a_replay_is_a_source_that_can_be_steered() -> None:
    played = Played(ramp(), uri="replay:a.mcap")
    assert isinstance(played.source, SupportsReplay)
    assert played.events[0] == SourceInfo("replay:a.mcap", "r", 200.0, hand="right", nature="replay")
    assert played.events[1] == Playback(0.0, 5.0, 1.0, False)
    assert played.events[-1] == Playback(5.0, 5.0, 1.0, False)
    assert played.source.ended


@pytest.mark.parametrize(("rate", "rows"), [(200.0, 2), (50.0, 1), (250.0, 2), (1000.0, 10)])
def test_without_arrival_times_a_frame_comes_every_ten_milliseconds_when_its_last_sample_is_due(
    rate: float, rows: int
) -> None:
    played = Played(ramp(1000, rate))
    assert played.rows == played.samples == list(range(1000))
    assert {len(frame.samples) for frame in played.frames} == {rows}
    assert not any(frame.gap for frame in played.frames)
    for frame in played.frames:
        assert frame.t == pytest.approx(EPOCH + frame.first_sample / rate, abs=1e-6)
        assert frame.arrival == pytest.approx(EPOCH + (frame.first_sample + rows - 1) / rate, abs=1e-5)


def test_recorded_bursts_come_out_as_they_came_in() -> None:
    start = np.arange(0, 1000, 2)
    arrival = 1000.0 + (start // 6 + 1) * 0.03 + 0.012
    played = Played(ramp(frame_start=start, arrival=arrival))
    assert played.rows == played.samples == list(range(1000))
    assert [len(frame.samples) for frame in played.frames] == [2] * 500
    np.testing.assert_allclose([frame.arrival - EPOCH for frame in played.frames], arrival - 1000.0, atol=1e-5)
    np.testing.assert_allclose([frame.t - EPOCH for frame in played.frames], start / 200, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("speed", "rate"), [(1.0, 50.0), (20.0, 200.0)])
def test_an_hour_does_not_drift(speed: float, rate: float) -> None:
    count = round(3600 * rate)
    played = Played(ramp(count, rate), speed=speed)
    rows = np.concatenate([frame.samples[:, 0] for frame in played.frames])
    np.testing.assert_array_equal(rows, np.arange(count))
    due = EPOCH + (np.array([f.first_sample + len(f.samples) for f in played.frames]) - 1) / rate / speed
    late = np.array([frame.arrival for frame in played.frames]) - due
    assert late.min() > -1e-5
    assert late.max() < 0.0021
    assert played.elapsed == pytest.approx((count - 1) / rate / speed, abs=0.0021)


@pytest.mark.slow
def test_an_hour_at_full_speed_costs_little() -> None:
    hour = ramp(720_000)
    count = 0

    def take(event: Event) -> None:
        nonlocal count
        count += isinstance(event, Frame)

    with VirtualLoop() as loop:
        source = ReplaySource(hour, clock=loop.now, speed=100.0)
        before = time.process_time()
        loop.run(source.run(take))
        spent = time.process_time() - before
    assert count == 360_000
    # An hour at 100x lasts 36 s: on any machine that can serve, the source takes a small part of it.
    assert spent < 36.0 / 2


def test_what_is_due_at_once_comes_at_once() -> None:
    class Late:
        """A clock that has jumped ahead, as after a stall of the process."""

        def __init__(self) -> None:
            self.ahead = 0.0

        def __call__(self) -> float:
            return loop.now() + self.ahead

    got: list[Frame] = []
    at: list[float] = []

    def take(event: Event) -> None:
        if isinstance(event, Frame):
            got.append(event)
            at.append(loop.time())

    async def stall(source: ReplaySource) -> None:
        running = asyncio.ensure_future(source.run(take))
        await asyncio.sleep(1.0)
        clock.ahead = 2.0
        await running

    with VirtualLoop() as loop:
        clock = Late()
        loop.run(stall(ReplaySource(ramp(), clock=clock)))
        assert loop.time() == pytest.approx(3.0, abs=0.011)
    assert [f.first_sample for f in got] == list(range(0, 1000, 2))
    together = [f for f, when in zip(got, at, strict=True) if 1.0 < when < 1.011]
    assert len(together) >= 200
    assert [f.t for f in got] == pytest.approx([EPOCH + f.first_sample / 200 for f in got], abs=1e-5)


def test_recorded_losses_stay_jumps() -> None:
    sample = np.arange(1000) + (np.arange(1000) >= 501) * 40
    played = Played(ramp(sample=sample, t=1000.0 + sample / 200, breaks=np.array([801])))
    assert played.rows == list(range(1000))
    assert played.samples == sample.tolist()
    assert [frame.first_sample for frame in played.frames if frame.gap] == [541, 841]
    assert played.elapsed == pytest.approx(1039 / 200, abs=1e-5)


def test_a_loop_goes_on_counting_on_the_grid_of_samples() -> None:
    async def script(played: Played) -> None:
        await asyncio.sleep(12.0)

    played = Played(ramp(), script, loop=True)
    assert played.samples == list(range(2400))
    assert played.rows == [n % 1000 for n in range(2400)]
    assert [frame.first_sample for frame in played.frames if frame.gap] == [1000, 2000]
    for frame in played.frames:
        assert frame.t == pytest.approx(EPOCH + frame.first_sample / 200, abs=1e-5)
    assert sum(event.position_s == 0.0 for event in played.all(Playback)) == 3


def test_a_loop_over_one_sample_lets_others_live() -> None:
    async def script(played: Played) -> None:
        await asyncio.sleep(0.1)

    played = Played(ramp(1), script, loop=True, speed=100.0)
    assert 1000 < len(played.frames) < 2100
    assert played.samples == list(range(len(played.frames)))


def test_pause_holds_and_resume_goes_on_without_a_gap() -> None:
    async def script(played: Played) -> None:
        await asyncio.sleep(1.0001)
        played.source.pause()
        assert played.source.playback.paused
        await asyncio.sleep(10.0)
        assert played.source.playback.position_s == pytest.approx(1.0001, abs=1e-4)
        played.source.resume()
        await played_out(played)

    played = Played(ramp(), script)
    assert played.samples == played.rows == list(range(1000))
    assert not any(frame.gap for frame in played.frames)
    assert played.frames[-1].arrival == pytest.approx(EPOCH + 14.995, abs=1e-3)
    times = np.array([frame.t for frame in played.frames])
    assert (np.diff(times) > 0).all()
    assert np.diff(times).max() == pytest.approx(10.01, abs=1e-3)
    assert [event.paused for event in played.all(Playback)] == [False, True, False, False]


async def played_out(played: Played) -> None:
    await played.running


def test_seek_continues_the_count_with_a_gap() -> None:
    async def script(played: Played) -> None:
        await asyncio.sleep(1.001)
        played.source.seek(4.0)
        await asyncio.sleep(0.5)
        played.source.seek(0.5)
        await played_out(played)

    played = Played(ramp(), script)
    assert played.rows == [*range(200), *range(800, 900), *range(100, 1000)]
    assert played.samples == list(range(1200))
    assert [frame.first_sample for frame in played.frames if frame.gap] == [200, 300]
    assert [round(event.position_s, 3) for event in played.all(Playback)] == [0.0, 4.0, 0.5, 5.0]
    assert (np.diff([frame.t for frame in played.frames]) > 0).all()


def test_pause_at_the_end_changes_nothing_and_seek_plays_again() -> None:
    async def script(played: Played) -> None:
        await played.running
        played.source.pause()
        assert not played.source.playback.paused
        played.source.seek(4.5)
        await played.source.run(played.take)

    played = Played(ramp(), script)
    assert sum(len(frame.samples) for frame in played.all(Frame)) == 1100
    assert not any(event.paused for event in played.all(Playback))


def test_seek_while_paused_stays_paused() -> None:
    async def script(played: Played) -> None:
        await asyncio.sleep(1.001)
        played.source.pause()
        played.source.seek(3.0)
        await asyncio.sleep(2.0)
        assert played.source.playback == Playback(3.0, 5.0, 1.0, False, paused=True)
        played.source.resume()
        await played_out(played)

    assert Played(ramp(), script).rows == [*range(200), *range(600, 1000)]


def test_speed_changes_from_here_on() -> None:
    async def script(played: Played) -> None:
        await asyncio.sleep(1.0001)
        played.source.set_speed(4.0)
        await asyncio.sleep(0.5)
        assert played.source.playback.position_s == pytest.approx(3.0, abs=1e-3)
        played.source.set_speed(0.5)
        await played_out(played)

    played = Played(ramp(), script)
    assert played.rows == played.samples == list(range(1000))
    assert not any(frame.gap for frame in played.frames)
    assert played.elapsed == pytest.approx(1.0 + 0.5 + 4.0, abs=0.02)
    assert (np.diff([frame.t for frame in played.frames]) >= 0).all()
    assert [event.speed for event in played.all(Playback)] == [1.0, 4.0, 0.5, 0.5]


def test_after_the_end_resume_plays_from_the_start_and_seek_from_there() -> None:
    async def script(played: Played) -> None:
        await played.running
        assert played.source.playback.position_s == 5.0
        before = len(played.frames)
        await played.source.run(played.take)
        assert len(played.frames) == before
        played.source.resume()
        assert not played.source.ended
        assert played.source.playback == Playback(0.0, 5.0, 1.0, False)
        await played.source.run(played.take)
        played.source.seek(4.0)
        await played.source.run(played.take)

    played = Played(ramp(), script)
    assert played.rows == [*range(1000), *range(1000), *range(800, 1000)]
    assert played.samples == list(range(2200))
    assert [frame.first_sample for frame in played.frames if frame.gap] == [1000, 2000]
    positions = [event.position_s for event in played.all(Playback)]
    assert positions == [0.0, 5.0, 5.0, 0.0, 0.0, 5.0, 4.0, 4.0, 5.0]


def test_a_cancelled_run_can_be_taken_up_again() -> None:
    async def script(played: Played) -> None:
        await asyncio.sleep(1.001)
        played.running.cancel()
        await asyncio.sleep(3.0)
        await played.source.run(played.take)

    played = Played(ramp(), script)
    assert played.rows == played.samples == list(range(1000))


def test_start_and_the_limits_of_position_and_speed() -> None:
    assert Played(ramp(), start=4.5).rows == list(range(900, 1000))
    assert Played(ramp(), start=4.5).samples == list(range(100))
    assert Played(ramp(), start=5.0).rows == []
    source = ReplaySource(ramp())
    for wrong in (-0.1, 5.1, float("nan")):
        with pytest.raises(ValueError, match="position"):
            source.seek(wrong)
    for wrong in (0.0, -1.0, 100.5, float("nan")):
        with pytest.raises(ValueError, match="speed"):
            source.set_speed(wrong)
    with pytest.raises(ValueError, match="empty"):
        ReplaySource(ramp(0))


def test_truth_is_attached_at_the_times_of_the_samples() -> None:
    label_t = 1000.0 + np.arange(0, 5.2, 0.1)
    joints = np.repeat(((label_t - 1000.0) * 10)[:, None], VALUES, axis=1).astype(np.float32)
    played = Played(ramp(label_t=label_t, joints=joints), speed=20.0)
    truth = np.concatenate([frame.truth for frame in played.frames if frame.truth is not None])
    assert truth.shape == (1000, VALUES)
    assert truth.dtype == np.float32
    np.testing.assert_allclose(truth[:, 5], np.arange(1000) / 200 * 10, atol=1e-3)
    assert Played(ramp()).frames[0].truth is None


def test_everything_else_comes_at_its_time() -> None:
    imu = np.column_stack((1000.0 + np.arange(0, 5, 0.02), np.arange(250)[:, None] + np.arange(10)))
    events = (Battery(999.0, 90), Notice(1002.5, "pose", "fist"), Battery(1004.99, 89))
    rec = ramp(imu=imu, markers=(Marker(1001.0, "rest"),), meta={"events": events})
    played = Played(rec, speed=2.0)
    got = played.all(Imu)
    assert len(got) == 250
    assert [*got[3].quaternion, *got[3].acceleration_g, *got[3].gyro_dps] == list(range(3, 13))
    assert [event.t for event in got] == pytest.approx([EPOCH + n * 0.01 for n in range(250)], abs=1e-5)
    others = [e for e in played.events if isinstance(e, Battery | Notice | Marker)]
    assert [dataclasses.replace(event, t=0.0) for event in others] == [
        Battery(0.0, 90),
        Marker(0.0, "rest"),
        Notice(0.0, "pose", "fist"),
        Battery(0.0, 89),
    ]
    assert [event.t - EPOCH for event in others] == pytest.approx([0.0, 0.5, 1.25, 2.495], abs=1e-5)
    for event, at in zip(played.events, played.at, strict=True):
        if isinstance(event, Imu):
            assert at + EPOCH == pytest.approx(event.t, abs=1e-4)


def test_what_is_steered_from_within_emit_takes_effect_at_once() -> None:
    with VirtualLoop() as loop:
        source = ReplaySource(ramp(), clock=loop.now, speed=50.0)
        rows: list[int] = []

        def take(event: Event) -> None:
            if isinstance(event, Frame):
                rows.extend(int(value) for value in event.samples[:, 0])
                if rows[-1] == 99:
                    source.seek(4.5)

        loop.run(source.run(take))
    assert rows == [*range(100), *range(900, 1000)]


def save(path: Path, **changes: Any) -> Path:
    write_session(path, ramp(**changes))
    return path


def test_a_uri_opens_a_file_with_its_options(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mcap")
    source = source_from_uri(f"replay:{path}?speed=20&loop=1&start=2.5")
    assert isinstance(source, ReplaySource)
    assert source.playback == Playback(2.5, 5.0, 20.0, True)
    assert source.info == SourceInfo(
        f"replay:{path}?speed=20&loop=1&start=2.5", "r", 200.0, hand="right", nature="replay"
    )
    bare = tmp_path / "b.txt"
    bare.write_text("1,2,3,4,5,6,7,8\n" * 100)
    info = source_from_uri(f"replay:{bare}?rate=50&mode=envelope&unit=adc&hand=left").info
    assert (info.rate_hz, info.emg_mode, info.unit, info.hand, info.name) == (50.0, "envelope", "adc", "left", "b.txt")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("speed=0", "speed"),
        ("speed=101", "speed"),
        ("speed=fast", "speed"),
        ("start=6", "the session lasts 5 s"),
        ("start=-1", "start"),
        ("rate=0", "rate"),
        ("mode=loud", "mode"),
        ("unit=pint", "unit"),
        ("hand=both", "hand"),
        ("loop=maybe", "loop"),
        ("port=3", "unknown option `port`"),
    ],
)
def test_wrong_options_are_refused_in_one_line(tmp_path: Path, query: str, message: str) -> None:
    with pytest.raises(DriverError, match=message) as caught:
        source_from_uri(f"replay:{save(tmp_path / 'a.mcap')}?{query}")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="names no file"):
        source_from_uri("replay:")
    with pytest.raises(DriverError, match="no such file"):
        source_from_uri(f"replay:{tmp_path / 'nothing.mcap'}")


def test_the_demo_loops() -> None:
    source = source_from_uri("demo:")
    assert isinstance(source, ReplaySource)
    assert source.info.uri == "demo:"
    assert source.info.nature == "replay"
    assert (source.info.rate_hz, source.info.unit, source.info.emg_mode) == (200.0, "adc", "raw")
    assert source.playback.loop
    assert not source_from_uri("demo:?loop=0&speed=2").playback.loop  # type: ignore[attr-defined]
    with pytest.raises(DriverError, match="unknown option `rate`"):
        source_from_uri("demo:?rate=50")
    with pytest.raises(DriverError, match="takes no file"):
        source_from_uri("demo:other.mcap")


async def stand_still(played: Played, seconds: float) -> None:
    """Play a second, and let the process stop for some."""
    await asyncio.sleep(1.0)
    played.loop._jumping.elapsed += seconds


@pytest.mark.case("W5")
def test_a_process_that_stood_still_joins_the_present() -> None:
    async def script(played: Played) -> None:
        await stand_still(played, 60.0)
        await asyncio.sleep(3.0)

    played = Played(ramp(20_000), script)
    rows, samples = played.rows, played.samples
    assert rows == samples, "numbers jump over what was left out"
    assert len(rows) == pytest.approx(4.0 * 200.0, abs=10)
    (gap,) = [frame for frame in played.frames if frame.gap]
    assert gap.first_sample == pytest.approx(61.0 * 200.0, abs=5)
    assert max(frame.arrival - frame.t for frame in played.frames) < 0.05


@pytest.mark.case("W5")
def test_a_loop_that_stood_still_goes_on_where_it_would_be() -> None:
    async def script(played: Played) -> None:
        await stand_still(played, 62.0)
        await asyncio.sleep(1.0)

    played = Played(ramp(1000), script, loop=True)
    samples = played.samples
    assert samples == sorted(set(samples))
    at = next(frame for frame in played.frames if frame.gap)
    assert at.samples[0, 0] == pytest.approx(63.0 % 5.0 * 200.0, abs=10)
    assert len(samples) == pytest.approx(2.0 * 200.0, abs=10)


@pytest.mark.case("W5")
def test_a_replay_that_would_have_ended_ends() -> None:
    async def script(played: Played) -> None:
        await stand_still(played, 60.0)
        await asyncio.sleep(0.5)

    played = Played(ramp(1000), script)
    assert played.source.ended
    assert len(played.samples) == pytest.approx(200, abs=5)


def test_a_late_step_of_a_busy_machine_leaves_nothing_out() -> None:
    async def script(played: Played) -> None:
        await stand_still(played, 1.5)
        await asyncio.sleep(1.0)

    assert len(Played(ramp(20_000), script).rows) == pytest.approx(3.5 * 200, abs=10)
