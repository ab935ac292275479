"""Networks that take samples as they come: running averages, alignment, log, a causal core, a hand.

Training reads whole runs and starts from nothing; serving reads any number of new samples and carries
states. Both are built from the same definition through a `Memory`, and zero states mean a fresh start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from models.architectures.base import BONE_UNITS, OUTPUT_LAYERS, SLOW, Built, NetworkConfig, decay
from models.architectures.hand_layer import OUTPUTS, hand
from models.architectures.window import alignment_layer, scaled_log
from models.arrays import Float32Array
from models.hand import CHANNELS
from models.kinematics import ANGLES, BONES

Core = Callable[["Memory", KerasTensor], KerasTensor]
"""A network: features (batch, n, f) -> what `hand_outputs` gives (batch, n, 40)."""

TAIL: Final = 4
"""The last two layers of both branches that `hand_outputs` joins; one where bones do not depend on anything."""

_OPEN: Final = 30.0
"""A gate with this bias is one, to float32."""

COUNT: Final = 1
"""A running average of ones rides along: what the others are divided by until they have settled."""


class Memory:
    """The past of causal layers: states of a stream, or zeros at the start of a run.

    Args:
        streaming: make a state input and output for every layer that looks back.
        stride: samples between the taps of convolutions; a network that is trained on every fourth
            sample runs on all of them with stride 4, each sample seeing what it would have seen.
    """

    def __init__(self, *, streaming: bool, stride: int = 1) -> None:
        self.streaming, self.stride = streaming, stride
        self.inputs: list[KerasTensor] = []
        self.outputs: list[KerasTensor] = []

    def conv(
        self, x: KerasTensor, filters: int, kernel: int, dilation: int = 1, activation: str | None = None
    ) -> KerasTensor:
        """A causal convolution over time: (batch, n, f) -> (batch, n, filters).

        One product of its taps side by side, which costs half as much as a dilated convolution.
        """
        reach = (kernel - 1) * dilation * self.stride
        if self.streaming:
            seen = ops.concatenate([self._state((reach, x.shape[-1])), x], axis=1)
            self.outputs.append(seen[:, -reach:])
        else:
            seen = layers.ZeroPadding1D((reach, 0))(x)
        offsets = range(0, reach + 1, dilation * self.stride)
        taps = [seen[:, offset : offset - reach or None] for offset in offsets]
        return layers.Dense(filters, activation=activation)(ops.concatenate(taps, axis=-1))

    def lstm(self, x: KerasTensor, units: int) -> KerasTensor:
        """An LSTM over time: (batch, n, f) -> (batch, n, units)."""
        cell = layers.LSTM(units, return_sequences=True, return_state=True)
        if not self.streaming:
            return cell(x)[0]
        y, h, c = cell(x, initial_state=[self._state((units,)), self._state((units,))])
        self.outputs += [h, c]
        return y

    def _state(self, shape: tuple[int, ...]) -> KerasTensor:
        state = keras.Input(shape, name=f"state_in_{len(self.inputs) + 1}")
        self.inputs.append(state)
        return state


class OneOf(layers.Layer):  # type: ignore[misc]
    """The mean of several branches (batch, n, width); in training each run gets one of them, drawn at random.

    So every branch learns on its own and errs in its own way, which their mean makes up for; branches that
    learned to be right together would not.
    """

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._seed = keras.random.SeedGenerator()

    def call(self, branches: Sequence[KerasTensor], training: bool = False) -> KerasTensor:
        """Mean of the branches, or in training one of them for each run: (batch, n, width)."""
        if not training:
            return sum(branches[1:], branches[0]) / len(branches)
        drawn = keras.random.uniform((ops.shape(branches[0])[0], 1, 1), 0, len(branches), seed=self._seed)
        chosen = ops.floor(drawn)
        return sum(ops.where(chosen == number, branch, 0.0) for number, branch in enumerate(branches))


def hand_outputs(x: KerasTensor, features: KerasTensor) -> KerasTensor:
    """What a core ends with: (batch, n, 40), the angles from `x`, the bones from the slow averages alone.

    So a hand keeps its size while it moves. The size that a band's signal goes with is that of a known wearer;
    for anybody else's the mean is the best guess, and is what training on many people gives.
    """
    slow = features[..., -SLOW * CHANNELS :]
    hidden = layers.Dense(BONE_UNITS, activation="silu", name=f"{OUTPUT_LAYERS}wearer")(slow)
    return _joined(x, layers.Dense(len(BONES), kernel_initializer="zeros", name=f"{OUTPUT_LAYERS}bones")(hidden))


def one_size_outputs(x: KerasTensor) -> KerasTensor:
    """The same (batch, n, 40) for a core without slow averages: one size of hand for all wearers, until it is tuned."""
    nothing = ops.zeros_like(x[..., :1])
    return _joined(x, layers.Dense(len(BONES), kernel_initializer="zeros", name=f"{OUTPUT_LAYERS}bones")(nothing))


def _joined(x: KerasTensor, bones: KerasTensor) -> KerasTensor:
    return layers.Concatenate()([layers.Dense(len(ANGLES), name=f"{OUTPUT_LAYERS}angles")(x), bones])


def assemble(
    core: Core, time_constants_s: Sequence[float], config: NetworkConfig, *, native_rate: bool = False, tail: int = TAIL
) -> Built:
    """The body that is trained and the graph that is served.

    Args:
        core: the network.
        time_constants_s: time constants of its running averages, seconds.
        config: rate, mode and constants.
        native_rate: train on every sample, not on one per step of 20 ms.
        tail: how many of the core's layers are its last two.
    """
    width = len(time_constants_s) * CHANNELS
    plain = _model(core, Memory(streaming=False), width)
    carrying = Memory(streaming=True, stride=1 if native_rate else config.decimation)
    streaming = _model(core, carrying, width)
    streaming.set_weights(plain.get_weights())
    bank = keras.Input((None, len(time_constants_s), CHANNELS), name="bank")
    body = keras.Model(bank, hand(plain(_features(bank, config)), config.scaling), name="body")
    return Built(
        core=plain,
        body=body,
        front=None,
        serve=_serve(streaming, carrying, time_constants_s, config),
        states=((len(time_constants_s) * (CHANNELS + COUNT),), *(tuple(state.shape[1:]) for state in carrying.inputs)),
        every=config.decimation if native_rate else 1,
        tail=tail,
        time_constants_s=tuple(time_constants_s),
        sync=lambda: streaming.set_weights(plain.get_weights()),
        adopt=lambda: plain.set_weights(streaming.get_weights()),
    )


def _model(core: Core, memory: Memory, width: int) -> keras.Model:
    features = keras.Input((None, width), name="features")
    y = core(memory, features)
    if y.shape[-1] != OUTPUTS:
        raise ValueError(f"the core gives {y.shape[-1]} outputs, expected {OUTPUTS} of `hand_outputs`")
    if not memory.streaming:
        return keras.Model(features, y, name="core")
    return keras.Model([features, *memory.inputs], [y, *memory.outputs], name="core")


def _features(bank: KerasTensor, config: NetworkConfig) -> KerasTensor:
    x = scaled_log(bank, config)
    return layers.Reshape((-1, bank.shape[2] * CHANNELS))(x)


def _serve(core: keras.Model, memory: Memory, time_constants_s: Sequence[float], config: NetworkConfig) -> keras.Model:
    emg = keras.Input((None, CHANNELS), name="emg")
    state = keras.Input((len(time_constants_s) * (CHANNELS + COUNT),), name="state_in_0")
    bank, state_out = running_averages(emg, state, time_constants_s, config.rate_hz)
    aligned = alignment_layer()(bank)
    y, *states = core([_features(aligned, config), *memory.inputs])
    pose = layers.Identity(name="pose")(hand(y, config.scaling))
    return keras.Model([emg, state, *memory.inputs], [pose, state_out, *states], name="network")


def running_averages(
    emg: KerasTensor, state: KerasTensor, time_constants_s: Sequence[float], rate_hz: float
) -> tuple[KerasTensor, KerasTensor]:
    """Running averages of |emg| with several time constants: (batch, n, k, 8), and their state (batch, 9 k).

    They are one LSTM with constant gates: forget = a, input = 1 - a, output = 1, no recurrence, so that
    the cell is `c = a c + (1 - a) |x|`. That is a single fused node in the exported graph, for any n.
    """
    units = len(time_constants_s) * (CHANNELS + COUNT)
    cell = layers.LSTM(
        units, activation="relu", return_sequences=True, return_state=True, trainable=False, name="averages"
    )
    ones = ops.ones_like(emg[..., :COUNT])
    y, _, out = cell(ops.concatenate([ops.abs(emg), ones], axis=-1), initial_state=[ops.zeros_like(state), state])
    cell.set_weights(_gates(time_constants_s, rate_hz))
    y = layers.Reshape((-1, len(time_constants_s), CHANNELS + COUNT))(y)
    return y[..., :CHANNELS] / y[..., CHANNELS:], out


def _gates(time_constants_s: Sequence[float], rate_hz: float) -> list[Float32Array]:
    wide = CHANNELS + COUNT
    units = len(time_constants_s) * wide
    kernel = np.zeros((wide, 4 * units), np.float32)
    kernel[:, 2 * units : 3 * units] = np.tile(np.eye(wide), len(time_constants_s))
    keep = np.repeat([decay(rate_hz, seconds) for seconds in time_constants_s], wide)
    forget = np.log(keep / (1.0 - keep))
    bias = np.concatenate([-forget, forget, np.zeros(units), np.full(units, _OPEN)])
    return [kernel, np.zeros((units, 4 * units), np.float32), bias.astype(np.float32)]
