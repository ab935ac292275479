"""The 21 points of a hand, their order, and the frame `hand`.

Order: MediaPipe's hand landmarks (wrist, then thumb, index, middle, ring, pinky from the palm
outwards). Frame `hand`: origin at the wrist, -Z along the hand, +Y out of its back; a right hand,
palm down, has its thumb at -X (the OpenXR wrist joint's axes). Unit: millimetres.
"""

from __future__ import annotations

from typing import Final, Literal, cast

import numpy as np
import numpy.typing as npt

from models.arrays import Float32Array

Side = Literal["left", "right"]

POINTS: Final = 21
VALUES: Final = POINTS * 3
CHANNELS: Final = 8
ORDER: Final = "mediapipe21"

FINGERS: Final = ("thumb", "index", "middle", "ring", "pinky")
JOINTS: Final = (
    "wrist",
    "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
    *(f"{finger}_{joint}" for finger in FINGERS[1:] for joint in ("mcp", "pip", "dip", "tip")),
)  # fmt: skip
PARENTS: Final = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
TIPS: Final = (4, 8, 12, 16, 20)

MIRRORED_CHANNELS: Final = (0, 7, 6, 5, 4, 3, 2, 1)
"""Channels of a band on the other arm: a mirrored arm reverses the ring around channel 1."""


def to_hand_frame(points: npt.ArrayLike, side: Side) -> Float32Array:
    """Turn points in any right-handed frame into frame `hand`.

    Args:
        points: (..., 21, 3) positions in mm.
        side: which hand the points belong to.

    Returns:
        (..., 21, 3) float32 in mm, the wrist at the origin.

    Raises:
        ValueError: the shape does not end in (21, 3).
    """
    p = np.asarray(points, dtype=np.float64)
    if p.shape[-2:] != (POINTS, 3):
        raise ValueError(f"points must be (..., 21, 3), got {p.shape}")
    z = _unit(p[..., 0, :] - p[..., 9, :])
    across = p[..., 17, :] - p[..., 5, :]
    y = _unit(np.cross(z, across if side == "right" else -across))
    axes = np.stack([np.cross(y, z), y, z], axis=-1)
    return cast(Float32Array, ((p - p[..., :1, :]) @ axes).astype(np.float32))


def mirror(joints: Float32Array) -> Float32Array:
    """The same pose on the other hand: X negated.

    Args:
        joints: (..., 63) or (..., 21, 3) in mm, frame `hand`.

    Returns:
        A new array of the same shape.
    """
    out = joints.copy()
    if joints.shape[-1] == VALUES:
        out[..., 0::3] *= -1
    else:
        out[..., 0] *= -1
    return out


def _unit(v: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return v / np.where(length == 0.0, 1.0, length)
