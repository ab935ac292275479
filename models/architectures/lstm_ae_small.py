"""LSTM 10-10 into the nine-number code of a pose autoencoder (63-32-16-9-32-16-63)."""

from __future__ import annotations

from typing import Final

from models.architectures.base import Built, Network, NetworkConfig, dense_macs, lstm_macs
from models.arrays import Float32Array
from models.hand import CHANNELS, VALUES

STEPS: Final = 32
UNITS: Final = 10
CODE: Final = 9
DECODER: Final = (32, 16)


def build(config: NetworkConfig) -> Built:
    from models.architectures import autoencoder
    from models.architectures.window import assemble

    return assemble(autoencoder.core(STEPS, UNITS, DECODER, 0.2, "lstm_ae_small"), STEPS, config)


def pretrain(built: Built, poses: Float32Array, seed: int) -> dict[str, float]:
    """Train the decoder on scaled poses (n, 63); see `autoencoder.pretrain`."""
    from models.architectures import autoencoder

    return autoencoder.pretrain(built, poses, seed)


NETWORK: Final = Network(
    name="lstm_ae_small",
    kind="window",
    summary="LSTM 10-10, code of 9, frozen decoder 32-16",
    parameters=3_618,
    steps=STEPS,
    context_s=0.64,
    macs=lstm_macs(CHANNELS, UNITS, STEPS) + lstm_macs(UNITS, UNITS, STEPS) + dense_macs(UNITS, CODE, *DECODER, VALUES),
    assemble=build,
    pretrain=pretrain,
    deviations=("inputs and outputs are scaled inside the graph", "the decoder really is frozen"),
)
