"""Errors as the benchmark of emg2pose tells them."""

from __future__ import annotations

import numpy as np
import pytest

from models.forward.poses import POSES
from models.hand import VALUES
from models.kinematics import bones, points
from models.metrics.emg2pose import rows
from models.metrics.pose_error import EvaluatedSegment


def hand(name: str, n: int, length_mm: float = 185.0, bend: float = 0.0) -> np.ndarray:
    return points(np.repeat((POSES[name] + bend)[None], n, axis=0), bones(length_mm)).reshape(n, VALUES)


def test_size_does_not_count_and_users_count_the_same() -> None:
    off = np.deg2rad(2.0)
    runs = [
        EvaluatedSegment(hand("fist", n, 200.0), hand("fist", n, bend=angle), np.ones(n, bool), user)
        for n, user, angle in ((1300, "a", 0.0), (300, "b", off), (100, "c", off))
    ]
    model, still = rows(runs, hand("fist", 1)[0])
    # c has no whole trajectory of 5 s.
    assert (model["users"], model["trajectories"]) == (2, 6)
    assert model["angle_deg"] == pytest.approx(1.0, abs=0.01)
    assert model["angle_deg_sd"] == pytest.approx(1.0, abs=0.01)
    assert 0.0 < float(model["landmark_mm"]) < 5.0
    assert still["angle_deg"] == pytest.approx(0.0, abs=0.01)
    assert still["landmark_mm"] == pytest.approx(0.0, abs=0.05)


def test_without_a_whole_trajectory_there_is_no_row() -> None:
    short = EvaluatedSegment(hand("rest", 100), hand("rest", 100), np.ones(100, bool), "a")
    assert rows([short], None) == []
