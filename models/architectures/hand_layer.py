"""The hand as a layer: 20 angles and bone lengths -> 63 coordinates, the same as `models.kinematics.points`."""

from __future__ import annotations

from typing import Final

import numpy as np
from keras import KerasTensor, layers, ops

from models.architectures.base import Scaling
from models.arrays import Float32Array
from models.hand import VALUES
from models.kinematics import ANGLES, AXES, BONES, DIGITS, KNUCKLE_AZIMUTH, KNUCKLE_DROP, PER_DIGIT, ROM

OUTPUTS: Final = len(ANGLES) + len(BONES)
"""What a core gives for `hand`: angles, then bone lengths."""
MARGIN: Final = 0.02
"""Mean angles stay this share of the range away from its ends, where the sigmoid is flat."""
BONE_RANGE: Final = 0.3
"""A bone is at most this far (as a logarithm) from the mean hand's; people differ by 0.06 (SD)."""

_BENDS: Final = PER_DIGIT - 1
_TINY: Final = 1e-6


def hand(y: KerasTensor, scaling: Scaling) -> KerasTensor:
    """Pose of free outputs.

    Args:
        y: (batch, n, 40), for the angles and for the bones; zeros give the mean hand in its mean pose, and any
            value an angle within the range of motion and a bone within `BONE_RANGE`.
        scaling: mean angles and bone lengths.

    Returns:
        (batch, n, 63) mm, frame `hand`.
    """
    low, span = ROM[:, 0], ROM[:, 1] - ROM[:, 0]
    share = np.clip((np.asarray(scaling.angle_mean, np.float32) - low) / span, MARGIN, 1.0 - MARGIN)
    bias = np.log(share / (1.0 - share)).astype(np.float32)
    angles = ops.sigmoid(y[..., : len(ANGLES)] + bias) * span + low
    bones = ops.exp(BONE_RANGE * ops.tanh(y[..., len(ANGLES) :])) * np.asarray(scaling.bones, np.float32)
    return points(angles, bones)


def points(angles: KerasTensor, bones: KerasTensor) -> KerasTensor:
    """Forward kinematics in the graph: angles (batch, n, 20) in radians and bone lengths (batch, n, 20) in mm."""
    axes = AXES.astype(np.float32)
    lateral = angles[..., 1::PER_DIGIT][..., None]
    along = ops.cos(lateral) * axes[:, 0] + ops.sin(lateral) * axes[:, 1]
    bend = layers.Reshape((-1, DIGITS, _BENDS, 1))(ops.matmul(angles, _bends()))
    direction = ops.cos(bend) * along[..., None, :] + ops.sin(bend) * axes[:, 2][:, None, :]
    lengths = layers.Reshape((-1, DIGITS, PER_DIGIT, 1))(bones)
    start = _palm(lengths[..., 0, 0])[..., None, :]
    tips = ops.matmul(np.tri(_BENDS, dtype=np.float32), direction * lengths[..., 1:, :]) + start
    chain = layers.Reshape((-1, VALUES - 3))(ops.concatenate([start, tips], axis=-2))
    return ops.concatenate([ops.zeros_like(chain[..., :3]), chain], axis=-1)


def _palm(reach: KerasTensor) -> KerasTensor:
    """(batch, n, 5, 3) where the digits start, from their distances to the wrist (batch, n, 5)."""
    y = reach[..., 2:3] * -KNUCKLE_DROP.astype(np.float32)
    level = ops.sqrt(ops.relu(ops.square(reach) - ops.square(y)) + _TINY)
    x, z = (level * turn.astype(np.float32) for turn in (np.sin(KNUCKLE_AZIMUTH), -np.cos(KNUCKLE_AZIMUTH)))
    return ops.stack([x, y, z], axis=-1)


def _bends() -> Float32Array:
    """(20, 15) sums of flexions along each digit."""
    out = np.zeros((len(ANGLES), DIGITS * _BENDS), np.float32)
    for digit in range(DIGITS):
        for bend in range(_BENDS):
            flexions = (0, 2, 3)[: bend + 1]
            out[[digit * PER_DIGIT + f for f in flexions], digit * _BENDS + bend] = 1.0
    return out
