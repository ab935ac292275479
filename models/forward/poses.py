"""Named hand poses, and how fingers drag one another along.

Angles in degrees, in the order of `models.kinematics.ANGLES`. The thumb-to-finger poses were found by
closing the gap between the two tips on an average hand.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.arrays import Float64Array

Finger = tuple[float, float] | tuple[float, float, float]
"""MCP flexion, PIP flexion, and where it matters the abduction; DIP follows PIP."""

DIP_PER_PIP: Final = 0.66
"""Rijkpema and Girard, "Computer animation of knowledge-based human grasping", 1991."""


def _pose(thumb: tuple[float, float, float, float], *fingers: Finger) -> Float64Array:
    out = list(thumb)
    for mcp, pip, *aa in fingers:
        out += [mcp, aa[0] if aa else 0.0, pip, DIP_PER_PIP * pip]
    return np.deg2rad(out)


_LOOSE: Final = (8.0, 12.0, 12.0, 14.0)
_OUT: Final = (-10.0, 12.0, 2.0, 0.0)
_ACROSS: Final = (30.0, 18.0, 40.0, 45.0)
_UP: Final = (-18.0, -6.0, -5.0, -8.0)
_STRAIGHT: Final = (2.0, 3.0)
_CURLED: Final = (78.0, 98.0)

POSES: Final[dict[str, Float64Array]] = {
    "rest": _pose(_LOOSE, (22, 28), (26, 32), (28, 33), (28, 30)),
    "open": _pose(_OUT, (-5, 2, 8), (-6, 2), (-5, 2, -5), (-5, 2, -12)),
    "flat": _pose((0, -5, 5, 5), _STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT),
    "fist": _pose(_ACROSS, _CURLED, (82, 102), (84, 100), (84, 96)),
    "thumb_up": _pose(_UP, _CURLED, (82, 102), (84, 100), (84, 96)),
    "thumb_in": _pose((38, 20, 48, 55), (5, 10), (5, 10), (6, 10), (6, 10)),
    "index": _pose((10, 15, 15, 20), (70, 85), (15, 15), (12, 14), (8, 12)),
    "middle": _pose(_LOOSE, (18, 20), (72, 88), (24, 26), (12, 14)),
    "ring": _pose(_LOOSE, (10, 12), (28, 30), (70, 86), (38, 40)),
    "pinky": _pose(_LOOSE, (6, 10), (10, 14), (34, 36), (74, 84)),
    "point": _pose(_ACROSS, (0, 4), (80, 100), (82, 98), (82, 94)),
    "two": _pose(_ACROSS, (0, 4, 8), (0, 4, -6), (80, 98), (80, 92)),
    "three": _pose((35, 15, 42, 48), (0, 4, 6), (-2, 4), (4, 6, -6), (76, 88)),
    "four": _pose((38, 20, 46, 50), (0, 4, 6), (-2, 4), (0, 4, -4), (2, 6, -10)),
    "gun": _pose(_UP, (0, 5), (78, 96), (80, 96), (80, 92)),
    "horns": _pose(_ACROSS, (0, 5), (80, 98), (80, 94), (4, 8, -6)),
    "call": _pose(_UP, (74, 92), (78, 96), (74, 88), (4, 10, -10)),
    "pinch": _pose((16, 9, 22, 26), (56, 45, 2), (36, 40), (30, 36), (26, 32)),
    "ok": _pose((16, 9, 22, 26), (56, 45, 2), (8, 14), (4, 8, -4), (2, 6, -10)),
    "tripod": _pose((17, 7, 27, 26), (48, 45, 6), (52, 51, 2), (56, 60), (58, 60)),
    "thumb_ring": _pose((26, 11, 30, 24), (20, 24), (30, 34), (53, 46, 12), (36, 36)),
    "thumb_pinky": _pose((31, 4, 35, 32), (10, 14), (14, 18), (32, 32), (56, 39)),
    "hook": _pose((0, 5, 5, 5), (6, 92), (6, 98), (6, 94), (8, 88)),
    "tabletop": _pose((5, 25, 10, 12), (72, 8), (76, 8), (76, 8), (74, 8)),
    "cylinder": _pose((12, 42, 22, 28), (46, 52), (48, 56), (50, 56), (52, 52)),
    "claw": _pose((0, 35, 15, 30), (12, 55, 8), (10, 58), (12, 56, -6), (14, 52, -12)),
}  # fmt: skip
"""Each (20,) radians."""

ENSLAVING: Final[Float64Array] = np.array(
    [
        [1.00, 0.06, 0.03, 0.02, 0.02],
        [0.06, 1.00, 0.14, 0.05, 0.03],
        [0.03, 0.16, 1.00, 0.26, 0.08],
        [0.02, 0.06, 0.30, 1.00, 0.30],
        [0.02, 0.03, 0.10, 0.34, 1.00],
    ]
)
"""How far each digit (column) goes along when one (row) moves alone: the index is the most
independent finger, the ring finger the least (Zatsiorsky, Li, Latash 2000; Hager-Ross and Schieber,
J Neurosci 20, 2000)."""
