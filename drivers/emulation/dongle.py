"""An emulated BLED112 dongle with a Myo, as a state machine over BGAPI bytes. No I/O; time is an argument.

`drivers.emulation.pseudo_terminal` gives it a port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.emulation.myo import INVALID_HANDLE, EmulatedMyo, Notification
from drivers.myo import bgapi, protocol
from drivers.myo.bgapi import TO_DONGLE, BgapiParser, Kind, Message
from drivers.myo.protocol import Characteristic

ADVERTISE_S: Final = 0.1
CONNECT_S: Final = 0.03
WRONG_STATE: Final = 0x0181
NOT_CONNECTED: Final = 0x0186
TIMED_OUT: Final = 0x0208
CLOSED_HERE: Final = 0x0216
RSSI_DBM: Final = -56
CONNECTION: Final = 0

_PRIMARY_SERVICE: Final = 0x2800
_CHARACTERISTIC: Final = 0x2803
_CONFIGURATION: Final = 0x2902
_SERVICES: Final = {
    0x01: ("1800", 0x0B),
    0x0C: ("180a", 0x0E),
    0x0F: ("180f", 0x12),
    0x13: (protocol.uuid(0x0001), 0x19),
    0x1A: (protocol.uuid(0x0002), 0x20),
    0x21: (protocol.uuid(0x0003), 0x24),
    0x25: (protocol.uuid(0x0004), 0x28),
    0x29: (protocol.uuid(0x0005), 0x35),
}
"""First handle of each service: its UUID, its last handle."""


@dataclass(frozen=True, slots=True)
class FaultConfig:
    """Faults to inject."""

    drop: float = 0.0
    """Probability that a notification is lost on the air."""
    corrupt: float = 0.0
    """Probability that a message on the wire loses a byte or has one damaged."""
    disconnect_every_s: float = 0.0
    """Seconds of connection after which the link is lost; 0: never."""
    seed: int = 0


class EmulatedDongle:
    """The answers and events of a BLED112.

    Args:
        armband: the armband that advertises, connects and streams.
        faults: faults to inject.
    """

    def __init__(self, armband: EmulatedMyo, faults: FaultConfig | None = None) -> None:
        self.armband = armband
        self.sent = 0
        """Notifications sent to the host; `dropped` ones were lost on the air before."""
        self.dropped = 0
        self._faults = faults or FaultConfig()
        self._rng = np.random.default_rng(self._faults.seed)
        self._parser = BgapiParser(TO_DONGLE)
        self._advertise_at: float | None = None
        self._connect_at: float | None = None
        self._connected_at: float | None = None
        self._out: list[bytes] = []

    @property
    def connected(self) -> bool:
        """Whether the host is connected to the armband."""
        return self._connected_at is not None

    def feed(self, data: bytes, at: float) -> bytes:
        """Take bytes from the host; return the bytes of the answers."""
        for message in self._parser.feed(data):
            handler = _HANDLERS.get(message.kind)
            if handler is not None:
                handler(self, message.payload, at)
        return self._take()

    def due(self, at: float) -> bytes:
        """Return the bytes of the events that are due by this time."""
        if self._connect_at is not None and at >= self._connect_at:
            self._connect_at, self._connected_at = None, self._connect_at
            self._status(5)
        if self._advertise_at is not None and at >= self._advertise_at:
            self._advertise_at += ADVERTISE_S * (1 + int((at - self._advertise_at) / ADVERTISE_S))
            if not self.connected:
                self._scan_response()
        for notification in self.armband.due(at):
            self._notify(notification)
        limit = self._faults.disconnect_every_s
        if self._connected_at is not None and limit and at - self._connected_at >= limit:
            self._close(TIMED_OUT)
        return self._take()

    def next_due(self) -> float | None:
        """Time of the next event; None if there is none before the next command."""
        limit = self._faults.disconnect_every_s
        end = self._connected_at + limit if self._connected_at is not None and limit else None
        times = (self._connect_at, self._advertise_at, self.armband.next_due(), end)
        return min((time for time in times if time is not None), default=None)

    def lose_link(self, reason: int = TIMED_OUT) -> bytes:
        """Lose the armband's link; return the bytes of the event."""
        if self.connected:
            self._close(reason)
        return self._take()

    def _take(self) -> bytes:
        messages, self._out = self._out, []
        return b"".join(self._damage(message) for message in messages)

    def _damage(self, message: bytes) -> bytes:
        if not self._faults.corrupt or self._rng.random() >= self._faults.corrupt:
            return message
        at = int(self._rng.integers(len(message)))
        damaged = b"" if self._rng.random() < 0.5 else bytes((message[at] ^ 1 << int(self._rng.integers(8)),))
        return message[:at] + damaged + message[at + 1 :]

    def _send(self, kind: Kind, payload: bytes = b"") -> None:
        self._out.append(bytes(Message(kind, payload)))

    def _notify(self, notification: Notification) -> None:
        if self._faults.drop and self._rng.random() < self._faults.drop:
            self.dropped += 1
            return
        self.sent += 1
        kind = 2 if notification.characteristic.indicates else 1
        self._value(notification.characteristic, kind, notification.data)

    def _value(self, handle: int, kind: int, data: bytes) -> None:
        self._send(bgapi.ATTRIBUTE_VALUE, bytes((CONNECTION, *_u16(handle), kind, len(data))) + data)

    def _completed(self, handle: int, result: int = bgapi.OK) -> None:
        self._send(bgapi.PROCEDURE_COMPLETED, bytes((CONNECTION, *_u16(result), *_u16(handle))))

    def _status(self, flags: int) -> None:
        address = bgapi.pack_address(self.armband.address)
        self._send(bgapi.CONNECTION_STATUS, bytes((CONNECTION, flags)) + address + bytes((0, 6, 0, 64, 0, 0, 0, 0xFF)))

    def _scan_response(self) -> None:
        data = self.armband.advertisement()
        address = bgapi.pack_address(self.armband.address)
        head = bytes((RSSI_DBM & 0xFF, 0)) + address + bytes((0, 0xFF, len(data)))
        self._send(bgapi.SCAN_RESPONSE, head + data)

    def _close(self, reason: int) -> None:
        self._connected_at = self._connect_at = None
        self.armband.hang_up()
        self._send(bgapi.DISCONNECTED, bytes((CONNECTION, *_u16(reason))))

    # Commands.

    def _reset(self, _: bytes, at: float) -> None:
        self.armband.hang_up()
        self._advertise_at = self._connect_at = self._connected_at = None
        self._send(bgapi.BOOT, bytes((1, 0, 3, 0, 2, 0, 0x7A, 0, 3, 0, 1, 1)))

    def _hello(self, _: bytes, at: float) -> None:
        self._send(bgapi.HELLO)

    def _get_connections(self, _: bytes, at: float) -> None:
        self._send(bgapi.GET_CONNECTIONS, b"\x03")
        if self.connected:
            self._status(1)

    def _get_info(self, _: bytes, at: float) -> None:
        self._send(bgapi.GET_INFO, bytes((1, 0, 3, 0, 2, 0, 0x7A, 0, 3, 0, 1, 1)))

    def _disconnect(self, payload: bytes, at: float) -> None:
        mine = self.connected and payload[0] == CONNECTION
        self._send(bgapi.DISCONNECT, bytes((payload[0], *_u16(bgapi.OK if mine else NOT_CONNECTED))))
        if mine:
            self._close(CLOSED_HERE)

    def _get_rssi(self, payload: bytes, at: float) -> None:
        self._send(bgapi.GET_RSSI, bytes((payload[0], RSSI_DBM & 0xFF)))

    def _discover(self, _: bytes, at: float) -> None:
        busy = self._advertise_at is not None
        self._send(bgapi.DISCOVER, bytes(_u16(WRONG_STATE if busy else bgapi.OK)))
        if not busy:
            self._advertise_at = at + ADVERTISE_S

    def _end_procedure(self, _: bytes, at: float) -> None:
        busy = self._advertise_at is not None or self._connect_at is not None
        self._advertise_at = self._connect_at = None
        self._send(bgapi.END_PROCEDURE, bytes(_u16(bgapi.OK if busy else WRONG_STATE)))

    def _connect_direct(self, payload: bytes, at: float) -> None:
        busy = self.connected or self._advertise_at is not None
        self._send(bgapi.CONNECT_DIRECT, bytes((*_u16(WRONG_STATE if busy else bgapi.OK), CONNECTION)))
        if not busy and bgapi.unpack_address(payload[:6]) == self.armband.address:
            self._connect_at = at + CONNECT_S

    def _begin(self, kind: Kind, payload: bytes) -> bool:
        """Answer a command on attributes; return whether there is a connection to carry it out on."""
        mine = self.connected and payload[0] == CONNECTION
        self._send(kind, bytes((payload[0], *_u16(bgapi.OK if mine else NOT_CONNECTED))))
        return mine

    def _read_by_handle(self, payload: bytes, at: float) -> None:
        handle = int.from_bytes(payload[1:3], "little")
        if not self._begin(bgapi.READ_BY_HANDLE, payload):
            return
        value = self.armband.read(handle)
        if isinstance(value, bytes):
            self._value(handle, 0, value)
        else:
            self._completed(handle, value)

    def _attribute_write(self, payload: bytes, at: float) -> None:
        handle = int.from_bytes(payload[1:3], "little")
        if self._begin(bgapi.ATTRIBUTE_WRITE, payload):
            self._completed(handle, self.armband.write(handle, payload[4:], at))

    def _write_command(self, payload: bytes, at: float) -> None:
        if self._begin(bgapi.WRITE_COMMAND, payload):
            self.armband.write(int.from_bytes(payload[1:3], "little"), payload[4:], at)

    def _confirm(self, payload: bytes, at: float) -> None:
        self._send(bgapi.INDICATE_CONFIRM, bytes(_u16(bgapi.OK)))

    def _group_type(self, payload: bytes, at: float) -> None:
        first, last = int.from_bytes(payload[1:3], "little"), int.from_bytes(payload[3:5], "little")
        if not self._begin(bgapi.READ_BY_GROUP_TYPE, payload):
            return
        for start, (uuid, end) in _SERVICES.items():
            if first <= start <= last:
                data = _wire_uuid(uuid)
                self._send(bgapi.GROUP_FOUND, bytes((CONNECTION, *_u16(start), *_u16(end), len(data))) + data)
        self._completed(last)

    def _find_information(self, payload: bytes, at: float) -> None:
        first, last = int.from_bytes(payload[1:3], "little"), int.from_bytes(payload[3:5], "little")
        if not self._begin(bgapi.FIND_INFORMATION, payload):
            return
        attributes = [(handle, uuid) for handle, uuid in _ATTRIBUTES if first <= handle <= last]
        for handle, uuid in attributes:
            data = _wire_uuid(uuid)
            self._send(bgapi.FOUND_INFORMATION, bytes((CONNECTION, *_u16(handle), len(data))) + data)
        self._completed(last, bgapi.OK if attributes else INVALID_HANDLE)

    def _set_bondable(self, _: bytes, at: float) -> None:
        self._send(bgapi.SET_BONDABLE)

    def _set_gap_mode(self, _: bytes, at: float) -> None:
        self._send(bgapi.SET_GAP_MODE, bytes(_u16(bgapi.OK)))

    def _set_scan_parameters(self, _: bytes, at: float) -> None:
        self._send(bgapi.SET_SCAN_PARAMETERS, bytes(_u16(bgapi.OK)))


_HANDLERS: Final[dict[Kind, Callable[[EmulatedDongle, bytes, float], None]]] = {
    bgapi.SYSTEM_RESET: EmulatedDongle._reset,
    bgapi.HELLO: EmulatedDongle._hello,
    bgapi.GET_CONNECTIONS: EmulatedDongle._get_connections,
    bgapi.GET_INFO: EmulatedDongle._get_info,
    bgapi.DISCONNECT: EmulatedDongle._disconnect,
    bgapi.GET_RSSI: EmulatedDongle._get_rssi,
    bgapi.READ_BY_GROUP_TYPE: EmulatedDongle._group_type,
    bgapi.FIND_INFORMATION: EmulatedDongle._find_information,
    bgapi.READ_BY_HANDLE: EmulatedDongle._read_by_handle,
    bgapi.ATTRIBUTE_WRITE: EmulatedDongle._attribute_write,
    bgapi.WRITE_COMMAND: EmulatedDongle._write_command,
    bgapi.INDICATE_CONFIRM: EmulatedDongle._confirm,
    bgapi.SET_BONDABLE: EmulatedDongle._set_bondable,
    bgapi.SET_GAP_MODE: EmulatedDongle._set_gap_mode,
    bgapi.SET_SCAN_PARAMETERS: EmulatedDongle._set_scan_parameters,
    bgapi.DISCOVER: EmulatedDongle._discover,
    bgapi.CONNECT_DIRECT: EmulatedDongle._connect_direct,
    bgapi.END_PROCEDURE: EmulatedDongle._end_procedure,
}


def _attributes() -> Iterator[tuple[int, str]]:
    """Handle and UUID of every attribute, as discovery lists them."""
    unconfigured = (Characteristic.NAME, Characteristic.INFO, Characteristic.FIRMWARE, Characteristic.COMMAND)
    for start in _SERVICES:
        yield start, f"{_PRIMARY_SERVICE:04x}"
    for characteristic in Characteristic:
        yield characteristic - 1, f"{_CHARACTERISTIC:04x}"
        yield characteristic, characteristic.uuid
        if characteristic not in unconfigured:
            yield characteristic.configuration, f"{_CONFIGURATION:04x}"


_ATTRIBUTES: Final = sorted(_attributes())


def _wire_uuid(uuid: str) -> bytes:
    short = uuid[4:8] if uuid.endswith("-0000-1000-8000-00805f9b34fb") else uuid
    return bytes.fromhex(short.replace("-", ""))[::-1]


def _u16(value: int) -> tuple[int, int]:
    return value & 0xFF, value >> 8
