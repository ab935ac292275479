"""An emulated Myo that plays a recorded session: attributes and notifications. No I/O; time is an argument."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.errors import DriverError
from drivers.myo import bgapi, protocol
from drivers.myo.protocol import Characteristic
from models.arrays import Float32Array
from models.hand import CHANNELS
from models.recording import Recording

ADDRESS: Final = "C6:05:04:03:02:01"
FIRMWARE: Final = (1, 5, 1970, 2)
INVALID_HANDLE: Final = 0x0401
READ_NOT_PERMITTED: Final = 0x0402
WRITE_NOT_PERMITTED: Final = 0x0403
EMG_S: Final = 2 / protocol.RATE_HZ["raw"]
ENVELOPE_S: Final = 1 / protocol.RATE_HZ["envelope"]
IMU_S: Final = 0.020
BATTERY_S: Final = 60.0
ENVELOPE_SPAN: Final = 20
"""Raw samples in the moving average that imitates the armband's own envelope."""
ENVELOPE_GAIN: Final = 8.0

_PERIODS: Final = {"emg": EMG_S, "envelope": ENVELOPE_S, "imu": IMU_S, "battery": BATTERY_S}
_CONFIGURATIONS: Final = {
    characteristic.configuration: characteristic
    for characteristic in Characteristic
    if characteristic not in (Characteristic.NAME, Characteristic.INFO, Characteristic.FIRMWARE, Characteristic.COMMAND)
}


@dataclass(frozen=True, slots=True)
class Notification:
    """A value that the armband sends without being read."""

    due: float
    characteristic: Characteristic
    data: bytes


class EmulatedMyo:
    """A Myo with firmware 1.5 that streams a recording.

    The recording advances only while the armband streams.

    Args:
        recording: 200 Hz `adc` (raw or filtered), or the 50 Hz envelope.
        name: as it advertises.
        address: as it advertises.
        battery: percent.
        firmware: major, minor, patch, hardware revision.
        loop: start again at the end; otherwise stop sending.

    Raises:
        DriverError: no Myo makes such recordings (see `check_playable`).
    """

    def __init__(
        self,
        recording: Recording,
        *,
        name: str = "Myo",
        address: str = ADDRESS,
        battery: int = 87,
        firmware: tuple[int, int, int, int] = FIRMWARE,
        loop: bool = True,
    ) -> None:
        check_playable(recording)
        self.name = name
        self.address = address
        self.battery = battery
        self.vibrations: list[int] = []
        self.never_sleeps = False
        self._firmware = firmware
        self._hand = recording.hand
        self._imu = _imu_values(recording)
        self._loop = loop
        self._own_envelope = recording.emg_mode == "envelope"
        self._samples = recording.emg
        self._at = 0
        self._subscribed: dict[Characteristic, int] = {}
        self._mode = 0
        self._timers: dict[str, tuple[float, int]] = {}
        self._events: list[Notification] = []

    @property
    def streams(self) -> bool:
        """Whether EMG is being sent."""
        return self._mode != 0

    @property
    def played(self) -> int:
        """Samples of the session played so far."""
        return self._at

    def advertisement(self) -> bytes:
        """Advertising data: short name padded to eight bytes, flags, control service."""
        name = self.name.encode()[:8].ljust(8, b"\0")
        service = bytes.fromhex(protocol.SERVICE_UUID.replace("-", ""))[::-1]
        return bytes((9, 0x08)) + name + b"\x02\x01\x06" + bytes((17, 0x06)) + service

    def read(self, handle: int) -> bytes | int:
        """Read an attribute: its value, or the error code."""
        if handle in _CONFIGURATIONS:
            return self._subscribed.get(_CONFIGURATIONS[handle], 0).to_bytes(2, "little")
        match handle:
            case Characteristic.NAME:
                return self.name.encode()
            case Characteristic.BATTERY:
                return bytes((self.battery,))
            case Characteristic.FIRMWARE:
                return struct.pack("<4H", *self._firmware)
            case Characteristic.INFO:
                return bgapi.pack_address(self.address) + struct.pack("<HBBBBB", 5, 0, 0, 0, 0, 1) + bytes(7)
            case _:
                return READ_NOT_PERMITTED if handle in Characteristic._value2member_map_ else INVALID_HANDLE

    def write(self, handle: int, data: bytes, now: float) -> int:
        """Write an attribute; return the error code, 0 for success."""
        if handle in _CONFIGURATIONS:
            self.subscribe(_CONFIGURATIONS[handle], int.from_bytes(data[:2], "little"))
            return 0
        if handle == Characteristic.NAME:
            self.name = protocol.clean_name(data)
            return 0
        if handle == Characteristic.COMMAND:
            self._command(data, now)
            return 0
        return WRITE_NOT_PERMITTED if handle in Characteristic._value2member_map_ else INVALID_HANDLE

    def subscribe(self, characteristic: Characteristic, configuration: int) -> None:
        """Set a client characteristic configuration: 0 off, 1 notify, 2 indicate."""
        self._subscribed[characteristic] = configuration

    def hang_up(self) -> None:
        """End streaming and subscriptions with the link, as the real one does."""
        self._subscribed.clear()
        self._timers.clear()
        self._events.clear()
        self._mode = 0

    def next_due(self) -> float | None:
        """Time of the next notification; None if there is none."""
        times = [start + (count + 1) * _PERIODS[name] for name, (start, count) in self._timers.items()]
        times += [event.due for event in self._events]
        return min(times, default=None)

    def due(self, now: float) -> list[Notification]:
        """Return the notifications due by now that the host subscribed to, in order."""
        found = self._events
        self._events = []
        for name in list(self._timers):
            found += self._tick(name, now)
        found.sort(key=lambda notification: notification.due)
        return [one for one in found if self._subscribed.get(one.characteristic)]

    def _command(self, data: bytes, now: float) -> None:
        if len(data) < 2 or len(data) != 2 + data[1]:
            return
        if data[0] == 0x01 and data[1] == 3:
            self._set_mode(data[2], data[3], data[4], now)
        elif data[0] == 0x03 and data[1] == 1:
            self.vibrations.append(data[2])
        elif data[0] == 0x09 and data[1] == 1:
            self.never_sleeps = data[2] == 1

    def _set_mode(self, emg: int, imu: int, classifier: int, now: float) -> None:
        self._mode = emg
        self._timers = {}
        if emg in (2, 3) and not self._own_envelope:
            self._timers["emg"] = (now, 0)
        if emg == 1:
            self._timers["envelope"] = (now, 0)
        if imu:
            self._timers["imu"] = (now, 0)
        if emg or imu:
            self._timers["battery"] = (now, 0)
        if classifier and emg != 3 and self._hand is not None:
            arm = 1 if self._hand == "right" else 2
            self._events.append(Notification(now, Characteristic.CLASSIFIER, bytes((1, arm, 1, 0, 0, 0))))

    def _tick(self, name: str, now: float) -> Iterator[Notification]:
        start, count = self._timers[name]
        while (due := start + (count + 1) * _PERIODS[name]) <= now:
            notification = self._notification(name, due, count)
            if notification is None:
                del self._timers[name]
                return
            count += 1
            self._timers[name] = (start, count)
            yield notification

    def _notification(self, name: str, due: float, count: int) -> Notification | None:
        if name == "battery":
            return Notification(due, Characteristic.BATTERY, bytes((self.battery,)))
        if name == "imu":
            return Notification(due, Characteristic.IMU, self._imu[count % len(self._imu)])
        if name == "envelope":
            data = self._next_envelope()
            return None if data is None else Notification(due, Characteristic.ENVELOPE, data)
        rows = self._take(2)
        if rows is None:
            return None
        data = np.clip(np.rint(rows), -128, 127).astype(np.int8).tobytes()
        return Notification(due, protocol.EMG[count % 4], data)

    def _take(self, count: int) -> Float32Array | None:
        if self._at + count > len(self._samples):
            if not self._loop:
                return None
            self._at = 0
        rows = self._samples[self._at : self._at + count]
        self._at += count
        return rows

    def _next_envelope(self) -> bytes | None:
        if self._own_envelope:
            row = self._take(1)
        else:
            row = self._take(4)
            if row is not None:
                span = self._samples[max(0, self._at - ENVELOPE_SPAN) : self._at]
                row = (np.abs(span).mean(axis=0, keepdims=True) * ENVELOPE_GAIN).astype(np.float32)
        if row is None:
            return None
        packed: bytes = np.clip(np.rint(row[0]), 0, 0xFFFF).astype("<u2").tobytes()
        return packed + b"\0"


def check_playable(recording: Recording) -> None:
    """Raise DriverError unless this is a recording at a rate and in a unit that a Myo has."""
    rate = protocol.RATE_HZ["envelope" if recording.emg_mode == "envelope" else "raw"]
    name = recording.name or "this session"
    if recording.unit != "adc" or abs(recording.rate_hz - rate) > 0.05 * rate or recording.emg.shape[1:] != (CHANNELS,):
        raise DriverError(
            f"{name} has {recording.rate_hz:g} Hz {recording.emg_mode} EMG in {recording.unit}; "
            "a Myo has 200 Hz raw or 50 Hz envelope in adc: choose a session of a Myo"
        )
    if len(recording) < 4:
        raise DriverError(f"{name} has {len(recording)} samples; expected at least 4: choose a longer session")


def _imu_values(recording: Recording) -> list[bytes]:
    """Pack the session's inertial values as the armband does; without any, those of an armband at rest."""
    if recording.imu is None or not len(recording.imu):
        return [struct.pack("<10h", 16384, 0, 0, 0, 0, 0, 2048, 0, 0, 0)]
    scale = np.array([protocol.QUATERNION_SCALE] * 4 + [protocol.ACCELERATION_SCALE] * 3 + [protocol.GYRO_SCALE] * 3)
    values = np.clip(np.rint(recording.imu[:, 1:11] * scale), -(2**15), 2**15 - 1).astype("<i2")
    return [row.tobytes() for row in values]
