"""Frames in, the newest pose out: what is skipped is counted, what is published is what the model gives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.arrays import Float32Array
from models.hand import MIRRORED_CHANNELS, mirror
from models.spec import ModelSpec
from service.engine.engine import Engine
from service.engine.pose import Pose
from service.engine.predictor import ModelFile, Predictor
from tests.fakes.models_onnx import HOP, WINDOW, offline, offline_stream, spec_of, stream_model, window_model
from tests.fakes.sources import frame, frames, ramp


class Held:
    """A predictor whose runs end when the test lets them; its pose is the number of rows and their first value."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.sha256 = ""
        self.mirrored = False
        self.loads: list[Float32Array] = []
        self.resets = 0
        self.told: float | None = None
        self.gain = 1.0
        self.started = threading.Semaphore(0)
        self.answers: list[float] = []
        self.interrupted = False
        self._go = threading.Semaphore(0)

    def load(self, samples: Float32Array) -> None:
        self.loads.append(samples.copy())

    def run(self) -> Float32Array:
        self.started.release()
        self._go.acquire()
        if self.interrupted:
            raise RuntimeError("terminated")
        return np.full(63, self.answers.pop(0) if self.answers else 1.0, dtype=np.float32)

    def between(self, hop: int, count: int) -> Float32Array:
        return np.empty((0, 63), dtype=np.float32)

    @property
    def hidden(self) -> None:
        return None

    @property
    def confidence(self) -> float | None:
        return self.told

    def reset(self) -> None:
        self.resets += 1

    def terminate(self) -> None:
        self.interrupted = True
        self._go.release()

    def allow(self) -> None:
        self.interrupted = False

    def go_on_from(self, other: Predictor) -> bool:
        return False

    def let(self, runs: int = 1) -> None:
        self._go.release(runs)


class Bench:
    """An engine and what came out of it."""

    def __init__(self, predictor: Predictor, **how: Any) -> None:
        self.poses: list[Pose] = []
        self.failures: list[str] = []
        self.changed = asyncio.Event()
        self.engine = Engine(predictor, 200.0, self._on_pose, self._on_failure, **how)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def feed(self, *pushed: Any) -> None:
        """One frame at a time, each one's pose awaited: nothing is skipped."""
        for one in pushed:
            self.engine.push(one)
            await self.until(self.idle)

    def idle(self) -> bool:
        engine = self.engine
        return engine.poses + engine.skipped + engine.invalid == engine.due

    def _on_pose(self, pose: Pose) -> None:
        self.poses.append(pose)
        self.changed.set()

    def _on_failure(self, why: str) -> None:
        self.failures.append(why)
        self.changed.set()


@pytest.fixture
async def bench() -> AsyncIterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(predictor: Predictor, **how: Any) -> Bench:
        made.append(Bench(predictor, **how))
        return made[-1]

    yield make
    for one in made:
        if isinstance(one.engine.predictor, Held):
            one.engine.predictor.let(100)
        await one.engine.close()


async def test_poses_are_bit_for_bit_those_of_the_model(bench: Callable[..., Bench], tiny_window: Path) -> None:
    one = bench(ModelFile(tiny_window).open())
    await one.feed(*frames(0, 60, 2))
    ends = range(WINDOW, 61, HOP)
    assert [pose.sample for pose in one.poses] == [end - 1 for end in ends]
    expected = offline(tiny_window, np.stack([ramp(end - WINDOW, WINDOW) for end in ends]))
    np.testing.assert_array_equal(np.stack([pose.joints for pose in one.poses]), expected)
    assert [pose.seq for pose in one.poses] == list(range(len(one.poses)))
    assert {pose.skipped for pose in one.poses} == {0}


async def test_a_stream_sees_every_sample_once_and_in_order(bench: Callable[..., Bench], tiny_stream: Path) -> None:
    one = bench(ModelFile(tiny_stream).open())
    await one.feed(*frames(0, 61, 3))
    chunks = [ramp(start, HOP) for start in range(0, 60, HOP)]
    expected = offline_stream(tiny_stream, chunks)
    np.testing.assert_array_equal(np.stack([pose.joints for pose in one.poses]), expected)


async def test_another_hop_than_the_models(bench: Callable[..., Bench], tiny_window: Path) -> None:
    one = bench(ModelFile(tiny_window).open(), hop=6)
    assert one.engine.hop == 6
    await one.feed(*frames(0, 30, 1))
    assert [pose.sample for pose in one.poses] == [7, 13, 19, 25]


async def test_while_it_is_busy_the_newest_wins_and_the_rest_is_counted(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of())
    one = bench(held)
    for pushed in frames(0, 28):
        one.engine.push(pushed)
    assert len(held.loads) == 1
    held.let()
    await one.until(lambda: len(one.poses) == 1)
    held.let()
    await one.until(lambda: len(one.poses) == 2)
    assert [(p.seq, p.sample, p.skipped) for p in one.poses] == [(0, 7, 0), (1, 27, 4)]
    np.testing.assert_array_equal(held.loads[1], ramp(20, WINDOW))
    assert (one.engine.due, one.engine.poses, one.engine.skipped) == (6, 2, 4)


async def test_windows_in_one_large_frame_are_skipped_but_the_last(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of())
    held.let()
    one = bench(held)
    one.engine.push(frame(0, 30))
    await one.until(one.idle)
    assert [(p.sample, p.skipped) for p in one.poses] == [(27, 5)]
    np.testing.assert_array_equal(held.loads[0], ramp(20, WINDOW))


async def test_what_waited_for_a_stream_goes_into_one_run(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of("stream"))
    one = bench(held)
    for pushed in frames(0, 30):
        one.engine.push(pushed)
    held.let(2)
    await one.until(lambda: len(one.poses) == 2)
    assert [load.tolist() for load in held.loads] == [ramp(0, 4).tolist(), ramp(4, 24).tolist()]
    assert [(p.sample, p.skipped) for p in one.poses] == [(3, 0), (27, 5)]
    assert held.resets == 1


async def test_after_a_gap_windows_hold_no_sample_from_before(bench: Callable[..., Bench], tiny_window: Path) -> None:
    one = bench(ModelFile(tiny_window).open())
    await one.feed(*frames(0, 14), *frames(100, 114))
    assert [(p.sample, p.gap) for p in one.poses] == [(7, False), (11, False), (107, True), (111, False)]
    np.testing.assert_array_equal(one.poses[2].joints, offline(tiny_window, ramp(100, WINDOW)[None])[0])


async def test_after_a_gap_a_stream_has_forgotten(bench: Callable[..., Bench], tiny_stream: Path) -> None:
    one = bench(ModelFile(tiny_stream).open())
    await one.feed(*frames(0, 12), *frames(50, 58))
    assert [(p.sample, p.gap) for p in one.poses][-2:] == [(53, True), (57, False)]
    after = offline_stream(tiny_stream, [ramp(50, 4), ramp(54, 4)])
    np.testing.assert_array_equal(np.stack([p.joints for p in one.poses[-2:]]), after)


async def test_a_gap_is_marked_although_its_window_was_skipped(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of())
    one = bench(held)
    one.engine.push(frame(0, 8))
    for pushed in frames(100, 112):
        one.engine.push(pushed)
    held.let(2)
    await one.until(lambda: len(one.poses) == 2)
    assert [(p.sample, p.gap, p.skipped) for p in one.poses] == [(7, False, 0), (111, True, 1)]


@pytest.mark.parametrize("kind", ["window", "stream"])
async def test_nan_is_never_given_out_but_counted(bench: Callable[..., Bench], tmp_path: Path, kind: str) -> None:
    make = window_model if kind == "window" else stream_model
    one = bench(ModelFile(make(tmp_path / "m.onnx", nan_above=500.0)).open())
    await one.feed(*frames(0, 12))
    good = len(one.poses)
    broken = frame(12, 4)
    broken.samples[2, 3] = 1000.0
    await one.feed(broken)
    assert (len(one.poses), one.engine.invalid) == (good, 1)
    assert "NaN" in one.failures[0]
    await one.feed(*frames(16, 32))
    assert one.engine.poses > good
    assert [p.seq for p in one.poses] == list(range(one.engine.poses))
    assert all(np.isfinite(p.joints).all() for p in one.poses)


async def test_after_a_failure_a_stream_goes_on_with_what_is_new(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of("stream"))
    held.answers = [1.0, float("nan"), 1.0]
    held.let(3)
    one = bench(held)
    await one.feed(*frames(0, 12))
    assert [load.tolist() for load in held.loads] == [ramp(0, 4).tolist(), ramp(4, 4).tolist(), ramp(8, 4).tolist()]
    assert held.resets == 2
    assert [p.sample for p in one.poses] == [3, 11]


async def test_a_failing_runtime_is_counted_and_it_goes_on(bench: Callable[..., Bench], tmp_path: Path) -> None:
    path = window_model(tmp_path / "m.onnx", spec_of(), rows="rows", breaks=True)
    one = bench(ModelFile(path).open(trial=False))
    await one.feed(*frames(0, 20))
    assert (one.engine.poses, one.engine.invalid, one.engine.due) == (0, 4, 4)
    assert len(one.failures) == 4
    assert all("\n" not in why for why in one.failures)


async def test_skipped_before_a_failure_is_counted_in_the_next_pose(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of())
    held.answers = [1.0, float("nan"), 1.0]
    one = bench(held)
    for pushed in frames(0, 20):
        one.engine.push(pushed)
    held.let(2)
    await one.until(lambda: one.engine.invalid == 1)
    held.let()
    await one.feed(*frames(20, 24))
    told = sum(p.skipped for p in one.poses)
    assert told == one.engine.skipped == 2
    assert one.engine.poses + told + one.engine.invalid == one.engine.due


@pytest.mark.parametrize("kind", ["window", "stream"])
async def test_on_the_left_arm_channels_turn_round_and_so_does_the_pose(
    bench: Callable[..., Bench], tiny_window: Path, tiny_stream: Path, kind: str
) -> None:
    path = tiny_window if kind == "window" else tiny_stream
    one = bench(ModelFile(path).open())
    one.engine.set_hand("left")
    await one.feed(*frames(0, WINDOW))
    turned = np.ascontiguousarray(ramp(0, WINDOW)[:, MIRRORED_CHANNELS])
    if kind == "window":
        expected = offline(path, turned[None])
    else:
        expected = np.stack(offline_stream(path, [turned[:4], turned[4:]]))
    np.testing.assert_array_equal(np.stack([p.joints for p in one.poses]), mirror(expected))
    assert {p.hand for p in one.poses} == {"left"}


async def test_a_model_of_a_left_hand_is_not_turned_on_the_left(bench: Callable[..., Bench], tmp_path: Path) -> None:
    path = window_model(tmp_path / "left.onnx", spec_of(hand="left"))
    one = bench(ModelFile(path).open())
    one.engine.set_hand("left")
    await one.feed(*frames(0, WINDOW))
    np.testing.assert_array_equal(one.poses[0].joints, offline(path, ramp(0, WINDOW)[None])[0])


async def test_a_hand_that_changes_starts_a_new_stretch(bench: Callable[..., Bench], tiny_window: Path) -> None:
    one = bench(ModelFile(tiny_window).open())
    await one.feed(*frames(0, 12))
    one.engine.set_hand("left")
    one.engine.set_hand("left")
    await one.feed(*frames(12, 26))
    assert [(p.sample, p.hand, p.gap) for p in one.poses] == [
        (7, "right", False), (11, "right", False), (19, "left", True), (23, "left", False),
    ]  # fmt: skip


async def test_times_and_truth_belong_to_the_newest_sample(bench: Callable[..., Bench], tiny_window: Path) -> None:
    truth = np.arange(10 * 63, dtype=np.float32).reshape(10, 63)
    one = bench(ModelFile(tiny_window).open(), clock=iter(range(100)).__next__)
    await one.feed(frame(0, 10, t0=50.0, arrival=51.0, truth=truth))
    pose = one.poses[0]
    assert (pose.sample, pose.t, pose.arrival) == (7, 50.0 + 7 / 200, 51.0)
    np.testing.assert_array_equal(pose.truth, truth[7])
    assert pose.due < pose.started < pose.finished
    assert pose.infer_ms == (pose.finished - pose.started) * 1000.0


async def test_a_closed_engine_publishes_nothing_more(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of())
    one = bench(held)
    one.engine.push(frame(0, 8))
    one.engine.stop()
    held.let()
    await one.engine.close()
    await asyncio.sleep(0)
    assert one.poses == []


@pytest.mark.case("F4")
async def test_a_run_that_takes_too_long_is_broken_off_and_others_follow(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.engine.REST_S", 0.01)
    held = Held(spec_of())
    one = bench(held, run_s=0.02)
    one.engine.push(frame(0, 8))
    await one.until(lambda: one.failures == ["the model had not ended after 0.02 s"] * 2)
    assert (one.poses, one.engine.invalid, held.interrupted) == ([], 1, False)
    await asyncio.sleep(0.02)
    held.let()
    one.engine.push(frame(8, HOP))
    await one.until(lambda: len(one.poses) == 1)


@pytest.mark.case("F4")
async def test_closing_is_bounded_whatever_the_worker_does(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.engine.LAST_RUN_S", 0.02)
    held = Held(spec_of())
    monkeypatch.setattr(held, "terminate", lambda: None)
    one = bench(held)
    one.engine.push(frame(0, 8))
    assert not await one.engine.close()
    held.let()
    assert await one.engine.close()


@pytest.mark.case("R")
async def test_any_fault_of_a_run_is_told_and_the_next_window_is_run(
    bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(spec_of())
    run = held.run

    def broken() -> Float32Array:
        run()
        raise KeyError("pose")

    monkeypatch.setattr(held, "run", broken)
    held.let(2)
    one = bench(held)
    one.engine.push(frame(0, 8))
    await one.until(lambda: len(one.failures) == 1)
    assert one.failures == ["KeyError: 'pose'"]
    assert "a fault in running the model" in caplog.text
    monkeypatch.setattr(held, "run", run)
    one.engine.push(frame(8, HOP))
    await one.until(lambda: len(one.poses) == 1)


async def test_a_stream_that_was_too_far_behind_starts_anew(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of("stream"))
    one = bench(held)
    for pushed in frames(0, 8000, 50):
        one.engine.push(pushed)
    held.let(2)
    await one.until(lambda: len(one.poses) == 2)
    assert held.resets == 2
    assert len(held.loads[1]) <= 20 * 200 + HOP
    np.testing.assert_array_equal(held.loads[1][-4:], ramp(7996, 4))


async def test_confidence_is_low_after_a_gap_and_where_channels_are_bad(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of("stream"))
    held.told = 0.8
    held.let(1000)
    one = bench(held)
    await one.feed(*frames(0, 800, HOP))
    told = [pose.confidence or 0.0 for pose in one.poses]
    assert told == sorted(told)
    assert told[0] < 0.1
    assert told[-1] == pytest.approx(0.8, abs=0.01)
    one.engine.signal_quality = 0.5
    await one.feed(frame(800, HOP))
    assert one.poses[-1].confidence == pytest.approx(0.4, abs=0.01)
    await one.feed(frame(900, HOP))
    assert one.poses[-1].gap
    assert (one.poses[-1].confidence or 0.0) < 0.1


async def test_a_model_without_a_measure_gives_no_confidence(bench: Callable[..., Bench], tiny_stream: Path) -> None:
    one = bench(ModelFile(tiny_stream).open())
    await one.feed(*frames(0, 40, HOP))
    assert {pose.confidence for pose in one.poses} == {None}


async def test_confidence_that_is_no_number_counts_as_none_at_all(bench: Callable[..., Bench]) -> None:
    held = Held(spec_of("stream"))
    held.told = float("nan")
    held.let(10)
    one = bench(held)
    await one.feed(frame(0, HOP))
    assert one.poses[0].confidence == 0.0
