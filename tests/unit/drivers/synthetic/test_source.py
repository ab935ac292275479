"""The synthetic armband: the generator's samples, when they are due, for ever."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest

from drivers.errors import DriverError
from drivers.events import Battery, Event, Frame, Imu, Marker, SourceInfo
from drivers.synthetic.source import LATE_S, SyntheticSource
from drivers.uri import source_from_uri
from models.forward.generator import FIRST_UNSEEN_USER, Stream, session
from models.hand import VALUES, to_hand_frame
from tests.fakes.virtual_time import EPOCH, VirtualLoop

E = TypeVar("E")


class Emitted:
    """What a source emitted, and when."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.events: list[Event] = []
        self.at: list[float] = []
        self._loop = loop

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.at.append(self._loop.now())

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


def source_of(uri: str, loop: VirtualLoop) -> SyntheticSource:
    opened = source_from_uri(uri)
    assert isinstance(opened, SyntheticSource)
    opened._clock = loop.now
    return opened


def play(uri: str, *seconds: float) -> Emitted:
    """One run of a source after the other, each of so many seconds."""
    with VirtualLoop() as loop:
        emitted = Emitted(loop)
        source = source_of(uri, loop)
        for length in seconds:
            loop.run(run_for(source, emitted, length))
        return emitted


async def run_for(source: SyntheticSource, emitted: Emitted, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await source.run(emitted)


def test_info_says_what_the_uri_says() -> None:
    info = source_from_uri("synthetic:?seed=4&rate=250&mode=filtered&hand=left").info
    assert info == SourceInfo(
        uri="synthetic:?seed=4&rate=250&mode=filtered&hand=left", name="Synthetic armband", rate_hz=250.0,
        emg_mode="filtered", hand="left", nature="synthetic",
    )  # fmt: skip
    assert source_from_uri("synthetic:?mode=envelope").info.rate_hz == 50.0
    assert source_from_uri("synthetic:").info.rate_hz == 200.0


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("synthetic:?rate=49", "from 50 to 1000"),
        ("synthetic:?rate=fast", "expected a number"),
        ("synthetic:?mode=rectified", "raw, filtered, envelope"),
        ("synthetic:?mode=envelope&rate=200", "always has 50 Hz"),
        ("synthetic:?speed=2", "unknown option `speed`"),
        ("synthetic:arm", "takes no target"),
        ("synthetic:?seed=-1", "`seed=-1`"),
    ],
)
def test_a_wrong_uri_is_one_line(uri: str, says: str) -> None:
    with pytest.raises(DriverError) as error:
        source_from_uri(uri)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_samples_and_truth_are_the_generators() -> None:
    frames = play("synthetic:?seed=3", 5.0).all(Frame)
    expected = session(FIRST_UNSEEN_USER, 0, 5.0, seed=3, losses=False)
    got = np.concatenate([frame.samples for frame in frames])
    np.testing.assert_array_equal(got, expected.emg[: len(got)])
    assert len(got) >= 996
    truth = np.concatenate([frame.truth for frame in frames if frame.truth is not None])
    assert truth.shape == (len(got), VALUES)
    assert expected.joints is not None
    np.testing.assert_array_equal(truth[::4], expected.joints[: len(truth[::4])])
    points = truth.reshape(-1, 21, 3)
    np.testing.assert_allclose(to_hand_frame(points, "right"), points, atol=1e-3)


def test_two_samples_arrive_when_the_second_is_over() -> None:
    emitted = play("synthetic:", 2.0)
    frames = [(event, at) for event, at in zip(emitted.events, emitted.at, strict=True) if isinstance(event, Frame)]
    for number, (frame, at) in enumerate(frames):
        assert frame.samples.shape == (2, 8)
        assert frame.first_sample == 2 * number
        assert frame.t == pytest.approx(EPOCH + 2 * number / 200.0, abs=1e-6)
        assert at == pytest.approx(EPOCH + 2 * (number + 1) / 200.0, abs=1e-5)
        assert frame.arrival == at
        assert not frame.gap


@pytest.mark.parametrize("rate", [50, 125, 1000])
def test_minutes_do_not_drift(rate: int) -> None:
    seconds = 30_000.0 / rate
    frames = play(f"synthetic:?rate={rate}", seconds).all(Frame)
    assert frames[-1].first_sample + 2 == pytest.approx(seconds * rate, abs=2)
    assert frames[-1].arrival - frames[-1].t == pytest.approx(2 / rate, abs=1e-4)


def test_what_came_due_while_the_loop_was_busy_comes_in_one_go() -> None:
    with VirtualLoop() as loop:
        emitted, source = Emitted(loop), source_of("synthetic:", loop)

        async def stalled() -> None:
            running = asyncio.ensure_future(source.run(emitted))
            await asyncio.sleep(1.0)
            before = len(emitted.all(Frame))
            loop._jumping.elapsed += 0.5
            await asyncio.sleep(0.001)
            assert len(emitted.all(Frame)) - before >= 49
            await asyncio.sleep(1.0)
            running.cancel()

        loop.run(stalled())
        frames = emitted.all(Frame)
    assert [frame.first_sample for frame in frames] == list(range(0, 2 * len(frames), 2))
    assert not any(frame.gap for frame in frames)
    assert frames[-1].arrival - frames[-1].t < 0.02


def test_a_computer_that_slept_skips_and_says_so() -> None:
    with VirtualLoop() as loop:
        emitted, source = Emitted(loop), source_of("synthetic:", loop)

        async def asleep() -> None:
            running = asyncio.ensure_future(source.run(emitted))
            await asyncio.sleep(1.0)
            loop._jumping.elapsed += LATE_S + 3600.0
            await asyncio.sleep(1.0)
            running.cancel()

        loop.run(asleep())
        frames = emitted.all(Frame)
    gaps = [number for number, frame in enumerate(frames) if frame.gap]
    assert len(gaps) == 1
    jump = frames[gaps[0]].first_sample - frames[gaps[0] - 1].first_sample
    assert jump / 200.0 == pytest.approx(3605.0, abs=0.1)
    assert frames[-1].arrival - frames[-1].t < 0.02


def test_a_second_run_goes_on_and_marks_the_gap() -> None:
    emitted = play("synthetic:", 1.0, 1.0)
    frames = emitted.all(Frame)
    assert [frame.first_sample for frame in frames] == list(range(0, 2 * len(frames), 2))
    assert [frame.first_sample for frame in frames if frame.gap] == [frames[len(frames) // 2].first_sample]
    assert all(later.t > earlier.t for earlier, later in pairwise(frames))
    assert len(emitted.all(SourceInfo)) == 2


@pytest.mark.slow
def test_lost_packets_jump() -> None:
    frames = play("synthetic:?losses=1&user=1003", 900.0).all(Frame)
    steps = np.diff([frame.first_sample for frame in frames])
    assert (steps > 2).any()
    assert [frame.gap for frame in frames[1:]] == (steps > 2).tolist()


def test_battery_inertia_and_movements_come_along() -> None:
    emitted = play("synthetic:", 10.0)
    imu = emitted.all(Imu)
    assert len(imu) == pytest.approx(500, abs=2)
    assert [battery.percent for battery in emitted.all(Battery)] == [96]
    q = np.array([one.quaternion for one in imu])
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm([one.acceleration_g for one in imu], axis=1), 1.0, atol=1e-9)
    named = emitted.all(Marker)
    expected = session(FIRST_UNSEEN_USER, 0, 9.9, seed=1, losses=False).markers
    assert [marker.label for marker in named][: len(expected)] == [marker.label for marker in expected]
    np.testing.assert_allclose([m.t - EPOCH for m in named[: len(expected)]], [m.t for m in expected], atol=1e-5)


def test_gyroscope_is_the_change_of_the_quaternion() -> None:
    imu = play("synthetic:", 4.0).all(Imu)
    for before, here, after in zip(imu[:-2], imu[1:-1], imu[2:], strict=True):
        w, x, y, z = before.quaternion
        a, b = np.array([w, -x, -y, -z]), np.array(after.quaternion)
        turn = a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])
        np.testing.assert_allclose(here.gyro_dps, np.rad2deg(turn / 0.02), atol=0.05)


@pytest.mark.slow
def test_twenty_minutes_need_no_more_memory_than_one() -> None:
    import tracemalloc

    stream = Stream(FIRST_UNSEEN_USER, 0)
    tracemalloc.start()
    for _ in range(60):
        stream.take(200)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(1200):
        stream.take(200)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after < 1.2 * before + 50_000


def test_it_does_what_it_is_asked_to() -> None:
    stream = Stream(FIRST_UNSEEN_USER, 0, seed=1, losses=False)
    source = SyntheticSource(stream)
    levels = {}
    stream.take(300)
    for cue in ("rest", "fist", "rest", "extension", "pinky"):
        source.follow(cue)
        block = stream.take(600)
        assert [label for _, label in block.labels] == [{"extension": "wrist_extension"}.get(cue, cue)]
        settled = block.angles[200:]
        assert np.ptp(settled, axis=0).max() < 1e-3
        levels[cue] = np.abs(block.emg[200:]).mean()
        if cue in ("fist", "rest", "pinky"):
            np.testing.assert_allclose(settled[0], stream.person.habits.poses[cue], atol=1e-3)
    assert min(levels["fist"], levels["extension"]) > 2.0 * levels["rest"]
    source.follow(None)
    moving = stream.take(2000)
    assert np.ptp(moving.angles, axis=0).max() > 0.3


def test_it_does_part_of_what_it_is_asked_to_a_reaction_time_later() -> None:
    with VirtualLoop() as loop:
        emitted = Emitted(loop)
        source = source_of("synthetic:?reaction=0.4", loop)
        source.follow("rest")
        loop.run(run_for(source, emitted, 3.0))
        source.follow("fist", 0.5, 0.3)
        asked = loop.now()
        loop.run(run_for(source, emitted, 2.0))
    (begun,) = [marker.t for marker in emitted.all(Marker) if marker.label == "fist"]
    # Muscles come first, and then the hand, by at most a tenth of a second.
    assert 0.4 <= begun - asked < 0.52
    frames = emitted.all(Frame)
    assert frames[-1].truth is not None
    habits = source._stream.person.habits.poses
    half = habits["rest"] + 0.5 * (habits["fist"] - habits["rest"])
    expected = source._stream.joints(half[None].astype(np.float32))[0]
    np.testing.assert_allclose(frames[-1].truth[-1], expected, atol=0.1)


@pytest.mark.parametrize("reaction", ["-1", "5", "x"])
def test_a_reaction_time_that_nobody_has(reaction: str) -> None:
    with pytest.raises(DriverError, match="reaction"):
        source_from_uri(f"synthetic:?reaction={reaction}")
