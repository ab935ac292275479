"""What stands behind a model: which filter, what is told of it, when it begins anew, and on whose time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.arrays import Float32Array
from models.filter_config import OneEuroConfig, SmoothingError
from models.hand import VALUES
from models.kinematics import bones, points
from models.smoothing import smooth
from models.spec import ModelError, ModelSpec
from service.engine.output_stage import AUTO, OFF, OutputStage, Smoothing
from service.engine.predictor import Fitted, ModelFile
from tests.fakes.models_onnx import HOP, offline_stream, spec_of, stream_model
from tests.fakes.sources import frame, frames, ramp
from tests.unit.service.engine.test_engine import Bench, bench

__all__ = ["bench"]

SETTINGS = {"min_cutoff_hz": 3.0, "beta": 0.02, "stages": 2, "lag_ms": 51.5}
CONFIG = OneEuroConfig(3.0, 0.02, 2)
FILTERED = Smoothing.parse("3,0.02,2")


def hands(n: int = 40, seed: int = 0) -> Float32Array:
    q = 0.4 + np.cumsum(np.random.default_rng(seed).normal(0.0, 0.05, (n, 20)), axis=0)
    return points(np.clip(q, -0.5, 1.2), bones()).reshape(n, VALUES)


def spec(**changes: Any) -> ModelSpec:
    return spec_of("stream", **{"smoothing": SETTINGS, "lag_ms": 60.0, **changes})


@pytest.mark.parametrize(
    ("asked", "made", "expected", "lag_ms"),
    [
        ("auto", spec(), {"name": "one_euro", **SETTINGS}, 111.5),
        ("auto", spec(smoothing=None), None, 60.0),
        ("auto", spec(lag_ms=None), {"name": "one_euro", **SETTINGS}, None),
        ("off", spec(), None, 60.0),
        ("off", spec(lag_ms=-20.0), None, -20.0),
        ("3,0.02,2", spec(), {"name": "one_euro", **SETTINGS}, 111.5),
        # Nobody has measured these: 1000 / (2 pi (5 + 0.01 * 250)).
        ("5,0.01", spec(), {"name": "one_euro", "min_cutoff_hz": 5.0, "beta": 0.01, "stages": 1, "lag_ms": 21.2}, 81.2),
        (
            "AUTO",
            spec(smoothing={"min_cutoff_hz": 5, "beta": 0.01}),
            {"name": "one_euro", "min_cutoff_hz": 5.0, "beta": 0.01, "stages": 1, "lag_ms": 21.2},
            81.2,
        ),
    ],
)
def test_what_is_told_of_the_filter(asked: str, made: ModelSpec, expected: Any, lag_ms: float | None) -> None:
    stage = OutputStage(Smoothing.parse(asked), made)
    assert (None if stage.filter is None else stage.filter.as_object()) == expected
    assert stage.lag_ms == lag_ms


@pytest.mark.parametrize("text", ["", "on", "7", "7,0.01,9", "0,1", "auto,1"])
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(SmoothingError, match=r"--smooth .*expected auto, off, or MINCUTOFF,BETA\[,STAGES\]"):
        Smoothing.parse(text)


@pytest.mark.parametrize("wrong", [{}, {"min_cutoff_hz": -1, "beta": 0}, {**SETTINGS, "lag_ms": "soon"}])
def test_a_model_file_with_another_filter_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="`smoothing`: expected min_cutoff_hz, beta and stages"):
        ModelSpec.from_json(spec(smoothing=wrong).to_json())


def test_without_a_filter_poses_stay_as_they_are() -> None:
    pose = hands(1)[0]
    assert OutputStage(OFF, spec()).feed(pose, 4, "right", gap=False) is pose


def test_its_time_is_that_of_the_samples() -> None:
    poses = hands()
    stage = OutputStage(AUTO, spec())
    out = np.stack([stage.feed(pose, HOP * i, "right", gap=False) for i, pose in enumerate(poses)])
    np.testing.assert_allclose(out, smooth(poses, 50.0, CONFIG), atol=1e-4)


def test_a_gap_begins_anew() -> None:
    poses = hands()
    stage = OutputStage(AUTO, spec())
    for i, pose in enumerate(poses[:30]):
        stage.feed(pose, HOP * i, "right", gap=False)
    np.testing.assert_array_equal(stage.feed(poses[30], 5000, "right", gap=True), poses[30])


def test_another_model_goes_on_where_the_hand_is() -> None:
    poses, others = hands(), hands(seed=1)
    stage = OutputStage(AUTO, spec())
    last = [stage.feed(pose, HOP * i, "right", gap=False) for i, pose in enumerate(poses)][-1]
    for row, changes in enumerate(({}, {"smoothing": {**SETTINGS, "stages": 1}})):
        stage.change(spec(**changes))
        pose = stage.feed(others[-1], HOP * (40 + row), "right", gap=False)
        assert np.abs(pose - last).max() < 0.9 * np.abs(others[-1] - last).max()
        last = pose
    stage.change(spec(smoothing=None, lag_ms=10.0))
    assert (stage.filter, stage.lag_ms) == (None, 10.0)
    np.testing.assert_array_equal(stage.feed(others[-1], HOP * 42, "right", gap=False), others[-1])


async def test_the_engine_filters_what_the_model_says(bench: Callable[..., Bench], tiny_stream: Path) -> None:
    one = bench(ModelFile(tiny_stream).open(), smoothing=FILTERED)
    await one.feed(*frames(0, 80, HOP))
    raw = np.stack(offline_stream(tiny_stream, [ramp(start, HOP) for start in range(0, 80, HOP)]))
    found = np.stack([pose.joints for pose in one.poses])
    np.testing.assert_allclose(found, smooth(raw, 50.0, CONFIG), atol=0.02)
    assert np.abs(found - raw).max() > 1.0
    assert {pose.filter.config for pose in one.poses if pose.filter} == {CONFIG}


async def test_the_same_samples_give_the_same_poses_bit_for_bit(bench: Callable[..., Bench], tiny_stream: Path) -> None:
    """However they came: in other frames, at another speed."""
    live = bench(ModelFile(tiny_stream).open(), smoothing=FILTERED)
    await live.feed(*frames(0, 240, HOP))
    replay = bench(ModelFile(tiny_stream).open(), smoothing=FILTERED)
    replay.engine.windower.rate_hz = 800.0
    await replay.feed(*frames(0, 240, 2))
    found = [np.stack([pose.joints for pose in one.poses]) for one in (live, replay)]
    np.testing.assert_array_equal(found[0], found[1])


async def test_skipped_windows_change_nothing_in_a_stream(bench: Callable[..., Bench], tiny_stream: Path) -> None:
    """The frames are so long that windows are skipped in each: the others are those of a run without skips."""
    live = bench(ModelFile(tiny_stream).open(), smoothing=FILTERED)
    await live.feed(*frames(0, 240, HOP))
    late = bench(ModelFile(tiny_stream).open(), smoothing=FILTERED)
    await late.feed(*frames(0, 240, 5 * HOP), frame(400, 3 * HOP))
    await live.feed(frame(400, HOP), frame(400 + HOP, HOP), frame(400 + 2 * HOP, HOP))
    made = {pose.sample: pose.joints for pose in live.poses}
    assert [pose.skipped for pose in late.poses] == [4] * 12 + [2]
    for pose in late.poses:
        np.testing.assert_array_equal(pose.joints, made[pose.sample])


async def test_skipped_windows_of_another_arm_are_mirrored_as_well(
    bench: Callable[..., Bench], tiny_stream: Path
) -> None:
    made = []
    for size in (HOP, 3 * HOP):
        one = bench(ModelFile(tiny_stream).open(), smoothing=FILTERED)
        one.engine.set_hand("left")
        await one.feed(*frames(0, 120, size))
        made.append({pose.sample: pose.joints for pose in one.poses})
    for sample, joints in made[1].items():
        np.testing.assert_array_equal(joints, made[0][sample])


async def test_after_a_gap_the_first_pose_is_the_models_own(bench: Callable[..., Bench], tiny_stream: Path) -> None:
    one = bench(ModelFile(tiny_stream).open(), smoothing=FILTERED)
    await one.feed(*frames(0, 80, HOP), frame(100, HOP))
    assert one.poses[-1].gap
    np.testing.assert_array_equal(one.poses[-1].joints, offline_stream(tiny_stream, [ramp(100, HOP)])[0])


async def test_a_swap_makes_no_hop(bench: Callable[..., Bench], tmp_path: Path, tiny_stream: Path) -> None:
    other = ModelFile(stream_model(tmp_path / "other.onnx", replace(spec_of("stream"), name="other")))
    turned = Fitted(alignment=np.roll(np.eye(8, dtype=np.float32), 3, axis=1))
    made = {}
    for smoothing in (OFF, FILTERED):
        one = bench(ModelFile(tiny_stream).open(), smoothing=smoothing)
        await one.feed(*frames(0, 80, HOP))
        swapped = one.engine.swap(other.open(turned))
        await one.feed(*frames(80, 120, HOP))
        await swapped
        made[smoothing] = np.abs(np.diff(np.stack([pose.joints for pose in one.poses])[15:], axis=0)).max()
    assert made[FILTERED] < 0.5 * made[OFF]
