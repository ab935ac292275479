"""Compare the poses of the exported graph with those of Keras."""

from __future__ import annotations

from typing import Final

import numpy as np

from exporters.errors import ExportError
from models.architectures.base import Built
from models.arrays import Float32Array
from models.hand import CHANNELS
from models.onnx_runner import OnnxRunner

WINDOWS: Final = 100
LIMIT_MM: Final = 0.01


def probe(count: int, samples: int, emg_mode: str, seed: int = 0) -> Float32Array:
    """(count, samples, 8) random EMG from near silence to clipping, in counts as an armband gives them."""
    rng = np.random.default_rng(seed)
    level = np.exp(rng.uniform(np.log(0.5), np.log(60.0), (count, 1, CHANNELS)))
    drift = np.exp(0.5 * rng.standard_normal((count, samples // 16 + 1, CHANNELS)).repeat(16, axis=1)[:, :samples])
    emg = level * drift * rng.standard_normal((count, samples, CHANNELS))
    if emg_mode == "envelope":
        return np.asarray(np.minimum(np.abs(emg) * 15.0, 2000.0), np.float32)
    return np.asarray(np.clip(np.rint(emg), -128, 127), np.float32)


def parity(built: Built, model: bytes, emg: Float32Array) -> float:
    """The largest difference between Keras and onnxruntime in mm, over all inputs.

    Args:
        built: the Keras network.
        model: the ONNX file.
        emg: (count, samples, 8); windows, or sequences for a stream (which starts from zero state).

    Raises:
        ExportError: a value that is not a number.
    """
    keras_pose = _in_keras(built, emg)
    onnx_pose = OnnxRunner.open(model, len(emg)).step(emg)
    worst = float(np.abs(keras_pose - onnx_pose).max())
    if not np.isfinite(worst):
        raise ExportError("the network gives values that are not numbers; train it again with a lower learning rate")
    return worst


def _in_keras(built: Built, emg: Float32Array) -> Float32Array:
    import tensorflow as tf

    zeros = [tf.zeros((len(emg), *shape), tf.float32) for shape in built.states]
    run = tf.function(lambda *inputs: built.serve(list(inputs) if zeros else inputs[0], training=False))
    outputs = run(tf.constant(emg), *zeros)
    return np.asarray(outputs[0] if zeros else outputs)
