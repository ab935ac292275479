"""A hand of straight sticks in frame `hand`, for the tests of what is derived from points."""

from __future__ import annotations

import math

import numpy as np

from models.arrays import Float32Array
from models.hand import Side, mirror
from service.engine.pose import Pose

KNUCKLES = ((-25.0, 0.0, -85.0), (0.0, 0.0, -90.0), (20.0, 0.0, -84.0), (38.0, 0.0, -74.0))
PHALANGES = ((40.0, 25.0, 20.0), (45.0, 28.0, 21.0), (41.0, 26.0, 20.0), (32.0, 19.0, 18.0))
THUMB = ((-25.0, -8.0, -25.0), (-50.0, -14.0, -55.0), (-65.0, -18.0, -85.0), (-72.0, -20.0, -112.0))


def make_hand(bend: float = 0.0, side: Side = "right", *, pinch: bool = False) -> Float32Array:
    """(63,) mm: every joint of the four fingers bent towards the palm by `bend` radians."""
    points = np.zeros((21, 3))
    points[1:5] = THUMB
    for finger, (knuckle, lengths) in enumerate(zip(KNUCKLES, PHALANGES, strict=True)):
        position, angle = np.array(knuckle), 0.0
        points[5 + 4 * finger] = position
        for joint, length in enumerate(lengths, 1):
            angle += bend
            position = position + length * np.array([0.0, -math.sin(angle), -math.cos(angle)])
            points[5 + 4 * finger + joint] = position
    if pinch:
        points[4] = points[8] + (-5.0, -5.0, 5.0)
    flat = points.astype(np.float32).reshape(63)
    return flat if side == "right" else mirror(flat)


def make_pose(
    t: float, joints: Float32Array, hand: Side = "right", *, device: int = 0, truth: Float32Array | None = None
) -> Pose:
    """A pose as the outputs take it; `joints` and `truth` are (63,) mm."""
    return Pose(
        device=device, seq=0, sample=0, t=t, joints=joints, hand=hand, state="live", skipped=0, gap=False, truth=truth,
        arrival=t, due=t, started=t, finished=t,
    )  # fmt: skip
