"""`stream_mlp`, wider and with averages up to 25 s: for people that it was trained on, in any donning.

The slow averages tell it whose arm this is and how the band sits, from which follow the size of the hand and
how this person moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import HAND_BIASES, Built, Network, NetworkConfig, hand_macs
from models.architectures.stream_mlp import trunk, trunk_biases, trunk_macs
from models.hand import CHANNELS

if TYPE_CHECKING:
    from keras import KerasTensor

    from models.architectures.stream import Memory

TIME_CONSTANTS_S: Final = (0.06, 0.15, 0.4, 1.0, 5.0, 25.0)
WIDTH: Final = 256


def core(memory: Memory, features: KerasTensor) -> KerasTensor:
    """Features (batch, n, f) -> outputs for `hand` (batch, n, 40)."""
    from models.architectures.stream import hand_outputs

    return hand_outputs(trunk(features, WIDTH), features)


def build(config: NetworkConfig) -> Built:
    from models.architectures.stream import assemble

    return assemble(core, TIME_CONSTANTS_S, config)


_MACS: Final = trunk_macs(len(TIME_CONSTANTS_S) * CHANNELS, WIDTH) + hand_macs(WIDTH)

NETWORK: Final = Network(
    name="stream_mlp_slow",
    kind="stream",
    summary="residual dense layers of 256 on averages of 0.06 to 25 s, which tell the wearer, angles, hand",
    parameters=_MACS + trunk_biases(WIDTH) + HAND_BIASES,
    steps=0,
    context_s=max(TIME_CONSTANTS_S),
    macs=_MACS,
    assemble=build,
    run_steps=4,
    burn_in=0,
)
