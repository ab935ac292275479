"""A causal dilated convolutional network on fast and slow running averages, with a hand at its end.

The slow averages (5 s and 25 s) tell it whose arm and how the band sits; the convolutions reach 1.3 s back.
It is trained on one sample in four and runs on all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import HAND_BIASES, Built, Network, NetworkConfig, hand_macs
from models.hand import CHANNELS

if TYPE_CHECKING:
    from keras import KerasTensor

    from models.architectures.stream import Memory

TIME_CONSTANTS_S: Final = (0.06, 0.25, 5.0, 25.0)
FILTERS: Final = 128
KERNEL: Final = 3
DILATIONS: Final = (1, 2, 4, 8, 16)


def core(memory: Memory, features: KerasTensor) -> KerasTensor:
    """Features (batch, n, f) -> outputs for `hand` (batch, n, 40)."""
    from keras import layers

    from models.architectures.stream import hand_outputs

    x = layers.Dense(FILTERS, activation="silu")(features)
    for dilation in DILATIONS:
        y = memory.conv(x, FILTERS, KERNEL, dilation, activation="silu")
        x = layers.Add()([x, layers.Dense(FILTERS)(y)])
    x = layers.Dense(FILTERS, activation="silu")(x)
    return hand_outputs(x, features)


def build(config: NetworkConfig) -> Built:
    from models.architectures.stream import assemble

    return assemble(core, TIME_CONSTANTS_S, config)


_WEIGHTS: Final = (
    len(TIME_CONSTANTS_S) * CHANNELS * FILTERS
    + len(DILATIONS) * (KERNEL + 1) * FILTERS * FILTERS
    + FILTERS * FILTERS
    + hand_macs(FILTERS)
)

NETWORK: Final = Network(
    name="stream_tcn",
    kind="stream",
    summary="5 causal convolutions of 128 on averages of 0.06, 0.25, 5 and 25 s, angles, hand",
    parameters=_WEIGHTS + FILTERS * (1 + 2 * len(DILATIONS) + 1) + HAND_BIASES,
    steps=0,
    context_s=0.02 * (1 + (KERNEL - 1) * sum(DILATIONS)),
    macs=_WEIGHTS,
    assemble=build,
)
