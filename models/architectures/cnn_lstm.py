"""Two convolutions on each image of a causal spectrogram, then LSTM 64-64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import Built, Network, NetworkConfig, dense_macs, lstm_macs
from models.hand import VALUES

if TYPE_CHECKING:
    from keras import Model

STEPS: Final = 47
SHAPE: Final = (24, 7, 13, 8)
FILTERS: Final = 32
DROPOUT: Final = 0.2
_FLAT: Final = SHAPE[1] * SHAPE[2] * FILTERS


def core() -> Model:
    import keras
    from keras import layers, ops

    images, *image, channels = SHAPE
    inputs = keras.Input(SHAPE)
    # A convolution per image is a convolution over images times batch; TimeDistributed exports 259 nodes.
    x = ops.reshape(layers.BatchNormalization()(inputs), (-1, *image, channels))
    for _ in range(2):
        x = layers.Conv2D(FILTERS, 2, padding="same", activation="relu")(x)
        x = layers.Dropout(DROPOUT)(x)
        x = layers.BatchNormalization()(x)
    x = ops.reshape(x, (-1, images, _FLAT))
    x = layers.LSTM(64, return_sequences=True)(x)
    x = layers.BatchNormalization()(layers.Dropout(DROPOUT)(x))
    x = layers.LSTM(64)(x)
    x = layers.BatchNormalization()(layers.Dropout(DROPOUT)(x))
    return keras.Model(inputs, layers.Dense(VALUES)(x), name="cnn_lstm")


def build(config: NetworkConfig) -> Built:
    from models.architectures import spectrogram
    from models.architectures.window import assemble

    return assemble(core(), STEPS, config, spectrogram.images)


NETWORK: Final = Network(
    name="cnn_lstm",
    kind="window",
    summary="spectrogram, convolutions 32-32 per image, LSTM 64-64",
    parameters=805_215,
    steps=STEPS,
    context_s=0.94,
    macs=SHAPE[0] * SHAPE[1] * SHAPE[2] * 4 * FILTERS * (SHAPE[3] + FILTERS)
    + lstm_macs(_FLAT, 64, SHAPE[0])
    + lstm_macs(64, 64, SHAPE[0])
    + dense_macs(64, VALUES),
    assemble=build,
    deviations=(
        "the spectrogram ends at its own sample instead of 23 samples later",
        "the mean of a segment is kept (it is the level of the EMG) and powers are logarithms",
        "the LSTMs have their usual tanh instead of ReLU, which diverges",
    ),
)
