"""Losses on poses in mm.

Shapes: truth and pose (batch, ..., 63) mm, weight (batch, ...), and commanded (batch,): 1 where the pose is what the
wearer was told to do, 0 where it was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import tensorflow as tf

if TYPE_CHECKING:
    from tensorflow import Tensor

Loss = Callable[["Tensor", "Tensor", "Tensor", "Tensor"], "Tensor"]


COMMANDED_MM: Final = 76.0
"""A fist and a hand at rest are 50 mm apart on average, and their mean square is this times as much: a hand that does
the wrong one of the two costs the same by either loss."""


def distance_loss(truth: Tensor, pose: Tensor, weight: Tensor, commanded: Tensor) -> Tensor:
    """Mean distance of the 20 points that are not the wrist, mm; squared where the pose was commanded.

    A distance is least at the median: half-way between two gestures it makes a network choose one of them. Its
    square is least at the mean, so that what is uncertain comes out between them, in order. Shapes as above.
    """
    square = tf.reduce_mean(squares(truth, pose), axis=-1) / COMMANDED_MM
    chosen = commanded[(slice(None), *[None] * (len(weight.shape) - 1))] > 0.5
    return weighted(tf.where(chosen, square, distances(truth, pose)), weight)


def square_loss(truth: Tensor, pose: Tensor, weight: Tensor, commanded: Tensor) -> Tensor:
    """Mean square error per coordinate, mm²; shapes as above."""
    return weighted(tf.reduce_mean(tf.square(truth - pose), axis=-1), weight)


def movement(truth: Tensor, pose: Tensor, weight: Tensor) -> Tensor:
    """Mean distance between the movements of two runs (batch, steps, 63) from one step to the next, mm."""
    steps = distances(truth[:, 1:] - truth[:, :-1], pose[:, 1:] - pose[:, :-1])
    return weighted(steps, weight[:, 1:] * weight[:, :-1])


def distances(truth: Tensor, pose: Tensor) -> Tensor:
    """(...,) mean distance over the 20 points."""
    return tf.reduce_mean(tf.sqrt(squares(truth, pose) + 1e-6), axis=-1)


def squares(truth: Tensor, pose: Tensor) -> Tensor:
    """(..., 20) squared distance of each point that is not the wrist, mm²."""
    square = tf.square(truth - pose)
    return (square[..., 0::3] + square[..., 1::3] + square[..., 2::3])[..., 1:]


def weighted(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values (batch, ...) with weights of the same shape."""
    return tf.reduce_sum(values * weight) / (tf.reduce_sum(weight) + 1e-6)


LOSSES: Final[dict[str, Loss]] = {"mpjpe": distance_loss, "mse": square_loss}
