"""Histograms of the stages of a pose."""

from __future__ import annotations

import numpy as np
import pytest

from service.engine.pose import Pose
from service.engine.stage_times import BOUNDS_S, STAGES, Histogram, StageTimes


def test_values_fall_into_the_bucket_whose_bound_they_do_not_exceed() -> None:
    histogram = Histogram()
    for value in (0.0, BOUNDS_S[0], 0.0003, 99.0):
        histogram.add(value)
    buckets = dict(histogram.buckets())
    assert buckets["0.0001"] == 2
    assert buckets["0.0005"] == 3
    assert buckets["1.0"] == 3
    assert buckets["+Inf"] == 4
    assert histogram.sum == pytest.approx(99.0004)


def test_each_stage_of_a_pose_is_counted_once() -> None:
    times = StageTimes()
    pose = Pose(
        device=0, seq=0, sample=0, t=0.0, joints=np.zeros(63, np.float32), hand="right", state="live", skipped=0,
        gap=False, truth=None, arrival=10.0, due=10.001, started=10.003, finished=10.006,
    )  # fmt: skip
    times.on_pose(pose, 10.010)
    assert [times.stages[stage].sum for stage in STAGES] == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.010])
    assert all(sum(histogram.counts) == 1 for histogram in times.stages.values())
