"""Events that a source emits: frames of samples, and everything else that belongs to its stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from models.arrays import Float32Array
from models.hand import CHANNELS, Side
from models.recording import Marker as Marker

EmgMode = Literal["raw", "filtered", "envelope"]
Unit = Literal["adc", "uV"]
Nature = Literal["live", "replay", "synthetic"]
Emits = Literal["emg", "poses"]

EMG_MODES: Final[tuple[EmgMode, ...]] = get_args(EmgMode)
UNITS: Final[tuple[Unit, ...]] = get_args(Unit)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Description of a source, emitted at each connection and whenever a value in it changes."""

    uri: str
    name: str
    rate_hz: float
    """Nominal samples per second; 0 while it is not known."""
    unit: Unit = "adc"
    emg_mode: EmgMode = "raw"
    hand: Side | None = None
    """The arm that wears the band, or None if it is not known."""
    channels: int = CHANNELS
    nature: Nature = "live"
    address: str | None = None
    emits: Emits = "emg"
    """Samples, or the poses that another server makes of them (`ReceivedPose`)."""
    other_counts: bool = False
    """Whether nothing states their unit, and the counts are none of a Myo: another converter's, of an unknown scale."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Consecutive samples that arrived together."""

    first_sample: int
    """Index of the first row since the source began; it jumps over lost samples and never goes back."""
    t: float
    """Time of the first row, Unix seconds on the process clock (`drivers.clock.now`)."""
    samples: Float32Array
    """(n, 8) in the source's unit."""
    arrival: float
    """Time at which the bytes arrived, same clock."""
    gap: bool = False
    """Whether samples are missing before this frame (loss, seek, loop, reconnect): windows start anew."""
    truth: Float32Array | None = None
    """(n, 63) true joint positions at each row, mm, frame `hand`, if the source provides them."""


@dataclass(frozen=True, slots=True)
class Imu:
    """One inertial sample: quaternion w x y z, acceleration in g, angular rate in deg/s."""

    t: float
    quaternion: tuple[float, float, float, float]
    acceleration_g: tuple[float, float, float]
    gyro_dps: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Battery:
    """Charge of the device's battery."""

    t: float
    percent: int


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """The hand's true pose at one moment, as a client saw it: all points, or the angles of some joints."""

    t: float
    """When it was so, on the clock of `Frame.t`."""
    joints: Float32Array | None = None
    """(63,) mm, frame `hand`, real points of the hand that wears the band; None where there are angles."""
    angles: Mapping[str, float] = field(default_factory=dict)
    """Degrees, by the names of `models.kinematics.ANGLES`; empty where there are joints."""
    source: str = ""
    """What saw it: `webcam`, `leap`."""
    confidence: float | None = None
    """0..1, as the client sent it."""
    arrival: float | None = None
    """When it arrived, same clock; None where that is not known."""


@dataclass(frozen=True, slots=True)
class LabelLag:
    """How late labels are behind the signal, as far as it is known now; the newest counts for all labels."""

    t: float
    """When that was found."""
    seconds: float
    """By which `Label.t` is later than the moment that the label shows; negative: earlier."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event of the device for the recording (`/event`): a gesture, a sync, a fault."""

    t: float
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they arrived, for the recording (`/raw`)."""

    arrival: float
    port: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Playback:
    """Position and speed of a replay; emitted whenever they change other than by playing on."""

    position_s: float
    duration_s: float
    speed: float
    loop: bool
    paused: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedPose:
    """A pose that another server has made (docs/protocol.md#binary-pose)."""

    seq: int
    sample: int
    t: float
    """Time of the newest sample that it was made of, Unix seconds on that server's clock."""
    joints: Float32Array
    """(63,) mm, frame `hand`, real points of `hand`."""
    hand: Side
    skipped: int
    gap: bool
    held: bool
    confidence: float | None
    truth: Float32Array | None
    age_ms: float
    """From the arrival of the newest sample until it was sent."""
    infer_ms: float
    arrival: float
    """When it arrived here, on our clock."""


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedModel:
    """What another server's `hello` says of the model whose poses come."""

    model: Mapping[str, object] | None
    pose: Mapping[str, object] | None


Event = (
    SourceInfo
    | Frame
    | Imu
    | Battery
    | Marker
    | Label
    | LabelLag
    | Notice
    | Raw
    | Playback
    | ReceivedPose
    | ReceivedModel
)

Emit = Callable[[Event], None]
