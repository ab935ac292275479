"""The hand as a layer: 20 angles -> 63 coordinates, the same as `models.kinematics.points`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from keras import layers, ops

from models.architectures.base import Scaling
from models.hand import VALUES
from models.kinematics import ANGLES, AXES, DIGITS, PER_DIGIT, ROM, palm

MARGIN: Final = 0.02
"""Mean angles stay this share of the range away from its ends, where the sigmoid is flat."""

_BENDS: Final = PER_DIGIT - 1


def hand(y: Any, scaling: Scaling) -> Any:
    """Pose of free outputs.

    Args:
        y: (batch, n, 20); zero gives the mean angles, and any value an angle within the range of motion.
        scaling: mean angles and bone lengths.

    Returns:
        (batch, n, 63) mm, frame `hand`.
    """
    low, span = ROM[:, 0], ROM[:, 1] - ROM[:, 0]
    share = np.clip((np.asarray(scaling.angle_mean, np.float32) - low) / span, MARGIN, 1.0 - MARGIN)
    bias = np.log(share / (1.0 - share)).astype(np.float32)
    return points(ops.sigmoid(y + bias) * span + low, np.asarray(scaling.bones, np.float32))


def points(angles: Any, bones: Any) -> Any:
    """Forward kinematics in the graph: angles (batch, n, 20) in radians and 20 bone lengths in mm."""
    axes = AXES.astype(np.float32)
    lateral = angles[..., 1::PER_DIGIT][..., None]
    along = ops.cos(lateral) * axes[:, 0] + ops.sin(lateral) * axes[:, 1]
    bend = layers.Reshape((-1, DIGITS, _BENDS, 1))(ops.matmul(angles, _bends()))
    direction = ops.cos(bend) * along[..., None, :] + ops.sin(bend) * axes[:, 2][:, None, :]
    lengths = bones.reshape(DIGITS, PER_DIGIT)[:, 1:, None]
    start = palm(bones).astype(np.float32)[:, None, :]
    tips = ops.matmul(np.tri(_BENDS, dtype=np.float32), direction * lengths) + start
    first = ops.zeros_like(tips[..., :1, :]) + start
    chain = layers.Reshape((-1, VALUES - 3))(ops.concatenate([first, tips], axis=-2))
    return ops.concatenate([ops.zeros_like(chain[..., :3]), chain], axis=-1)


def _bends() -> Any:
    """(20, 15) sums of flexions along each digit."""
    out = np.zeros((len(ANGLES), DIGITS * _BENDS), np.float32)
    for digit in range(DIGITS):
        for bend in range(_BENDS):
            flexions = (0, 2, 3)[: bend + 1]
            out[[digit * PER_DIGIT + f for f in flexions], digit * _BENDS + bend] = 1.0
    return out
