"""How long each stage of a pose took, as histograms that cost a few counts for each pose."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from service.engine.pose import Pose

BOUNDS_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds of the buckets, seconds; one more bucket has no bound."""
STAGES: Final = ("window", "hand_over", "inference", "publish", "total")
"""Arrival to window, window to worker, the model's run, back to the event loop; arrival to there."""


class Histogram:
    """Counts of values by bucket, and their sum."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count a value."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as Prometheus has them."""
        found, total = [], 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class StageTimes:
    """The histograms of one armband."""

    def __init__(self) -> None:
        self.stages = {stage: Histogram() for stage in STAGES}
        self._add = [histogram.add for histogram in self.stages.values()]

    def on_pose(self, pose: Pose, now: float) -> None:
        """Take a pose that has been given to the outputs at a time of the process clock."""
        window, hand_over, inference, publish, total = self._add
        window(pose.due - pose.arrival)
        hand_over(pose.started - pose.due)
        inference(pose.finished - pose.started)
        publish(now - pose.finished)
        total(now - pose.arrival)
