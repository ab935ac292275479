"""Two LSTMs of 96 on fast and slow running averages, trained sequence to sequence at the device's own rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import HAND_BIASES, Built, Network, NetworkConfig, dense_macs, hand_macs, lstm_macs
from models.hand import CHANNELS

if TYPE_CHECKING:
    from keras import KerasTensor

    from models.architectures.stream import Memory

TIME_CONSTANTS_S: Final = (0.06, 0.25, 5.0, 25.0)
UNITS: Final = 96
DROPOUT: Final = 0.2
_WIDTH: Final = len(TIME_CONSTANTS_S) * CHANNELS


def core(memory: Memory, features: KerasTensor) -> KerasTensor:
    """Features (batch, n, f) -> outputs for `hand` (batch, n, 40)."""
    from keras import layers

    from models.architectures.stream import hand_outputs

    x = memory.lstm(features, UNITS)
    x = layers.Dropout(DROPOUT)(x)
    x = memory.lstm(x, UNITS)
    x = layers.Dropout(DROPOUT)(x)
    x = layers.Dense(UNITS, activation="silu")(x)
    return hand_outputs(x, features)


def build(config: NetworkConfig) -> Built:
    from models.architectures.stream import assemble

    return assemble(core, TIME_CONSTANTS_S, config, native_rate=True)


_MACS: Final = lstm_macs(_WIDTH, UNITS, 1) + lstm_macs(UNITS, UNITS, 1) + dense_macs(UNITS, UNITS) + hand_macs(UNITS)

NETWORK: Final = Network(
    name="stream_lstm",
    kind="stream",
    summary="LSTM 96-96 on averages of 0.06, 0.25, 5 and 25 s, angles, hand",
    parameters=_MACS + 4 * UNITS * 2 + UNITS + HAND_BIASES,
    steps=0,
    context_s=25.0,
    macs=_MACS,
    assemble=build,
    native_rate=True,
)
