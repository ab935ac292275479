"""Losses on poses in mm. Shapes: (..., 63) and a weight (...)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

from models.hand import POINTS

Loss = Callable[[Any, Any, Any], Any]


def mpjpe(truth: Any, pose: Any, weight: Any) -> Any:
    """Mean distance of the 20 points that are not the wrist, mm."""
    return weighted(distances(truth, pose), weight)


def mse(truth: Any, pose: Any, weight: Any) -> Any:
    """Mean square per coordinate, mm²."""
    return weighted(tf.reduce_mean(tf.square(truth - pose), axis=-1), weight)


def movement(truth: Any, pose: Any, weight: Any) -> Any:
    """Mean distance between the movements of two runs (batch, steps, 63) from one step to the next, mm."""
    steps = distances(truth[:, 1:] - truth[:, :-1], pose[:, 1:] - pose[:, :-1])
    return weighted(steps, weight[:, 1:] * weight[:, :-1])


def distances(truth: Any, pose: Any) -> Any:
    """(...,) mean distance over the 20 points."""
    shape = tf.concat([tf.shape(pose)[:-1], [POINTS, 3]], axis=0)
    square = tf.reduce_sum(tf.square(tf.reshape(truth - pose, shape)), axis=-1)[..., 1:]
    return tf.reduce_mean(tf.sqrt(square + 1e-6), axis=-1)


def weighted(values: Any, weight: Any) -> Any:
    """Mean over what counts."""
    return tf.reduce_sum(values * weight) / (tf.reduce_sum(weight) + 1e-6)


LOSSES: Final[dict[str, Loss]] = {"mpjpe": mpjpe, "mse": mse}
