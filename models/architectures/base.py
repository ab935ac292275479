"""The description of a network for the rest of the program, without importing Keras."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from models.arrays import Float32Array
from models.errors import MyocastError
from models.hand import CHANNELS, VALUES
from models.kinematics import ANGLES, BONES, bones
from models.spec import Kind, ModelSpec

if TYPE_CHECKING:
    from keras import Model

STEP_HZ: Final = 50.0
"""Networks work on steps of 20 ms; front ends bring other rates down to it."""

RATES: Final = {"raw": (200.0,), "filtered": (200.0,), "envelope": (50.0,)}
"""The (mode, rate) pairs that front ends exist for."""


SLOW: Final = 2
"""Where a stream has slow averages they are its last ones: they depend on the wearer, hardly on the movement."""

OUTPUT_LAYERS: Final = "end_"
"""Prefix of the names of the layers that give a stream's angles and bones."""

BONE_UNITS: Final = 64
"""Of the layer between them and the bone lengths of the hand."""


class ArchitectureError(MyocastError):
    """A network that does not exist, or that cannot be built as asked."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Constants of the graph that come from training data and from nothing else.

    Features are `(log(envelope + floor) - mean) / std`, the last layer's output is
    `pose_mean + pose_std * y`.
    """

    floor: float = 1.0
    """In the device's unit, added before the logarithm."""
    mean: float = 1.0
    std: float = 1.0
    pose_mean: tuple[float, ...] = field(default=(0.0,) * VALUES)
    """(63,) mm."""
    pose_std: float = 20.0
    """One number for all coordinates, mm."""
    angle_mean: tuple[float, ...] = (0.2,) * len(ANGLES)
    """(20,) radians."""
    bones: tuple[float, ...] = field(default_factory=lambda: tuple(bones().tolist()))
    """(20,) mm: the hand that angles are turned into."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What a network is built for."""

    rate_hz: float = 200.0
    emg_mode: str = "raw"
    scaling: Scaling = field(default_factory=Scaling)

    def __post_init__(self) -> None:
        rates = RATES.get(self.emg_mode)
        if rates is None or self.rate_hz not in rates:
            offer = ", ".join(f"{mode} at {rates[0]:g} Hz" for mode, rates in RATES.items())
            raise ArchitectureError(
                f"no front end for {self.emg_mode} EMG at {self.rate_hz:g} Hz; there are {offer}: resample the data"
            )

    @property
    def decimation(self) -> int:
        """Samples per step."""
        return round(self.rate_hz / STEP_HZ)

    @classmethod
    def for_mode(cls, emg_mode: str) -> NetworkConfig:
        """For a mode at the rate that armbands give it in; an unknown mode is refused as one at 200 Hz."""
        return cls(RATES.get(emg_mode, RATES["raw"])[0], emg_mode)

    @classmethod
    def of(cls, spec: ModelSpec) -> NetworkConfig:
        """What the network of a model file was built for, without its constants."""
        return cls(spec.rate_hz, spec.emg_mode if spec.emg_mode != "any" else "raw")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        scaling = dict(values["scaling"])
        scaling |= {key: tuple(scaling[key]) for key in ("pose_mean", "angle_mean", "bones")}
        return cls(values["rate_hz"], values["emg_mode"], Scaling(**scaling))


@dataclass(frozen=True, slots=True)
class Built:
    """The Keras models of one network; they share their weights.

    `body` is what training works on: envelopes (batch, steps, 8) at 50 Hz -> (batch, 63) for a
    window, features (batch, steps, f) -> (batch, steps, 63) for a stream.
    """

    core: Model
    """The network proper, whose parameters the tables count."""
    body: Model
    front: Model | None
    """Windows: EMG (batch, window, 8) -> envelopes (batch, steps, 8). None for streams."""
    serve: Model
    """EMG (and states) -> pose (and states): what is exported."""
    states: tuple[tuple[int, ...], ...] = ()
    """Shapes of the states without the batch axis."""
    every: int = 1
    """Streams: rows of the body's input per labelled step."""
    tail: int = 2
    """How many of the core's layers are its last two (a stream ends in two branches): what a new user's labels tune."""
    time_constants_s: tuple[float, ...] = ()
    """Streams: time constants of the running averages that the body reads, seconds."""
    sync: Callable[[], None] = field(default=lambda: None)
    """Copies the trained weights into `serve` where it has its own."""
    adopt: Callable[[], None] = field(default=lambda: None)
    """The other way round, after `serve` was loaded."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network of the registry."""

    name: str
    kind: Kind
    summary: str
    parameters: int
    """As Keras counts them, checked by the tests against the built network."""
    steps: int
    """Steps of 20 ms that one pose is made from; 0 for a stream."""
    context_s: float
    """Seconds of EMG that reach one pose (of a stream's convolutions; slow statistics go further back)."""
    macs: int
    """Multiply-accumulates of one pose: of a whole window, or of one more sample of a stream."""
    assemble: Callable[[NetworkConfig], Built]
    pretrain: Callable[[Built, Float32Array, int], dict[str, float]] | None = None
    """Trains a part first: (built, scaled poses (n, 63), seed) -> figures for the log."""
    deviations: Sequence[str] = ()
    """Where the definition departs from the ancestor's, and why."""
    native_rate: bool = False
    """Streams: trained at the device's own rate instead of at 50 Hz."""
    run_steps: int = 160
    """Streams: steps of a training run; many short runs teach more than few long ones."""
    burn_in: int = 75
    """Streams: first steps left out of the error when a run begins inside a segment: more than the layers look back."""

    def window(self, rate_hz: float) -> int:
        """Samples per window at a rate; 0 for a stream."""
        return self.steps * round(rate_hz / STEP_HZ)


def lstm_macs(inputs: int, units: int, steps: int) -> int:
    """Multiply-accumulates of an LSTM over `steps` steps."""
    return 4 * units * (inputs + units) * steps


def dense_macs(*widths: int) -> int:
    """Multiply-accumulates of a chain of dense layers."""
    return sum(a * b for a, b in pairwise(widths))


def hand_macs(width: int) -> int:
    """Multiply-accumulates of the end of a stream: angles from `width` values, bones from the slow averages."""
    return dense_macs(width, len(ANGLES)) + dense_macs(SLOW * CHANNELS, BONE_UNITS, len(BONES))


HAND_BIASES: Final = len(ANGLES) + BONE_UNITS + len(BONES)


def decay(rate_hz: float, seconds: float) -> float:
    """The factor of a running average with that time constant."""
    return math.exp(-1.0 / (rate_hz * seconds))
