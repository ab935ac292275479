"""LSTMs that give nine numbers, and a linear decoder of poses that was trained before and is frozen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import keras
import numpy as np
from keras import layers

from models.architectures.base import Built
from models.arrays import Float32Array
from models.hand import CHANNELS, VALUES

CODE: Final = 9
ENCODER: Final = (32, 16, CODE)
EPOCHS: Final = 30
BATCH: Final = 512
MOST: Final = 40_000
"""Poses that the autoencoder is trained on at most."""


def core(steps: int, units: int, decoder: Sequence[int], dropout: float, name: str) -> keras.Model:
    """LSTM, LSTM, nine linear units, frozen decoder."""
    x = inputs = keras.Input((steps, CHANNELS))
    x = layers.LSTM(units, return_sequences=True)(x)
    x = layers.Dropout(dropout)(x)
    x = layers.LSTM(units)(x)
    x = layers.Dense(CODE)(x)
    for i, width in enumerate((*decoder, VALUES)):
        x = layers.Dense(width, trainable=False, name=f"decoder_{i}")(x)
    return keras.Model(inputs, x, name=name)


def pretrain(built: Built, poses: Float32Array, seed: int) -> dict[str, float]:
    """Train the autoencoder on scaled poses (n, 63) and put its decoder into the network.

    Returns:
        `autoencoder_rmse`: per coordinate, in the scale of `poses`.
    """
    rng = np.random.default_rng(seed)
    some = poses[rng.permutation(len(poses))[:MOST]]
    frozen = [layer for layer in built.core.layers if layer.name.startswith("decoder_")]
    x = inputs = keras.Input((VALUES,))
    for width in ENCODER:
        x = layers.Dense(width)(x)
    decoder = [layers.Dense(layer.units) for layer in frozen]
    for layer in decoder:
        x = layer(x)
    model = keras.Model(inputs, x)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="mse")
    history = model.fit(some, some, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    for target, source in zip(frozen, decoder, strict=True):
        target.set_weights(source.get_weights())
    return {"autoencoder_rmse": float(np.sqrt(history.history["loss"][-1]))}
