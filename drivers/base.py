"""The contract of a source: what it is, what it emits, how it fails.

A source is small on purpose: `info`, and `run(emit)`. One run is one connection; cancelling it stops
it; `DeviceLost` says that the link went and may be made again. Reconnecting belongs to the service's
supervisor, not to a source. `emit` is called on the event loop's thread and returns at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from models.errors import MyocastError
from models.hand import CHANNELS, Floats, Side

EmgMode = Literal["raw", "filtered", "envelope"]
Unit = Literal["adc", "uV"]
Nature = Literal["live", "replay", "synthetic"]


class DriverError(MyocastError):
    """A source that cannot be used as asked (wrong address, port busy, no permission, bad file)."""


class DeviceLost(DriverError):
    """The link to a device went away; making it again may help."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source is. It is emitted anew when something in it becomes known."""

    uri: str
    name: str
    rate_hz: float
    """Nominal samples per second; 0 while it is not known."""
    unit: Unit = "adc"
    emg_mode: EmgMode = "raw"
    hand: Side | None = None
    """The arm that wears the band, or None if the source cannot say."""
    channels: int = CHANNELS
    nature: Nature = "live"
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """Consecutive samples as they arrived together."""

    sample: int
    """Index of the first row since the source began; it jumps over lost samples and never goes back."""
    t: float
    """Time of the first row, Unix seconds on the process clock (`drivers.clock.now`)."""
    samples: Floats
    """(n, 8) in the source's unit."""
    arrival: float
    """When the bytes arrived, same clock."""
    gap: bool = False
    """Time is broken before this frame (loss, seek, loop, reconnect): windows start anew."""
    truth: Floats | None = None
    """(n, 63) the hand's true pose at each row, mm, frame `hand`, where the source knows it."""


@dataclass(frozen=True, slots=True)
class Imu:
    """One inertial sample: quaternion w x y z, acceleration in g, angular rate in deg/s."""

    t: float
    quaternion: tuple[float, float, float, float]
    acceleration_g: tuple[float, float, float]
    gyro_dps: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Battery:
    t: float
    percent: int


@dataclass(frozen=True, slots=True)
class Marker:
    """A class label or a note that belongs to a moment of the stream."""

    t: float
    label: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to the device and belongs in a recording (`/event`): a gesture, a sync, a fault."""

    t: float
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they came, for the recording (`/raw`)."""

    arrival: float
    port: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Playback:
    """Where a replay stands; emitted whenever it changes other than by playing on."""

    position_s: float
    duration_s: float
    speed: float
    loop: bool
    paused: bool = False


Event = SourceInfo | Frame | Imu | Battery | Marker | Notice | Raw | Playback
Emit = Callable[[Event], None]


class Source(Protocol):
    """Where samples come from."""

    @property
    def info(self) -> SourceInfo: ...

    async def run(self, emit: Emit) -> None:
        """Connect and emit until cancelled or at an end.

        A source object outlives its runs: sample indices go on from one run to the next.

        Raises:
            DeviceLost: the link went away.
            DriverError: it cannot be used at all.
        """
        ...


@runtime_checkable
class Replayable(Protocol):
    """A source whose time can be steered. `run` returns at the end; after `seek` or `resume` it can run again."""

    @property
    def playback(self) -> Playback:
        """Where it stands now."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None:
        """Play on; at the end: from the start again."""
        ...

    def seek(self, position_s: float) -> None:
        """Raises ValueError outside [0, duration_s]."""
        ...

    def set_speed(self, speed: float) -> None:
        """Raises ValueError outside (0, 100]."""
        ...


@runtime_checkable
class Returning(Protocol):
    """A live source that can tell, between two runs, that its device can be reached again."""

    async def reachable(self) -> None:
        """Wait until connecting is worth a try: at once if it is now. Nothing is held when it returns or is cancelled.

        Raises:
            DriverError: nothing can be told.
        """
        ...


@runtime_checkable
class Vibrating(Protocol):
    """A source whose device can vibrate."""

    async def vibrate(self, kind: Literal["short", "medium", "long"]) -> None: ...
