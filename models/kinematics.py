"""Forward kinematics of a right hand: 20 angles and 20 bone lengths to the 21 points.

Every digit is the same chain. In the palm it starts at a fixed point; its first joint turns in a
lateral plane (`aa`) and a flexion plane (`fe`), the two joints after it bend in that flexion plane
only. With the digit's own orthonormal axes d (along the digit), w (towards the thumb; for the thumb
itself, out of the palm) and f (flexion), and with the bends summed along the chain,

    direction_k = cos(bend_k) * (cos(aa) * d + sin(aa) * w) + sin(bend_k) * f,    bend = cumsum(fe, ., .)

and a point is the palm point plus the running sum of length_k * direction_k. That is sin, cos, two
cumulative sums and products with constants, so it can be put into a network's graph as it stands,
with `AXES` and `palm(bones)` as constants. The palm is rigid.

The points satisfy the definition of frame `hand` (`models.hand`) exactly, whatever the bones:
the middle knuckle lies on -Z, and the index and pinky knuckles at one height below it.

Proportions of bones to hand length: Buchholz, Armstrong, Goldstein, "Anthropometric data for
describing the kinematics of the human hand", Ergonomics 35 (1992). Degrees of freedom: the 20 of
emg2pose (arXiv 2412.02725).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from models.arrays import Float32Array, Float64Array
from models.hand import FINGERS, JOINTS, POINTS

DIGITS: Final = 5
PER_DIGIT: Final = 4

ANGLES: Final = (
    "thumb_cmc_fe", "thumb_cmc_aa", "thumb_mcp_fe", "thumb_ip_fe",
    *(f"{finger}_{joint}" for finger in FINGERS[1:] for joint in ("mcp_fe", "mcp_aa", "pip_fe", "dip_fe")),
)  # fmt: skip
"""Per digit: flexion and abduction of its first joint, then the flexion of the two after it.

Flexion is positive towards the palm, abduction positive towards the thumb (the thumb's own: out of
the palm)."""

ROM: Final[Float32Array] = np.deg2rad(
    [
        [(-25, 45), (-15, 55), (-10, 60), (-15, 80)],
        [(-20, 90), (-15, 20), (0, 110), (-5, 80)],
        [(-20, 90), (-15, 15), (0, 110), (-5, 80)],
        [(-20, 90), (-15, 15), (0, 110), (-5, 80)],
        [(-20, 95), (-25, 15), (0, 110), (-5, 80)],
    ]
).reshape(len(ANGLES), 2).astype(np.float32)  # fmt: skip
"""(20, 2) lowest and highest angle of each joint, radians."""

BONES: Final = JOINTS[1:]
"""A bone is named after the point at its far end; its near end is that point's parent."""

HAND_LENGTH_MM: Final = 185.0

_PROPORTIONS: Final = (
    (0.165, 0.251, 0.196, 0.158),
    (0.463, 0.245, 0.143, 0.097),
    (0.446, 0.266, 0.170, 0.108),
    (0.421, 0.244, 0.165, 0.107),
    (0.414, 0.204, 0.117, 0.093),
)
KNUCKLE_AZIMUTH: Final = np.deg2rad([-45.0, -16.0, 0.0, 13.5, 27.0])
"""(5,) where a digit starts, seen from above, radians from -Z towards +X."""
KNUCKLE_DROP: Final = np.array([0.16, 0.05, 0.0, 0.012, 0.05])
"""How far a knuckle lies below the middle one, as a share of the middle metacarpal."""

_SPLAY: Final = (-40.0, -4.0, 0.0, 4.0, 9.0)
_PITCH: Final = (25.0, 0.0, 0.0, 0.0, 0.0)
_ROLL: Final = (35.0, -5.0, 0.0, 6.0, 13.0)


def _axes(splay: float, pitch: float, roll: float) -> Float64Array:
    """One digit's d, w, f as rows: turned out by `splay`, sunk by `pitch`, rolled about itself, degrees."""
    s, p, r = np.deg2rad([splay, pitch, roll])
    along = np.array([np.sin(s) * np.cos(p), -np.sin(p), -np.cos(s) * np.cos(p)])
    level = np.array([np.cos(s), 0.0, np.sin(s)])
    down = np.cross(along, level)
    if pitch:
        lateral, flexion = down, level
    else:
        lateral, flexion = -level, down
    return np.stack([along, np.cos(r) * lateral - np.sin(r) * flexion, np.cos(r) * flexion + np.sin(r) * lateral])


AXES: Final[Float64Array] = np.stack([_axes(*digit) for digit in zip(_SPLAY, _PITCH, _ROLL, strict=True)])
"""(5, 3, 3) each digit's axes d, w, f in frame `hand`."""


def bones(hand_length_mm: float = HAND_LENGTH_MM) -> Float32Array:
    """The 20 bone lengths, in mm, of an average hand of this length (wrist to tip of the middle finger)."""
    return (np.array(_PROPORTIONS) * hand_length_mm).reshape(-1).astype(np.float32)


def palm(lengths: npt.ArrayLike) -> Float64Array:
    """Where the five digits start.

    Args:
        lengths: (..., 20) bone lengths in mm.

    Returns:
        (..., 5, 3) thumb CMC and the four knuckles, mm.
    """
    reach = np.asarray(lengths, dtype=np.float64)[..., 0::PER_DIGIT]
    y = -KNUCKLE_DROP * reach[..., 2:3]
    level = np.sqrt(np.maximum(reach**2 - y**2, 0.0))
    return np.stack([level * np.sin(KNUCKLE_AZIMUTH), y, -level * np.cos(KNUCKLE_AZIMUTH)], axis=-1)


def points(angles: npt.ArrayLike, lengths: npt.ArrayLike) -> Float32Array:
    """The 21 points of a right hand.

    Args:
        angles: (n, 20) radians, in the order of `ANGLES`.
        lengths: (20,) or (n, 20) bone lengths in mm, in the order of `BONES`.

    Returns:
        (n, 21, 3) float32, mm, frame `hand`.

    Raises:
        ValueError: not 20 angles or not 20 lengths.
    """
    q, bone = np.asarray(angles, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
    if q.ndim != 2 or q.shape[1] != len(ANGLES) or bone.shape[-1] != len(BONES):
        raise ValueError(f"expected (n, 20) angles and 20 bone lengths, got {q.shape} and {bone.shape}")
    q = q.reshape(-1, DIGITS, PER_DIGIT)
    bend = np.cumsum(q[..., (0, 2, 3)], axis=-1)
    along = np.cos(q[..., 1, None]) * AXES[:, 0] + np.sin(q[..., 1, None]) * AXES[:, 1]
    direction = np.cos(bend)[..., None] * along[..., None, :] + np.sin(bend)[..., None] * AXES[:, 2][:, None, :]
    lengths3 = bone.reshape(*bone.shape[:-1], DIGITS, PER_DIGIT)[..., 1:, None]
    start = np.broadcast_to(palm(bone), (len(q), DIGITS, 3))[..., None, :]
    out = np.zeros((len(q), POINTS, 3), dtype=np.float32)
    chain = np.concatenate([start, start + np.cumsum(direction * lengths3, axis=-2)], axis=-2)
    out[:, 1:] = chain.reshape(len(q), POINTS - 1, 3)
    return out


def measure(joints: npt.ArrayLike) -> Float32Array:
    """Bone lengths of given points.

    Args:
        joints: (..., 21, 3) mm.

    Returns:
        (..., 20) mm, in the order of `BONES`.
    """
    p = np.asarray(joints, dtype=np.float64)
    digits = p[..., 1:, :].reshape(*p.shape[:-2], DIGITS, PER_DIGIT, 3)
    wrist = np.broadcast_to(p[..., None, :1, :], (*digits.shape[:-2], 1, 3))
    steps = np.diff(np.concatenate([wrist, digits], axis=-2), axis=-2)
    lengths: Float32Array = np.linalg.norm(steps, axis=-1).reshape(*p.shape[:-2], len(BONES)).astype(np.float32)
    return lengths


def angles(joints: npt.ArrayLike) -> Float32Array:
    """The angles that best explain given points of a right hand; the inverse of `points` on its range.

    Each digit is fitted alone: `aa` as the plane in which its three bones lie (least squares), the
    bends as their directions in that plane.

    Args:
        joints: (n, 21, 3) mm, frame `hand`.

    Returns:
        (n, 20) float32 radians, in the order of `ANGLES`, |aa| < 90 degrees, bends within +-180 degrees.
    """
    digits = np.asarray(joints, dtype=np.float64)[:, 1:].reshape(-1, DIGITS, PER_DIGIT, 3)
    d, w, f = np.moveaxis(np.einsum("ndki,dai->ndka", np.diff(digits, axis=2), AXES), -1, 0)
    aa = np.arctan2(np.sum(w * d, axis=-1), np.sum(d * d, axis=-1) + 1e-12)
    level = np.cos(aa)[..., None] * d + np.sin(aa)[..., None] * w
    bend = np.unwrap(np.arctan2(f, level), axis=-1)
    fe, *rest = np.moveaxis(np.diff(bend, axis=-1, prepend=0.0), -1, 0)
    return np.stack([fe, aa, *rest], axis=-1).reshape(-1, len(ANGLES)).astype(np.float32)
