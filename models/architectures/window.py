"""Networks that turn one window into one pose: front end, alignment, core, scaling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from models.architectures.base import STEP_HZ, Built, NetworkConfig, decay
from models.arrays import Float32Array
from models.hand import CHANNELS, VALUES

SMOOTHING_S: Final = 0.05
"""Time constant of the envelope, about that of the Myo's own 50 Hz mode."""


Features = Callable[[KerasTensor, NetworkConfig], KerasTensor]


def smoothing_matrix(steps: int, decimation: int, smoothing_s: float = SMOOTHING_S) -> Float32Array:
    """(steps, steps * decimation): from rectified samples to a causal envelope at 50 Hz.

    Row i is the mean of the samples of each step up to i, weighted exponentially by age; rows sum
    to one, so a window's first steps are no weaker than its last.
    """
    age = np.subtract.outer(np.arange(steps), np.arange(steps))
    weights = np.where(age >= 0, decay(STEP_HZ, smoothing_s) ** np.maximum(age, 0), 0.0)
    pooled = np.repeat(weights, decimation, axis=1)
    return np.asarray(pooled / pooled.sum(axis=1, keepdims=True), np.float32)


def alignment_layer() -> layers.Layer:
    """Mixes the channels of (batch, steps, 8) with a fixed 8 x 8 matrix, identity as built."""
    return layers.Dense(CHANNELS, use_bias=False, kernel_initializer="identity", trainable=False, name="alignment")


def scaled_log(x: KerasTensor, config: NetworkConfig) -> KerasTensor:
    """Envelopes (batch, steps, ...) in the device's unit -> features of that shape, about zero mean and unit spread."""
    s = config.scaling
    return (ops.log(ops.relu(x) + s.floor) - s.mean) / s.std


def scaled_pose(y: KerasTensor, config: NetworkConfig) -> KerasTensor:
    """The last layer's output (batch, 63) -> mm."""
    return y * config.scaling.pose_std + np.asarray(config.scaling.pose_mean, np.float32)


def assemble(core: keras.Model, steps: int, config: NetworkConfig, features: Features = scaled_log) -> Built:
    """Put the front end before a core.

    Args:
        core: features -> (batch, 63), about zero mean and unit spread.
        steps: of the window.
        config: rate, mode and constants.
        features: envelopes (batch, steps, 8) -> what the core reads.
    """
    window = steps * config.decimation
    front = _front(steps, config)
    envelope = keras.Input((steps, CHANNELS), name="envelope")
    pose = scaled_pose(core(features(envelope, config)), config)
    body = keras.Model(envelope, pose, name="body")
    emg = keras.Input((window, CHANNELS), name="emg")
    serve = keras.Model(emg, layers.Identity(name="pose")(body(alignment_layer()(front(emg)))), name="network")
    if body.output_shape != (None, VALUES):
        raise ValueError(f"a window network gives (batch, {VALUES}), got {body.output_shape}")
    return Built(core=core, body=body, front=front, serve=serve)


def _front(steps: int, config: NetworkConfig) -> keras.Model:
    emg = keras.Input((steps * config.decimation, CHANNELS), name="emg")
    if config.emg_mode == "envelope":
        return keras.Model(emg, layers.Identity()(emg), name="front")
    matrix = smoothing_matrix(steps, config.decimation)
    return keras.Model(emg, ops.matmul(matrix, ops.abs(emg)), name="front")
