"""Residual dense layers on running averages of up to 0.4 s, with a hand at its end: for people it has never seen.

Its memory is in the averages alone. So every labelled step is an example of its own, and a batch holds hundreds of
people and donnings, where a network that looks back holds a handful of runs. Of the minutes before it knows
nothing: what those say of the few people it learned from is not true of the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from models.architectures.base import Built, Network, Setting
from models.hand import CHANNELS
from models.kinematics import ANGLES, BONES

if TYPE_CHECKING:
    from models.architectures.stream import Memory

TAUS: Final = (0.06, 0.15, 0.4)
WIDTH: Final = 128
BLOCKS: Final = 3
DROPOUT: Final = 0.1


def trunk(features: Any, width: int) -> Any:
    """(batch, n, f) -> (batch, n, width)."""
    from keras import layers

    x = layers.Dense(width, activation="silu")(features)
    for _ in range(BLOCKS):
        y = layers.Dropout(DROPOUT)(layers.Dense(width, activation="silu")(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    return layers.Dense(width, activation="silu")(x)


def core(memory: Memory, features: Any) -> Any:
    from models.architectures.stream import one_size_outputs

    return one_size_outputs(trunk(features, WIDTH))


def build(setting: Setting) -> Built:
    from models.architectures.stream import assemble

    return assemble(core, TAUS, setting, tail=3)


def trunk_macs(taus: Sequence[float], width: int) -> int:
    """Multiply-accumulates of `trunk`."""
    return len(taus) * CHANNELS * width + (2 * BLOCKS + 1) * width * width


def trunk_biases(width: int) -> int:
    """Biases of `trunk`."""
    return (2 * BLOCKS + 2) * width


_MACS: Final = trunk_macs(TAUS, WIDTH) + WIDTH * len(ANGLES) + len(BONES)

NETWORK: Final = Network(
    name="stream_mlp",
    kind="stream",
    summary="residual dense layers of 128 on averages of 0.06, 0.15 and 0.4 s, angles, hand of one size",
    parameters=_MACS + trunk_biases(WIDTH) + len(ANGLES) + len(BONES),
    steps=0,
    context_s=max(TAUS),
    macs=_MACS,
    assemble=build,
    run_steps=4,
    burn_in=0,
)
