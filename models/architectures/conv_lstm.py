"""Two convolutional LSTMs over the images of a causal spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import Built, Network, NetworkConfig, dense_macs
from models.hand import VALUES

if TYPE_CHECKING:
    from keras import Model

STEPS: Final = 47
SHAPE: Final = (24, 7, 13, 8)
FILTERS: Final = (16, 32)
DROPOUT: Final = 0.3
_PIXELS: Final = SHAPE[1] * SHAPE[2]


def core() -> Model:
    import keras
    from keras import layers

    inputs = keras.Input(SHAPE)
    x = layers.BatchNormalization()(inputs)
    # Unrolled, because a rolled one exports as a Loop node.
    x = layers.ConvLSTM2D(FILTERS[0], 2, padding="same", return_sequences=True, unroll=True)(x)
    x = layers.Dropout(DROPOUT)(x)
    x = layers.ConvLSTM2D(FILTERS[1], 2, padding="same", unroll=True)(x)
    x = layers.Flatten()(layers.Dropout(DROPOUT)(x))
    return keras.Model(inputs, layers.Dense(VALUES)(x), name="conv_lstm")


def build(config: NetworkConfig) -> Built:
    from models.architectures import spectrogram
    from models.architectures.window import assemble

    return assemble(core(), STEPS, config, spectrogram.images)


def _cell(inputs: int, filters: int) -> int:
    return SHAPE[0] * _PIXELS * 4 * 4 * filters * (inputs + filters)


NETWORK: Final = Network(
    name="conv_lstm",
    kind="window",
    summary="spectrogram, ConvLSTM2D 16-32",
    parameters=214_463,
    steps=STEPS,
    context_s=0.94,
    macs=_cell(SHAPE[3], FILTERS[0]) + _cell(*FILTERS) + dense_macs(_PIXELS * FILTERS[1], VALUES),
    assemble=build,
    deviations=(
        "the spectrogram ends at its own sample instead of 23 samples later",
        "the mean of a segment is kept (it is the level of the EMG) and powers are logarithms",
        "the ConvLSTMs have their usual tanh instead of ReLU, which diverges",
        "unrolled over its 24 images, so that the graph has no Loop",
    ),
)
