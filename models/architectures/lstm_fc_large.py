"""LSTM 256-256-128 and dense 512-512-256: the ancestor's largest network, the one that it lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import Built, Network, NetworkConfig, dense_macs, lstm_macs
from models.hand import CHANNELS, VALUES

if TYPE_CHECKING:
    from keras import Model

STEPS: Final = 32


def core() -> Model:
    import keras
    from keras import layers

    x = inputs = keras.Input((STEPS, CHANNELS))
    x = layers.LSTM(256, return_sequences=True)(x)
    x = layers.Dropout(0.5)(x)
    x = layers.LSTM(256, return_sequences=True)(x)
    x = layers.Dropout(0.5)(x)
    x = layers.LSTM(128)(x)
    x = layers.BatchNormalization()(x)
    for _ in range(2):
        x = layers.Dense(512, activation="relu")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Dropout(0.5)(x)
    x = layers.Dense(256, activation="relu")(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(inputs, layers.Dense(VALUES)(x), name="lstm_fc_large")


def build(config: NetworkConfig) -> Built:
    from models.architectures.window import assemble

    return assemble(core(), STEPS, config)


NETWORK: Final = Network(
    name="lstm_fc_large",
    kind="window",
    summary="LSTM 256-256-128, dense 512-512-256",
    parameters=1_474_623,
    steps=STEPS,
    context_s=0.64,
    macs=lstm_macs(CHANNELS, 256, STEPS)
    + lstm_macs(256, 256, STEPS)
    + lstm_macs(256, 128, STEPS)
    + dense_macs(128, 512, 512, 256, VALUES),
    assemble=build,
    deviations=("inputs and outputs are scaled inside the graph",),
)
