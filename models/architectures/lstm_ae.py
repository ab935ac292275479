"""LSTM 64-64 into the nine-number code of a pose autoencoder (63-32-16-9-16-32-63)."""

from __future__ import annotations

from typing import Final

from models.architectures.base import Built, Network, NetworkConfig, dense_macs, lstm_macs
from models.arrays import Float32Array
from models.hand import CHANNELS, VALUES

STEPS: Final = 32
UNITS: Final = 64
CODE: Final = 9
DECODER: Final = (16, 32)


def build(config: NetworkConfig) -> Built:
    from models.architectures import autoencoder
    from models.architectures.window import assemble

    return assemble(autoencoder.core(STEPS, UNITS, DECODER, 0.2, "lstm_ae"), STEPS, config)


def pretrain(built: Built, poses: Float32Array, seed: int) -> dict[str, float]:
    """Train the decoder on scaled poses (n, 63); see `autoencoder.pretrain`."""
    from models.architectures import autoencoder

    return autoencoder.pretrain(built, poses, seed)


NETWORK: Final = Network(
    name="lstm_ae",
    kind="window",
    summary="LSTM 64-64, code of 9, frozen decoder 16-32",
    parameters=55_080,
    steps=STEPS,
    context_s=0.64,
    macs=lstm_macs(CHANNELS, UNITS, STEPS) + lstm_macs(UNITS, UNITS, STEPS) + dense_macs(UNITS, CODE, *DECODER, VALUES),
    assemble=build,
    pretrain=pretrain,
    deviations=("inputs and outputs are scaled inside the graph", "the decoder really is frozen"),
)
