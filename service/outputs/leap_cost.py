"""CPU time and size of a Leap frame, for the benchmark."""

from __future__ import annotations

import time

import numpy as np

from models.arrays import Float32Array
from models.hand import VALUES
from service.engine.pose import Pose
from service.outputs.leap_frame import LeapEncoder


def _pose(t: float, joints: Float32Array) -> Pose:
    return Pose(
        device=0,
        seq=0,
        sample=0,
        t=t,
        joints=joints,
        hand="right",
        state="live",
        skipped=0,
        gap=False,
        truth=None,
        arrival=t,
        due=t,
        started=t,
        finished=t,
    )


def frame_cost_us(frames: int = 2000) -> tuple[float, int]:
    """Measure one frame: this thread's CPU time in microseconds (median of ten rounds), and its size in bytes."""
    rng = np.random.default_rng(0)
    poses = [_pose(1e9 + k / 100, rng.normal(0, 60, VALUES).astype(np.float32)) for k in range(frames)]
    encoder, rounds, size = LeapEncoder(), [], 0
    for part in range(10):
        batch = poses[part::10]
        start = time.thread_time()
        for pose in batch:
            size = len(encoder.encode(pose))
        rounds.append((time.thread_time() - start) / len(batch) * 1e6)
    return float(np.median(rounds)), size
