"""LSTM 40 and attention over time with one vector shared by all features, twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import Built, Network, NetworkConfig, dense_macs, lstm_macs
from models.hand import CHANNELS, VALUES

if TYPE_CHECKING:
    from keras import KerasTensor, Model

STEPS: Final = 24
UNITS: Final = 40
DROPOUT: Final = 0.3


def core() -> Model:
    import keras
    from keras import layers

    x = inputs = keras.Input((STEPS, CHANNELS))
    for _ in range(2):
        x = layers.LSTM(UNITS, return_sequences=True)(x)
        x = layers.BatchNormalization()(layers.Dropout(DROPOUT)(x))
        x = _attend(x)
    return keras.Model(inputs, layers.Dense(VALUES)(layers.Flatten()(x)), name="lstm_attention")


def _attend(x: KerasTensor) -> KerasTensor:
    """Weigh the steps: a softmax over time for every feature, averaged over the features."""
    from keras import layers, ops

    weights = layers.Dense(STEPS, activation="softmax")(layers.Permute((2, 1))(x))
    shared = ops.mean(weights, axis=1)[..., None]
    return x * shared * float(STEPS)


def build(config: NetworkConfig) -> Built:
    from models.architectures.window import assemble

    return assemble(core(), STEPS, config)


NETWORK: Final = Network(
    name="lstm_attention",
    kind="window",
    summary="LSTM 40, attention, LSTM 40, attention",
    parameters=82_863,
    steps=STEPS,
    context_s=0.48,
    macs=lstm_macs(CHANNELS, UNITS, STEPS)
    + lstm_macs(UNITS, UNITS, STEPS)
    + 2 * UNITS * dense_macs(STEPS, STEPS)
    + dense_macs(STEPS * UNITS, VALUES),
    assemble=build,
    deviations=(
        "inputs and outputs are scaled inside the graph",
        "attention multiplies (times the number of steps), as the ancestor says; its code adds",
    ),
)
