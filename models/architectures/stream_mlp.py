"""Residual dense layers on running averages of up to 0.4 s, with a hand at its end: for people not trained on.

Its memory is in the averages alone. So every labelled step is an example of its own, and a batch holds hundreds of
people and donnings, where a network that looks back holds a handful of runs. The averages of 5 and 25 s are reduced to
four numbers: enough to tell how the arm is used (gestures on demand, or free movement), too few to tell whose arm it
is, because what is true of the few people in the training data is not true of the next one. Two trunks are trained
apart and averaged, because how surely a fist of another person is recognised varies more from one training to another
than from one architecture to another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.architectures.base import SLOW, Built, Network, NetworkConfig, dense_macs
from models.hand import CHANNELS
from models.kinematics import ANGLES, BONES

if TYPE_CHECKING:
    from keras import KerasTensor

    from models.architectures.stream import Memory

TIME_CONSTANTS_S: Final = (0.06, 0.15, 0.4, 5.0, 25.0)
WIDTH: Final = 128
BLOCKS: Final = 3
TRUNKS: Final = 2
DROPOUT: Final = 0.1
USE_HIDDEN: Final = 16
USE: Final = 4
"""Numbers that stand for the half minute before."""
_FAST: Final = (len(TIME_CONSTANTS_S) - SLOW) * CHANNELS


def trunk(features: KerasTensor, width: int) -> KerasTensor:
    """(batch, n, f) -> (batch, n, width)."""
    from keras import layers

    x = layers.Dense(width, activation="silu")(features)
    for _ in range(BLOCKS):
        y = layers.Dropout(DROPOUT)(layers.Dense(width, activation="silu")(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    return layers.Dense(width, activation="silu")(x)


def core(memory: Memory, features: KerasTensor) -> KerasTensor:
    """Features (batch, n, f) -> outputs for `hand` (batch, n, 40)."""
    from keras import layers

    from models.architectures.stream import OneOf, one_size_outputs

    hidden = layers.Dense(USE_HIDDEN, activation="silu")(features[..., _FAST:])
    use = layers.Dense(USE, activation="tanh")(hidden)
    inputs = layers.Concatenate()([features[..., :_FAST], use])
    return one_size_outputs(OneOf()([trunk(inputs, WIDTH) for _ in range(TRUNKS)]))


def build(config: NetworkConfig) -> Built:
    from models.architectures.stream import assemble

    return assemble(core, TIME_CONSTANTS_S, config, tail=TRUNKS + 2)


def trunk_macs(inputs: int, width: int) -> int:
    """Multiply-accumulates of `trunk`."""
    return inputs * width + (2 * BLOCKS + 1) * width * width


def trunk_biases(width: int) -> int:
    """Biases of `trunk`."""
    return (2 * BLOCKS + 2) * width


_MACS: Final = (
    dense_macs(SLOW * CHANNELS, USE_HIDDEN, USE)
    + TRUNKS * trunk_macs(_FAST + USE, WIDTH)
    + dense_macs(WIDTH, len(ANGLES))
    + len(BONES)
)

NETWORK: Final = Network(
    name="stream_mlp",
    kind="stream",
    summary="two stacks of dense layers of 128 on averages of 0.06 to 0.4 s and 4 numbers of the last 25 s, hand",
    parameters=_MACS + USE_HIDDEN + USE + TRUNKS * trunk_biases(WIDTH) + len(ANGLES) + len(BONES),
    steps=0,
    context_s=max(TIME_CONSTANTS_S),
    macs=_MACS,
    assemble=build,
    run_steps=4,
    burn_in=0,
)
