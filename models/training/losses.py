"""Losses on poses in mm. Shapes: (batch, ..., 63), a weight (batch, ...), and which rows were asked for (batch,)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

Loss = Callable[[Any, Any, Any, Any], Any]


MARGIN_MM: Final = 20.0
"""Whoever was asked for a fist or for rest may hold the hand so far from it: a finger or two may do something else."""
APART_MM: Final = 50.0
"""Between a fist and a hand at rest. Who does the wrong one of the two costs as much as that, as by the distance."""


def mpjpe(truth: Any, pose: Any, weight: Any, asked: Any) -> Any:
    """Mean distance of the 20 points that are not the wrist, mm; where the pose is what was asked for, the square of
    what is beyond a margin.

    Of such a pose it is known that the hand was closed or open, not where each finger was. And a distance is least at
    the median: half-way between two gestures it makes a network choose one of them, where its square puts what is
    uncertain between them, in order.
    """
    distance = distances(truth, pose)
    beyond = tf.square(tf.nn.relu(distance - MARGIN_MM)) * (APART_MM / (APART_MM - MARGIN_MM) ** 2)
    chosen = asked[(slice(None), *[None] * (len(weight.shape) - 1))] > 0.5
    return weighted(tf.where(chosen, beyond, distance), weight)


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
