"""The Myo's protocol: its characteristics, commands to it, packets from it.

Layouts: Thalmic Labs' `myohw.h` (all values little-endian, as every working client reads them), and,
where it is silent, what later firmware and clients agree on: the 6-byte classifier event, the filtered
EMG of characteristic 0104, the LED command 06.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

import numpy as np

from drivers.events import EmgMode
from models.arrays import Float32Array
from models.hand import CHANNELS, Side

SERVICE_UUID: Final = "d5060001-a904-deb9-4748-2c7f4a124842"
"""The control service; armbands advertise it."""
RATE_HZ: Final[dict[EmgMode, float]] = {"raw": 200.0, "filtered": 200.0, "envelope": 50.0}
SAMPLES_PER_NOTIFICATION: Final[dict[EmgMode, int]] = {"raw": 2, "filtered": 2, "envelope": 1}
OLDEST_FIRMWARE: Final = (1, 0)
"""Older firmware has other commands and other handles."""
QUATERNION_SCALE: Final = 16384.0
ACCELERATION_SCALE: Final = 2048.0
GYRO_SCALE: Final = 16.0


def uuid(short: int) -> str:
    """The 128-bit UUID of a Myo characteristic."""
    return f"d506{short:04x}-a904-deb9-4748-2c7f4a124842"


class Characteristic(IntEnum):
    """A characteristic of an armband; the value is its attribute handle, fixed since firmware 1.0."""

    NAME = 0x03
    BATTERY = 0x11
    INFO = 0x15
    FIRMWARE = 0x17
    COMMAND = 0x19
    IMU = 0x1C
    MOTION = 0x1F
    CLASSIFIER = 0x23
    ENVELOPE = 0x27
    EMG0 = 0x2B
    EMG1 = 0x2E
    EMG2 = 0x31
    EMG3 = 0x34

    @property
    def uuid(self) -> str:
        """Its 128-bit UUID."""
        return _UUIDS[self]

    @property
    def indicates(self) -> bool:
        """Whether it indicates (configuration descriptor 2) rather than notifies (1)."""
        return self in (Characteristic.MOTION, Characteristic.CLASSIFIER)

    @property
    def configuration(self) -> int:
        """Handle of its client characteristic configuration descriptor."""
        return self + 1


_UUIDS: Final = {
    Characteristic.NAME: "00002a00-0000-1000-8000-00805f9b34fb",
    Characteristic.BATTERY: "00002a19-0000-1000-8000-00805f9b34fb",
    Characteristic.INFO: uuid(0x0101),
    Characteristic.FIRMWARE: uuid(0x0201),
    Characteristic.COMMAND: uuid(0x0401),
    Characteristic.IMU: uuid(0x0402),
    Characteristic.MOTION: uuid(0x0502),
    Characteristic.CLASSIFIER: uuid(0x0103),
    Characteristic.ENVELOPE: uuid(0x0104),
    Characteristic.EMG0: uuid(0x0105),
    Characteristic.EMG1: uuid(0x0205),
    Characteristic.EMG2: uuid(0x0305),
    Characteristic.EMG3: uuid(0x0405),
}
EMG: Final = (Characteristic.EMG0, Characteristic.EMG1, Characteristic.EMG2, Characteristic.EMG3)


def emg_characteristics(mode: EmgMode) -> tuple[Characteristic, ...]:
    """The characteristics that carry EMG in a mode, one after the other."""
    return (Characteristic.ENVELOPE,) if mode == "envelope" else EMG


# Commands: opcode, length of the payload, payload.

_EMG_MODES: Final[dict[EmgMode, int]] = {"envelope": 1, "filtered": 2, "raw": 3}
_VIBRATIONS: Final = {"short": 1, "medium": 2, "long": 3}
STREAM_OFF: Final = bytes((0x01, 3, 0, 0, 0))
NEVER_SLEEP: Final = bytes((0x09, 1, 1))
NORMAL_SLEEP: Final = bytes((0x09, 1, 0))


def set_mode(mode: EmgMode, *, imu: bool = True, classifier: bool = False) -> bytes:
    """Command that starts the stream. In mode `raw` the armband itself switches the classifier off."""
    return bytes((0x01, 3, _EMG_MODES[mode], int(imu), int(classifier)))


def vibrate(kind: Literal["short", "medium", "long"]) -> bytes:
    """Command that makes the armband vibrate once."""
    return bytes((0x03, 1, _VIBRATIONS[kind]))


def led(logo: tuple[int, int, int], bar: tuple[int, int, int]) -> bytes:
    """Command that sets the colours (red, green, blue; 0..255 each) of logo and bar.

    Raises:
        ValueError: a value is not in 0..255.
    """
    return bytes((0x06, 6, *logo, *bar))


# Packets.


@dataclass(frozen=True, slots=True)
class EmgPacket:
    """EMG samples: (2, 8) counts of int8 in mode raw or filtered, (1, 8) of uint16 in mode envelope."""

    samples: Float32Array
    characteristic_index: int | None
    """Which of the four characteristics carried it; None in mode envelope."""
    moved: int = 0
    """Mode envelope: bit mask of the sensors that seem to slip on the skin."""


@dataclass(frozen=True, slots=True)
class ImuPacket:
    """One inertial sample."""

    quaternion: tuple[float, float, float, float]
    """w x y z."""
    acceleration_g: tuple[float, float, float]
    gyro_dps: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class BatteryPacket:
    """Charge of the battery."""

    percent: int


@dataclass(frozen=True, slots=True)
class ArmPacket:
    """Which arm wears the armband; None once the armband reports that it is no longer synced."""

    arm: Side | None
    toward: Literal["wrist", "elbow"] | None = None
    """Direction of its X axis."""


@dataclass(frozen=True, slots=True)
class GesturePacket:
    """A pose that the armband's own classifier found, or a state of that classifier."""

    name: str


@dataclass(frozen=True, slots=True)
class TapPacket:
    """Taps on the armband."""

    direction: int
    count: int


@dataclass(frozen=True, slots=True)
class FirmwarePacket:
    """Version of the firmware and revision of the hardware."""

    version: tuple[int, int, int]
    hardware: int
    """1 revision C, 2 revision D."""

    @property
    def text(self) -> str:
        """Version and hardware revision, such as `1.5.1970.2`."""
        return ".".join(str(part) for part in (*self.version, self.hardware))


@dataclass(frozen=True, slots=True)
class InfoPacket:
    """The armband's own description. Its serial number is its address."""

    serial: str
    indicates_stream: bool
    sku: int
    """1 black, 2 white."""


@dataclass(frozen=True, slots=True)
class NamePacket:
    """The device name."""

    name: str


Packet = (
    EmgPacket
    | ImuPacket
    | BatteryPacket
    | ArmPacket
    | GesturePacket
    | TapPacket
    | FirmwarePacket
    | InfoPacket
    | NamePacket
)

_POSES: Final = {0: "rest", 1: "fist", 2: "wave_in", 3: "wave_out", 4: "spread", 5: "double_tap", 0xFFFF: "unknown"}
_STATES: Final = {4: "unlocked", 5: "locked", 6: "sync_failed", 7: "warmed_up"}
_ARMS: Final[dict[int, Side]] = {1: "right", 2: "left"}
_TOWARD: Final[dict[int, Literal["wrist", "elbow"]]] = {1: "wrist", 2: "elbow"}


class MyoDecoder:
    """A decoder for the values of characteristics. It never raises on garbage; it counts it."""

    def __init__(self) -> None:
        self.malformed = 0

    def feed(self, characteristic: int, data: bytes) -> list[Packet]:
        """Decode one value.

        Args:
            characteristic: a `Characteristic`, or any other handle (ignored).
            data: the value, of any length.

        Returns:
            At most one packet; none if the value is malformed or unknown.
        """
        decode = _DECODERS.get(characteristic)
        if decode is None:
            return []
        sizes, function = decode
        if len(data) not in sizes:
            self.malformed += 1
            return []
        packet = function(characteristic, bytes(data))
        return [] if packet is None else [packet]


def _emg(characteristic: int, data: bytes) -> Packet:
    samples = np.frombuffer(data, np.int8).reshape(2, CHANNELS).astype(np.float32)
    return EmgPacket(samples, EMG.index(Characteristic(characteristic)))


def _envelope(_: int, data: bytes) -> Packet:
    samples = np.frombuffer(data, "<u2", CHANNELS).reshape(1, CHANNELS).astype(np.float32)
    return EmgPacket(samples, None, data[16] if len(data) > 16 else 0)


def _imu(_: int, data: bytes) -> Packet:
    v = struct.unpack("<10h", data)
    return ImuPacket(
        (v[0] / QUATERNION_SCALE, v[1] / QUATERNION_SCALE, v[2] / QUATERNION_SCALE, v[3] / QUATERNION_SCALE),
        (v[4] / ACCELERATION_SCALE, v[5] / ACCELERATION_SCALE, v[6] / ACCELERATION_SCALE),
        (v[7] / GYRO_SCALE, v[8] / GYRO_SCALE, v[9] / GYRO_SCALE),
    )


def _battery(_: int, data: bytes) -> Packet:
    return BatteryPacket(min(data[0], 100))


def _classifier(_: int, data: bytes) -> Packet | None:
    kind = data[0]
    if kind == 1:
        return ArmPacket(_ARMS.get(data[1]), _TOWARD.get(data[2]))
    if kind == 2:
        return ArmPacket(None)
    if kind == 3:
        pose = _POSES.get(data[1] | data[2] << 8)
        return None if pose is None else GesturePacket(pose)
    state = _STATES.get(kind)
    return None if state is None else GesturePacket(state)


def _motion(_: int, data: bytes) -> Packet | None:
    return TapPacket(data[1], data[2]) if data[0] == 0 else None


def _firmware(_: int, data: bytes) -> Packet:
    major, minor, patch, hardware = struct.unpack("<4H", data)
    return FirmwarePacket((major, minor, patch), hardware)


def _info(_: int, data: bytes) -> Packet:
    return InfoPacket(":".join(f"{byte:02X}" for byte in reversed(data[:6])), bool(data[11]), data[12])


def _name(_: int, data: bytes) -> Packet:
    return NamePacket(clean_name(data))


def clean_name(data: bytes) -> str:
    """A device name without the NULs that pad it and without control characters."""
    text = data.decode("utf-8", "replace")
    return "".join(character for character in text if character.isprintable()).strip()


_ANY_NAME: Final = range(0, 249)
_DECODERS: Final[dict[int, tuple[Sequence[int], Callable[[int, bytes], Packet | None]]]] = {
    **dict.fromkeys(EMG, ((16,), _emg)),
    Characteristic.ENVELOPE: ((16, 17), _envelope),
    Characteristic.IMU: ((20,), _imu),
    Characteristic.BATTERY: ((1,), _battery),
    Characteristic.CLASSIFIER: ((3, 6), _classifier),
    Characteristic.MOTION: ((3,), _motion),
    Characteristic.FIRMWARE: ((8,), _firmware),
    Characteristic.INFO: ((20,), _info),
    Characteristic.NAME: (_ANY_NAME, _name),
}
