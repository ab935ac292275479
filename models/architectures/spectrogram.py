"""A causal spectrogram inside the graph: image i ends at its own sample.

47 steps at 50 Hz give 36 spectra (Hann window of 12, hop 1, 7 bins), and 24 images of 13 spectra each, that
is, of 24 steps. The transform is a convolution with the windowed cosines and sines.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from keras import KerasTensor, layers, ops

from models.architectures.base import NetworkConfig
from models.arrays import Float32Array
from models.hand import CHANNELS

STEPS: Final = 47
SEGMENT: Final = 12
BINS: Final = SEGMENT // 2 + 1
SPECTRA: Final = 13
IMAGES: Final = 24
FLOOR: Final = 1e-3


def images(envelope: KerasTensor, config: NetworkConfig) -> KerasTensor:
    """Envelopes (batch, 47, 8) -> (batch, 24, 7, 13, 8): log amplitude by image, bin, time, channel."""
    spectra = STEPS - SEGMENT + 1
    level = ops.relu(envelope) / float(np.exp(config.scaling.mean))
    rows = ops.reshape(ops.transpose(level, (0, 2, 1)), (-1, STEPS, 1))
    transform = layers.Conv1D(2 * BINS, SEGMENT, use_bias=False, trainable=False, name="spectrogram")
    parts = ops.reshape(transform(rows), (-1, CHANNELS, spectra, 2 * BINS))
    transform.set_weights([kernel()])
    power = ops.square(parts[..., :BINS]) + ops.square(parts[..., BINS:])
    log = ops.log(power + FLOOR) * (0.5 / config.scaling.std)
    window = np.arange(IMAGES)[:, None] + np.arange(SPECTRA)
    stacked = ops.reshape(ops.take(log, window.ravel(), axis=2), (-1, CHANNELS, IMAGES, SPECTRA, BINS))
    return ops.transpose(stacked, (0, 2, 4, 3, 1))


def kernel() -> Float32Array:
    """(12, 1, 14): Hann-windowed cosines, then sines; a constant of one has power one in bin 0."""
    n = np.arange(SEGMENT)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / SEGMENT)
    phase = 2 * np.pi * np.outer(n, np.arange(BINS)) / SEGMENT
    waves = np.concatenate([np.cos(phase), -np.sin(phase)], axis=1)
    return np.asarray((hann / hann.sum())[:, None] * waves, np.float32)[:, None, :]
