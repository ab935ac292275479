"""The One Euro filter on joint angles: the paper's algorithm, rigid bones, and what makes it begin anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arrays import Float32Array, Float64Array
from models.articulation import LEVERS_MM
from models.filter_config import OneEuroConfig, SmoothingError
from models.forward.poses import POSES
from models.hand import VALUES, mirror
from models.kinematics import angles, bones, measure, points
from models.smoothing import OneEuro, smooth

CONFIG = OneEuroConfig(2.0, 0.02)


def wandering(n: int = 120, seed: int = 0, step: float = 0.05) -> Float32Array:
    """(n, 63) a hand whose joint angles wander, with bones of its own."""
    rng = np.random.default_rng(seed)
    q = 0.4 + np.cumsum(rng.normal(0.0, step, (n, 20)), axis=0)
    return points(np.clip(q, -1.0, 1.2), bones(170.0)).reshape(n, VALUES)


def any_points(n: int = 60, seed: int = 3) -> Float32Array:
    """(n, 63) points of no hand in particular, near those of one."""
    return wandering(n) + np.random.default_rng(seed).normal(0.0, 3.0, (n, VALUES)).astype(np.float32)


def reference(q: Float64Array, dt: Float64Array, config: OneEuroConfig) -> Float64Array:
    """(n, 20) angles filtered as the paper's listing has it, digit by digit, written plainly."""

    def alpha(cutoff: float, step: float) -> float:
        return float(1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff) / step))

    out = q.copy()
    for digit in range(5):
        columns = slice(4 * digit, 4 * digit + 4)
        # `kinematics` has the abduction second, the levers have it last.
        levers = LEVERS_MM[[0, 3, 1, 2], digit]
        stages = [q[0, columns].copy() for _ in range(config.stages)]
        velocity = np.zeros(4)
        for row in range(1, len(q)):
            share = alpha(1.0, dt[row])
            velocity = share * (q[row, columns] - stages[0]) / dt[row] + (1.0 - share) * velocity
            speed = float(np.sqrt(np.sum((velocity * levers) ** 2)))
            share = alpha(config.min_cutoff_hz + config.beta * speed, dt[row])
            value = q[row, columns]
            for stage in stages:
                stage[:] = share * value + (1.0 - share) * stage
                value = stage
            out[row, columns] = value
    return out


@pytest.mark.parametrize("config", [OneEuroConfig(1.5, 0.05), OneEuroConfig(7.0, 0.01, 3)])
def test_angles_follow_the_papers_algorithm(config: OneEuroConfig) -> None:
    poses = wandering()
    dt = np.where(np.arange(len(poses)) % 7 == 0, 0.06, 0.02)  # some windows were skipped
    t, one = np.cumsum(dt), OneEuro(config)
    out = np.stack([one.feed(pose, at) for pose, at in zip(poses, t, strict=True)])
    expected = reference(angles(poses.reshape(-1, 21, 3)).astype(np.float64), dt, config)
    np.testing.assert_allclose(angles(out.reshape(-1, 21, 3)), expected, atol=2e-5)


def test_bones_keep_their_lengths() -> None:
    lengths = measure(smooth(wandering(), 50.0, OneEuroConfig(3.0, 0.0, 2)).reshape(-1, 21, 3))
    np.testing.assert_allclose(lengths, np.broadcast_to(bones(170.0), lengths.shape), atol=1e-3)


def test_a_left_hand_is_filtered_as_its_mirror_image() -> None:
    right = wandering(40)
    left = smooth(mirror(right), 50.0, CONFIG, "left")
    np.testing.assert_allclose(mirror(left), smooth(right, 50.0, CONFIG), atol=1e-4)


def test_another_hand_begins_anew() -> None:
    pose, one = wandering(2), OneEuro(CONFIG)
    one.feed(pose[0], 0.0)
    np.testing.assert_array_equal(one.feed(mirror(pose[1]), 0.02, "left"), mirror(pose[1]))


@given(st.integers(1, 60))
@settings(deadline=None, max_examples=10)
def test_later_poses_change_nothing_before_them(n: int) -> None:
    poses = wandering(60)
    np.testing.assert_array_equal(smooth(poses[:n], 50.0, CONFIG), smooth(poses, 50.0, CONFIG)[:n])


@pytest.mark.parametrize("poses", [wandering(1), any_points(1)], ids=["a hand", "any points"])
def test_the_first_pose_and_a_still_hand_come_out_as_they_went_in(poses: Float32Array) -> None:
    still = np.repeat(poses, 30, axis=0)
    out = smooth(still, 50.0, CONFIG)
    np.testing.assert_array_equal(out[0], still[0])
    np.testing.assert_allclose(out, still, atol=1e-3)


def test_points_of_no_hand_are_smoothed_as_well() -> None:
    noise = any_points()
    raw, filtered = (np.diff(p, axis=0).std() for p in (noise, smooth(noise, 50.0, OneEuroConfig(1.0, 0.0))))
    assert filtered < 0.3 * raw


def test_jitter_of_a_resting_hand_is_taken_away_and_a_quick_movement_is_followed() -> None:
    rest, fist = (POSES[name][None] for name in ("rest", "fist"))
    jitter = points(rest + np.random.default_rng(0).normal(0.0, 0.02, (300, 20)), bones()).reshape(-1, VALUES)
    assert smooth(jitter, 50.0, OneEuroConfig(1.0, 0.001))[50:].std(axis=0).mean() < 0.4 * jitter.std(axis=0).mean()
    closing = points(np.repeat(np.concatenate([rest, fist]), 50, axis=0), bones()).reshape(-1, VALUES)
    lazy, eager = (
        np.abs(smooth(closing, 50.0, OneEuroConfig(1.0, beta))[53] - closing[-1]).max() for beta in (0.0, 0.05)
    )
    assert eager < 1.0
    assert lazy > 40.0


def test_a_row_that_is_no_pose_starts_the_filter_afresh() -> None:
    poses = wandering(40)
    poses[20] = np.nan
    out = smooth(poses, 50.0, CONFIG)
    assert np.isnan(out[20]).all()
    np.testing.assert_array_equal(out[21], poses[21])
    # Its times are counted from the first row, so the rest agrees but for rounding.
    np.testing.assert_allclose(out[21:], smooth(poses[21:], 50.0, CONFIG), atol=1e-3)


def test_a_pose_that_is_not_later_is_ignored() -> None:
    one, poses = OneEuro(CONFIG), wandering(2)
    first = one.feed(poses[0], 1.0)
    np.testing.assert_allclose(one.feed(poses[1], 1.0), first, atol=1e-3)
    assert np.abs(one.feed(poses[1], 1.02) - first).max() > 0.01


@pytest.mark.parametrize("stages", [1, 3])
def test_another_filter_goes_on_where_one_was(stages: int) -> None:
    """A step no larger than half of what the model's own output would make."""
    poses = np.concatenate([wandering(40), wandering(1, seed=9)])
    before, after = OneEuro(OneEuroConfig(5.0, 0.0, 3)), OneEuro(OneEuroConfig(4.0, 0.0, stages))
    for row in range(40):
        last = before.feed(poses[row], row / 50.0)
    after.go_on_from(before)
    assert np.abs(after.feed(poses[40], 40 / 50.0) - last).max() < 0.5 * np.abs(poses[40] - last).max()


def test_lag_grows_with_stages_and_falls_with_the_cutoff() -> None:
    lags = [OneEuroConfig.parse(text).moving_lag_ms for text in ("7,0", "14,0", "7,0.028", "7,0,2")]
    assert lags == pytest.approx([22.7, 11.4, 11.4, 45.5], abs=0.1)


@pytest.mark.parametrize(
    "text", ["", "2", "a,b", "0,1", "1,-1", "nan,1", "1,2,1.5", "1,2,0", "1,2,3,4", "1,2,", "inf,0", "1e300,0", "1,1e9"]
)
def test_settings_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SmoothingError, match=r"expected .* such as 2,0.02"):
        OneEuroConfig.parse(text)


def test_settings_of_a_model_file() -> None:
    known = {"min_cutoff_hz": 7.0, "beta": 0.01, "stages": 3, "lag_ms": 50.0}
    assert OneEuroConfig.of(known) == OneEuroConfig.parse("7,0.01,3")
    assert OneEuroConfig.of({"min_cutoff_hz": 7, "beta": 0}).text == "7,0,1"
    for wrong in (
        {},
        {**known, "stages": 1.5},
        {**known, "beta": "0"},
        {**known, "stages": True},
        {**known, "beta": -1},
    ):
        with pytest.raises(SmoothingError):
            OneEuroConfig.of(wrong)


def test_stages_are_low_passes_one_behind_the_other() -> None:
    once, twice = (OneEuroConfig.parse(f"1.5,0,{stages}") for stages in (1, 2))
    assert once == OneEuroConfig.parse("1.5,0")
    poses = wandering()
    np.testing.assert_allclose(smooth(poses, 50.0, twice), smooth(smooth(poses, 50.0, once), 50.0, once), atol=1e-3)
