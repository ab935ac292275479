from __future__ import annotations

import numpy as np
import pytest

from models.arrays import Float32Array
from models.hand import VALUES
from models.kinematics import ANGLES, bones, points
from models.metrics.pose_error import (
    EvaluatedSegment,
    bone_variation,
    by_user,
    jerk,
    lag_ms,
    mpjpe,
    over_users,
    r2,
    rmse,
    summary,
    tip_positions,
)


def moving_hand(n: int = 400, seed: int = 0) -> Float32Array:
    """(n, 63) a hand whose fingers bend smoothly."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None] / 50.0
    bend = 0.5 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.3, 0.9, len(ANGLES)) * t + rng.uniform(0, 6, len(ANGLES)))
    return points(bend.astype(np.float32), bones()).reshape(n, VALUES)


def evaluated(truth: Float32Array, pose: Float32Array, user: str = "a") -> EvaluatedSegment:
    return EvaluatedSegment(truth, pose, np.ones(len(truth), bool), user)


def test_mpjpe_leaves_the_wrist_out_and_is_a_distance() -> None:
    truth = np.zeros((3, VALUES), np.float32)
    pose = truth.copy()
    pose[:, 3:] = np.tile([3.0, 4.0, 0.0], 20)
    assert mpjpe(truth, pose) == pytest.approx(5.0)
    assert rmse(truth, pose) == pytest.approx(np.sqrt(25.0 / 3.0))
    pose[:, :3] = 1000.0
    assert mpjpe(truth, pose) == pytest.approx(5.0)


def test_r2_is_against_the_mean_of_each_column() -> None:
    truth = moving_hand()
    mean: Float32Array = np.broadcast_to(truth.mean(axis=0), truth.shape)
    assert r2(truth, truth) == pytest.approx(1.0)
    assert r2(truth, mean) == pytest.approx(0.0, abs=1e-6)
    assert r2(truth, (mean + 5.0).astype(np.float32)) < 0.0


def test_skill_is_what_the_mean_pose_leaves() -> None:
    truth = moving_hand()
    mean = truth.mean(axis=0)
    still = summary([evaluated(truth, np.broadcast_to(mean, truth.shape).copy())], mean)
    assert still["skill"] == pytest.approx(0.0, abs=1e-6)
    half = summary([evaluated(truth, (truth + mean) / 2)], mean)
    assert half["skill"] == pytest.approx(0.5, abs=1e-3)
    assert half["mpjpe_mm"] == pytest.approx(still["mpjpe_mm"] / 2, rel=1e-3)


@pytest.mark.parametrize("steps", [0, 3, 8])
def test_lag_is_found_to_the_step(steps: int) -> None:
    truth = tip_positions(moving_hand(600))
    late = np.concatenate([np.repeat(truth[:1], steps, axis=0), truth])[: len(truth)]
    assert lag_ms(truth, late) == pytest.approx(20.0 * steps, abs=6.0)


def test_jerk_of_a_known_movement() -> None:
    t = np.arange(200) / 50.0
    tips = np.zeros((200, 15))
    tips[:, ::3] = (1000.0 * t**3 / 6.0)[:, None]
    assert jerk(tips) == pytest.approx(1.0, rel=1e-3)


def test_a_rigid_hand_has_no_bone_variation_and_a_growing_one_has() -> None:
    truth = moving_hand()
    assert bone_variation(truth) < 1e-4
    assert bone_variation((truth * np.linspace(0.9, 1.1, len(truth))[:, None]).astype(np.float32)) > 0.02


def test_angles_of_the_truth_have_no_error() -> None:
    truth = moving_hand()
    assert summary([evaluated(truth, truth.copy())])["angle_mae_deg"] < 0.1


def test_users_count_the_same_however_long_they_were_recorded() -> None:
    truth = np.zeros((100, VALUES), np.float32)
    near, far = truth + 1.0, truth[:10] + 3.0
    users = by_user([evaluated(truth, near, "near"), evaluated(truth[:10], far, "far")])
    figures = over_users(users)
    assert figures["users"] == 2
    assert figures["mpjpe_mm"] == pytest.approx((users["near"]["mpjpe_mm"] + users["far"]["mpjpe_mm"]) / 2)


def test_rows_that_do_not_count_change_nothing() -> None:
    truth = moving_hand(200)
    pose = truth.copy()
    pose[:100] = np.nan
    valid = np.arange(200) >= 100
    assert summary([EvaluatedSegment(truth, pose, valid)])["mpjpe_mm"] == pytest.approx(0.0)


def test_the_wearers_bones_take_away_what_the_size_of_a_hand_costs() -> None:
    truth = (1.1 * moving_hand()).astype(np.float32)
    figures = summary([evaluated(truth, moving_hand())])
    assert figures["mpjpe_mm"] > 5.0
    assert figures["mpjpe_own_bones_mm"] == pytest.approx(0.0, abs=0.2)


def test_lag_and_jerk_and_angles_are_told_finger_by_finger() -> None:
    truth = moving_hand(800)
    pose = truth.copy()
    # Points of the index finger: 5 to 8, of which each has three coordinates.
    pose[5:, 15:27] = truth[:-5, 15:27]
    figures = summary([evaluated(truth, pose)])
    assert figures["lag_index_ms"] == pytest.approx(100.0, abs=6.0)
    assert figures["lag_ring_ms"] == pytest.approx(0.0, abs=6.0)
    assert figures["angle_index_deg"] > 1.0 > figures["angle_ring_deg"]
    assert figures["jerk_ring"] == pytest.approx(1.0)
