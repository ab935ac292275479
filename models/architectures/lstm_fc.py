"""LSTM 64, LSTM 64, batch normalisation, dense 100 and 64: the ancestor's small recurrent network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import Built, Network, NetworkConfig, dense_macs, lstm_macs
from models.hand import CHANNELS, VALUES

if TYPE_CHECKING:
    from keras import Model

STEPS: Final = 32
DROPOUT: Final = 0.2


def core() -> Model:
    import keras
    from keras import layers

    x = inputs = keras.Input((STEPS, CHANNELS))
    x = layers.LSTM(64, return_sequences=True)(x)
    x = layers.Dropout(DROPOUT)(x)
    x = layers.LSTM(64)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dense(100, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(DROPOUT)(x)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dropout(DROPOUT)(x)
    return keras.Model(inputs, layers.Dense(VALUES)(x), name="lstm_fc")


def build(config: NetworkConfig) -> Built:
    from models.architectures.window import assemble

    return assemble(core(), STEPS, config)


NETWORK: Final = Network(
    name="lstm_fc",
    kind="window",
    summary="LSTM 64-64, dense 100-64",
    parameters=69_427,
    steps=STEPS,
    context_s=0.64,
    macs=lstm_macs(CHANNELS, 64, STEPS) + lstm_macs(64, 64, STEPS) + dense_macs(64, 100, 64, VALUES),
    assemble=build,
    deviations=("inputs and outputs are scaled inside the graph",),
)
