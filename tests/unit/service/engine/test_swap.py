"""A model that takes another's place: no pose is lost, and the first one is what it would be had it run all along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.arrays import Float32Array
from models.spec import ModelError
from service.engine.predictor import Fitted, ModelFile, StreamPredictor
from service.engine.successor import Superseded
from tests.fakes.models_onnx import HOP, WINDOW, offline_stream, spec_of, stream_model, window_model
from tests.fakes.sources import frame, frames, ramp
from tests.unit.service.engine.test_engine import Bench, Held, bench

__all__ = ["bench"]

TURNED = np.roll(np.eye(8, dtype=np.float32), 3, axis=1)


def poses(one: Bench) -> Float32Array:
    return np.stack([pose.joints for pose in one.poses])


async def test_a_window_model_takes_over_between_two_poses(bench: Callable[..., Bench], tiny_window: Path) -> None:
    model = ModelFile(tiny_window)
    one, other = bench(model.open()), bench(model.open(Fitted(alignment=TURNED)))
    await one.feed(*frames(0, 20))
    await one.engine.swap(model.open(Fitted(alignment=TURNED)))
    await one.feed(*frames(20, 40))
    await other.feed(*frames(0, 40))
    assert [pose.sample for pose in one.poses] == list(range(WINDOW - 1, 40, HOP))
    assert [pose.seq for pose in one.poses] == list(range(len(one.poses)))
    assert (poses(one)[:3] != poses(other)[:3]).any(axis=1).all()
    np.testing.assert_array_equal(poses(one)[4:], poses(other)[4:])


async def test_a_stream_of_the_same_memory_goes_on_exactly(bench: Callable[..., Bench], tiny_stream: Path) -> None:
    model = ModelFile(tiny_stream)
    one = bench(model.open())
    for start in range(0, 60, HOP):
        one.engine.swap(model.open())
        await one.feed(frame(start, HOP))
    expected = offline_stream(tiny_stream, [ramp(start, HOP) for start in range(0, 60, HOP)])
    np.testing.assert_array_equal(poses(one), expected)
    assert not any(pose.gap for pose in one.poses)


async def test_a_stream_with_another_memory_first_catches_up(bench: Callable[..., Bench], tiny_stream: Path) -> None:
    model = ModelFile(tiny_stream)
    one, other = bench(model.open()), bench(model.open(Fitted(alignment=TURNED)))
    await one.feed(*frames(0, 600, 4))
    swapped = one.engine.swap(model.open(Fitted(alignment=TURNED)))
    at = len(one.poses)
    await one.feed(*frames(600, 612, 4))
    await swapped
    await one.feed(*frames(612, 640, 4))
    await other.feed(*frames(0, 640, 4))
    assert [pose.sample for pose in one.poses] == list(range(HOP - 1, 640, HOP))
    first = next(k for k in range(at, len(one.poses)) if np.abs(poses(one)[k] - poses(other)[k]).max() < 1.0)
    np.testing.assert_allclose(poses(one)[first:], poses(other)[first:], atol=1e-3)
    assert first <= at + 3


async def test_poses_go_on_while_the_new_model_catches_up(bench: Callable[..., Bench]) -> None:
    old, new = Held(spec_of("stream")), Held(spec_of("stream"))
    old.let(100)
    one = bench(old)
    await one.feed(*frames(0, 160, 4))
    swapped = one.engine.swap(new)
    new.started.acquire()
    await one.feed(*frames(160, 200, 4))
    assert len(one.poses) == 50
    assert not swapped.done()
    new.let(100)
    await swapped
    await one.feed(*frames(200, 208, 4))
    assert one.engine.predictor is new
    seen = np.concatenate(new.loads)
    np.testing.assert_array_equal(seen, ramp(0, 208))
    assert [pose.sample for pose in one.poses] == list(range(3, 208, 4))


async def test_a_gap_while_it_catches_up_makes_it_begin_again(bench: Callable[..., Bench]) -> None:
    old, new = Held(spec_of("stream")), Held(spec_of("stream"))
    old.let(100)
    one = bench(old)
    await one.feed(*frames(0, 160, 4))
    swapped = one.engine.swap(new)
    new.started.acquire()
    await one.feed(*frames(1000, 1100, 4))
    before = new.resets
    new.let(100)
    await swapped
    await one.feed(*frames(1100, 1104, 4))
    assert new.resets == before + 1
    after = np.concatenate(new.loads)[160:]
    np.testing.assert_array_equal(after, ramp(1000, 104))


async def test_before_any_sample(bench: Callable[..., Bench], tiny_stream: Path, tiny_window: Path) -> None:
    one = bench(ModelFile(tiny_window).open())
    await one.engine.swap(ModelFile(tiny_stream).open())
    await one.feed(*frames(0, 12, 4))
    expected = offline_stream(tiny_stream, [ramp(start, HOP) for start in range(0, 12, HOP)])
    np.testing.assert_array_equal(poses(one), expected)


@pytest.mark.parametrize("first", ["window", "stream"])
async def test_from_one_kind_to_the_other(
    bench: Callable[..., Bench], tiny_stream: Path, tiny_window: Path, first: str
) -> None:
    files = [tiny_window, tiny_stream] if first == "window" else [tiny_stream, tiny_window]
    one, other = bench(ModelFile(files[0]).open()), bench(ModelFile(files[1]).open())
    await one.feed(*frames(0, 200, 4))
    swapped = one.engine.swap(ModelFile(files[1]).open())
    await one.feed(*frames(200, 204, 4))
    await swapped
    await one.feed(*frames(204, 240, 4))
    await other.feed(*frames(0, 240, 4))
    np.testing.assert_allclose(poses(one)[-9:], poses(other)[-9:], atol=1e-3)
    assert (np.diff([pose.sample for pose in one.poses]) <= 2 * HOP).all()


async def test_another_hop_and_a_larger_window(bench: Callable[..., Bench], tiny_window: Path, tmp_path: Path) -> None:
    large = window_model(tmp_path / "large.onnx", spec_of(window=20_000, hop=8))
    one = bench(ModelFile(tiny_window).open())
    await one.feed(*frames(0, 100, 4))
    await one.engine.swap(ModelFile(large).open())
    assert (one.engine.hop, one.engine.windower.hop) == (8, 8)
    for start in range(100, 20_100, 500):
        one.engine.push(frame(start, 500))
    await one.until(lambda: one.poses[-1].sample >= 20_000)


async def test_the_newest_choice_wins(bench: Callable[..., Bench], tiny_window: Path) -> None:
    held = Held(spec_of())
    one = bench(held)
    one.engine.push(frame(0, WINDOW))
    first = one.engine.swap(ModelFile(tiny_window).open())
    second = one.engine.swap(ModelFile(tiny_window).open())
    with pytest.raises(Superseded):
        await first
    held.let()
    await second
    third = one.engine.swap(Held(spec_of("stream")))
    one.engine.stop()
    with pytest.raises(Superseded):
        await third


async def test_a_model_that_gives_nan_does_not_take_over(bench: Callable[..., Bench], tmp_path: Path) -> None:
    broken = ModelFile(stream_model(tmp_path / "broken.onnx", nan_above=5.0)).open()
    good = ModelFile(stream_model(tmp_path / "good.onnx")).open()
    one = bench(good)
    await one.feed(*frames(0, 200, 4))
    with pytest.raises(ModelError, match="tiny gives no pose: it answers with NaN"):
        await one.engine.swap(broken)
    await one.feed(*frames(200, 220, 4))
    assert one.engine.predictor is good
    assert isinstance(good, StreamPredictor)
    assert len(one.poses) == 55
