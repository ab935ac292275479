from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arrays import Float32Array
from models.hand import VALUES
from models.smoothing import OneEuro, OneEuroConfig, SmoothingError, smooth

CONFIG = OneEuroConfig(2.0, 0.02)


def random_walk(n: int = 200, seed: int = 0, step: float = 3.0) -> Float32Array:
    return np.cumsum(np.random.default_rng(seed).normal(0.0, step, (n, VALUES)), axis=0).astype(np.float32)


def reference(
    x: float, before: float, velocity: float, dt: float, min_cutoff: float, beta: float
) -> tuple[float, float]:
    """The paper's algorithm for one scalar, as printed there."""

    def alpha(cutoff: float) -> float:
        tau = 1.0 / (2.0 * np.pi * cutoff)
        return float(1.0 / (1.0 + tau / dt))

    velocity = alpha(1.0) * (x - before) / dt + (1.0 - alpha(1.0)) * velocity
    share = alpha(min_cutoff + beta * abs(velocity))
    return share * x + (1.0 - share) * before, velocity


def test_a_point_on_one_axis_follows_the_papers_algorithm() -> None:
    poses = np.zeros((50, VALUES), np.float32)
    poses[:, 12] = random_walk(50)[:, 0]
    out = smooth(poses, 50.0, OneEuroConfig(1.5, 0.05))
    value, velocity = float(poses[0, 12]), 0.0
    for row in range(1, 50):
        value, velocity = reference(float(poses[row, 12]), value, velocity, 0.02, 1.5, 0.05)
        assert out[row, 12] == pytest.approx(value, abs=1e-4)


@given(st.integers(1, 60))
@settings(deadline=None, max_examples=20)
def test_later_poses_change_nothing_before_them(n: int) -> None:
    poses = random_walk(60)
    np.testing.assert_array_equal(smooth(poses[:n], 50.0, CONFIG), smooth(poses, 50.0, CONFIG)[:n])


def test_the_first_pose_and_a_still_hand_come_out_as_they_went_in() -> None:
    pose = random_walk(1)
    np.testing.assert_array_equal(smooth(np.repeat(pose, 30, axis=0), 50.0, CONFIG), np.repeat(pose, 30, axis=0))


def test_jitter_of_a_resting_hand_is_taken_away_and_a_quick_movement_is_followed() -> None:
    jitter = np.random.default_rng(0).normal(0.0, 1.0, (500, VALUES)).astype(np.float32)
    assert smooth(jitter, 50.0, OneEuroConfig(1.0, 0.001))[50:].std() < 0.4 * jitter.std()
    jump = np.zeros((100, VALUES), np.float32)
    jump[50:] = 80.0
    lazy, eager = (smooth(jump, 50.0, OneEuroConfig(1.0, beta)) for beta in (0.0, 0.05))
    assert eager[53].mean() > 70.0 > 40.0 > lazy[53].mean()


def test_a_row_that_is_no_pose_starts_the_filter_afresh() -> None:
    poses = random_walk(40)
    poses[20] = np.nan
    out = smooth(poses, 50.0, CONFIG)
    assert np.isnan(out[20]).all()
    np.testing.assert_array_equal(out[21:], smooth(poses[21:], 50.0, CONFIG))


def test_a_pose_that_is_not_later_is_ignored() -> None:
    one = OneEuro(CONFIG)
    first = one.feed(np.zeros(VALUES, np.float32), 1.0)
    np.testing.assert_array_equal(one.feed(np.ones(VALUES, np.float32), 1.0), first)
    assert one.feed(np.ones(VALUES, np.float32), 1.02).max() > 0.0


@pytest.mark.parametrize(
    "text", ["", "2", "a,b", "0,1", "1,-1", "nan,1", "1,2,1.5", "1,2,0", "1,2,3,4", "1,2,", "inf,0"]
)
def test_settings_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SmoothingError, match=r"expected .* such as 2,0.02"):
        OneEuroConfig.parse(text)


def test_stages_are_low_passes_one_behind_the_other() -> None:
    once, twice = (OneEuroConfig.parse(f"1.5,0,{stages}") for stages in (1, 2))
    assert once == OneEuroConfig.parse("1.5,0")
    poses = random_walk()
    np.testing.assert_allclose(smooth(poses, 50.0, twice), smooth(smooth(poses, 50.0, once), 50.0, once), atol=1e-3)
