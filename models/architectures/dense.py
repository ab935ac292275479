"""Three dense layers of 256 on a flat window: the ancestor's network without memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import Built, Network, NetworkConfig, dense_macs
from models.hand import CHANNELS, VALUES

if TYPE_CHECKING:
    from keras import Model

STEPS: Final = 32
UNITS: Final = 256
DROPOUT: Final = 0.2


def core() -> Model:
    import keras
    from keras import layers

    inputs = keras.Input((STEPS, CHANNELS))
    x = layers.Flatten()(inputs)
    for _ in range(3):
        x = layers.Dense(UNITS)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.Dropout(DROPOUT)(x)
    return keras.Model(inputs, layers.Dense(VALUES)(x), name="dense")


def build(config: NetworkConfig) -> Built:
    from models.architectures.window import assemble

    return assemble(core(), STEPS, config)


NETWORK: Final = Network(
    name="dense",
    kind="window",
    summary="dense 256-256-256 on a flat window",
    parameters=216_639,
    steps=STEPS,
    context_s=0.64,
    macs=dense_macs(STEPS * CHANNELS, UNITS, UNITS, UNITS, VALUES),
    assemble=build,
    deviations=(
        "inputs and outputs are scaled inside the graph",
        "the last layer is linear: a coordinate may be negative",
    ),
)
