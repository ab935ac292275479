"""What a Leap frame costs, for the benchmark."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from models.arrays import Float32Array
from models.hand import VALUES, Side
from service.outputs.leap_frame import LeapEncoder


@dataclass(frozen=True, slots=True)
class _Pose:
    t: float
    joints: Float32Array
    device: int = 0
    seq: int = 0
    sample: int = 0
    hand: Side = "right"
    truth: Float32Array | None = None
    state: str = "live"


def frame_cost_us(frames: int = 2000) -> tuple[float, int]:
    """CPU time of this thread for one frame, in microseconds (the median of ten rounds), and the frame's bytes."""
    rng = np.random.default_rng(0)
    poses = [_Pose(1e9 + k / 100, rng.normal(0, 60, VALUES).astype(np.float32)) for k in range(frames)]
    encoder, rounds, size = LeapEncoder(), [], 0
    for part in range(10):
        batch = poses[part::10]
        start = time.thread_time()
        for pose in batch:
            size = len(encoder.encode(pose))
        rounds.append((time.thread_time() - start) / len(batch) * 1e6)
    return float(np.median(rounds)), size
