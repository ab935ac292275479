"""Losses on poses in mm. Shapes: (batch, ..., 63), a weight (batch, ...), and which rows were asked for (batch,)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

Loss = Callable[[Any, Any, Any, Any], Any]


ASKED_MM: Final = 76.0
"""A fist and a hand at rest are 50 mm apart on average, and their mean square is this times as much: a hand that does
the wrong one of the two costs the same by either loss."""


def mpjpe(truth: Any, pose: Any, weight: Any, asked: Any) -> Any:
    """Mean distance of the 20 points that are not the wrist, mm; squared where the pose is what was asked for.

    A distance is least at the median: half-way between two gestures it makes a network choose one of them. Its
    square is least at the mean, so that what is uncertain comes out between them, in order.
    """
    square = tf.reduce_mean(squares(truth, pose), axis=-1) / ASKED_MM
    chosen = asked[(slice(None), *[None] * (len(weight.shape) - 1))] > 0.5
    return weighted(tf.where(chosen, square, distances(truth, pose)), weight)


def mse(truth: Any, pose: Any, weight: Any, asked: Any) -> Any:
    """Mean square per coordinate, mm²."""
    return weighted(tf.reduce_mean(tf.square(truth - pose), axis=-1), weight)


def movement(truth: Any, pose: Any, weight: Any) -> Any:
    """Mean distance between the movements of two runs (batch, steps, 63) from one step to the next, mm."""
    steps = distances(truth[:, 1:] - truth[:, :-1], pose[:, 1:] - pose[:, :-1])
    return weighted(steps, weight[:, 1:] * weight[:, :-1])


def distances(truth: Any, pose: Any) -> Any:
    """(...,) mean distance over the 20 points."""
    return tf.reduce_mean(tf.sqrt(squares(truth, pose) + 1e-6), axis=-1)


def squares(truth: Any, pose: Any) -> Any:
    """(..., 20) squared distance of each point that is not the wrist, mm²."""
    square = tf.square(truth - pose)
    return (square[..., 0::3] + square[..., 1::3] + square[..., 2::3])[..., 1:]


def weighted(values: Any, weight: Any) -> Any:
    """Mean over what counts."""
    return tf.reduce_sum(values * weight) / (tf.reduce_sum(weight) + 1e-6)


LOSSES: Final[dict[str, Loss]] = {"mpjpe": mpjpe, "mse": mse}
