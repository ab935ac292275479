"""BGAPI, the protocol of a Bluegiga BLED112 dongle on its serial port: messages, commands, a strict parser.

A message is a header of 4 bytes (bit 7: event, bits 6..3: technology, bits 2..0 and the next byte: length
of the payload, then class and command) and its payload, little-endian. There is no start mark and no
checksum, and the header's bytes are common in EMG data. So the parser takes only known messages of exactly
their length, and checks the inner length of those that carry an array: after a lost byte it is in step again
within two messages. Layouts: Bluegiga's `bleapi.xml`. (pygatt reads the port in a thread of its own,
and has no arrival times, so this is our own.)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

EVENT: Final = 0x80
COMMAND: Final = 0x00
HEADER: Final = 4
LONGEST: Final = 64
"""Bytes in the longest payload of BLE; a longer one is garbage."""

USB_ID: Final = (0x2458, 0x0001)


class Kind(NamedTuple):
    """Type, class and command of a message, which identify it."""

    type: int
    group: int
    command: int


BOOT: Final = Kind(EVENT, 0, 0)
CONNECTION_STATUS: Final = Kind(EVENT, 3, 0)
DISCONNECTED: Final = Kind(EVENT, 3, 4)
PROCEDURE_COMPLETED: Final = Kind(EVENT, 4, 1)
GROUP_FOUND: Final = Kind(EVENT, 4, 2)
FOUND_INFORMATION: Final = Kind(EVENT, 4, 4)
ATTRIBUTE_VALUE: Final = Kind(EVENT, 4, 5)
SCAN_RESPONSE: Final = Kind(EVENT, 6, 0)
SYSTEM_RESET: Final = Kind(COMMAND, 0, 0)
HELLO: Final = Kind(COMMAND, 0, 1)
GET_CONNECTIONS: Final = Kind(COMMAND, 0, 6)
GET_INFO: Final = Kind(COMMAND, 0, 8)
DISCONNECT: Final = Kind(COMMAND, 3, 0)
GET_RSSI: Final = Kind(COMMAND, 3, 1)
FIND_INFORMATION: Final = Kind(COMMAND, 4, 3)
READ_BY_GROUP_TYPE: Final = Kind(COMMAND, 4, 1)
READ_BY_HANDLE: Final = Kind(COMMAND, 4, 4)
ATTRIBUTE_WRITE: Final = Kind(COMMAND, 4, 5)
WRITE_COMMAND: Final = Kind(COMMAND, 4, 6)
INDICATE_CONFIRM: Final = Kind(COMMAND, 4, 7)
SET_BONDABLE: Final = Kind(COMMAND, 5, 1)
SET_GAP_MODE: Final = Kind(COMMAND, 6, 1)
DISCOVER: Final = Kind(COMMAND, 6, 2)
CONNECT_DIRECT: Final = Kind(COMMAND, 6, 3)
END_PROCEDURE: Final = Kind(COMMAND, 6, 4)
SET_SCAN_PARAMETERS: Final = Kind(COMMAND, 6, 7)

OK: Final = 0x0000
RESULTS: Final = {
    0x0180: "invalid parameter",
    0x0181: "wrong state",
    0x0185: "timeout",
    0x0186: "not connected",
    0x0208: "connection timeout",
    0x0209: "too many connections",
    0x0213: "closed by the armband",
    0x0216: "closed by the dongle",
    0x023B: "unacceptable connection interval",
    0x023E: "connection failed to be established",
    0x0401: "invalid handle",
    0x0402: "read not permitted",
    0x0403: "write not permitted",
}


def result_text(code: int) -> str:
    """A result code in words."""
    return RESULTS.get(code, f"error 0x{code:04X}")


@dataclass(frozen=True, slots=True)
class Message:
    """A command, response or event."""

    kind: Kind
    payload: bytes

    def __bytes__(self) -> bytes:
        return header(self.kind, len(self.payload)) + self.payload


class Shape(NamedTuple):
    """Layout of a payload: bytes in its fixed part, and whether an array (length byte, data) follows."""

    fixed: int
    array: bool = False


FROM_DONGLE: Final[Mapping[Kind, Shape]] = {
    BOOT: Shape(12),
    CONNECTION_STATUS: Shape(16),
    DISCONNECTED: Shape(3),
    PROCEDURE_COMPLETED: Shape(5),
    GROUP_FOUND: Shape(5, array=True),
    FOUND_INFORMATION: Shape(3, array=True),
    ATTRIBUTE_VALUE: Shape(4, array=True),
    SCAN_RESPONSE: Shape(10, array=True),
    HELLO: Shape(0),
    GET_CONNECTIONS: Shape(1),
    GET_INFO: Shape(12),
    DISCONNECT: Shape(3),
    GET_RSSI: Shape(2),
    FIND_INFORMATION: Shape(3),
    READ_BY_GROUP_TYPE: Shape(3),
    READ_BY_HANDLE: Shape(3),
    ATTRIBUTE_WRITE: Shape(3),
    WRITE_COMMAND: Shape(3),
    INDICATE_CONFIRM: Shape(2),
    SET_BONDABLE: Shape(0),
    SET_GAP_MODE: Shape(2),
    DISCOVER: Shape(2),
    CONNECT_DIRECT: Shape(3),
    END_PROCEDURE: Shape(2),
    SET_SCAN_PARAMETERS: Shape(2),
}
"""Events and responses, by kind."""

TO_DONGLE: Final[Mapping[Kind, Shape]] = {
    SYSTEM_RESET: Shape(1),
    HELLO: Shape(0),
    GET_CONNECTIONS: Shape(0),
    GET_INFO: Shape(0),
    DISCONNECT: Shape(1),
    GET_RSSI: Shape(1),
    READ_BY_GROUP_TYPE: Shape(5, array=True),
    FIND_INFORMATION: Shape(5),
    READ_BY_HANDLE: Shape(3),
    ATTRIBUTE_WRITE: Shape(3, array=True),
    WRITE_COMMAND: Shape(3, array=True),
    INDICATE_CONFIRM: Shape(1),
    SET_BONDABLE: Shape(1),
    SET_GAP_MODE: Shape(2),
    DISCOVER: Shape(1),
    CONNECT_DIRECT: Shape(15),
    END_PROCEDURE: Shape(0),
    SET_SCAN_PARAMETERS: Shape(5),
}
"""Commands, by kind."""


def header(kind: Kind, length: int) -> bytes:
    """The four bytes before a payload of `length` bytes."""
    return bytes((kind.type | length >> 8, length & 0xFF, kind.group, kind.command))


class BgapiParser:
    """A parser for a byte stream that may have lost, gained or damaged bytes."""

    def __init__(self, shapes: Mapping[Kind, Shape] = FROM_DONGLE) -> None:
        self.messages = 0
        self.skipped = 0
        """Bytes that belonged to no message."""
        self._shapes = shapes
        self._start = re.compile(b"|".join(_starts(shapes)), re.DOTALL)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Parse bytes as they arrive; at most one unfinished message is kept for the next call."""
        self._buffer += data
        messages: list[Message] = []
        at = 0
        while True:
            at = self._next_start(at)
            length = self._length(at)
            if length is None:
                break
            if length == 0:
                self.skipped += 1
                at += 1
                continue
            messages.append(_message(self._buffer, at, length))
            at += length
        del self._buffer[:at]
        self.messages += len(messages)
        return messages

    def _next_start(self, at: int) -> int:
        """Where the next header may begin: found whole, or cut off at the end of the buffer."""
        found = self._start.search(self._buffer, at)
        start = found.start() if found else max(at, len(self._buffer) - HEADER + 1)
        if found is None:
            while start < len(self._buffer) and self._buffer[start] not in (EVENT, COMMAND):
                start += 1
        self.skipped += start - at
        return start

    def _length(self, at: int) -> int | None:
        """Length of the message that begins here; 0: none begins here; None: more bytes are needed."""
        buffer = self._buffer
        have = len(buffer) - at
        if have < HEADER:
            return None
        length = buffer[at + 1]
        shape = self._shapes[Kind(buffer[at], buffer[at + 2], buffer[at + 3])]
        inner = HEADER + shape.fixed
        if shape.array and have > inner and length != shape.fixed + 1 + buffer[at + inner]:
            return 0
        return HEADER + length if have >= HEADER + length else None


def _message(buffer: bytearray, at: int, length: int) -> Message:
    kind = Kind(buffer[at], buffer[at + 2], buffer[at + 3])
    return Message(kind, bytes(buffer[at + HEADER : at + length]))


def _starts(shapes: Mapping[Kind, Shape]) -> Iterable[bytes]:
    """Patterns of the known headers: the length exact, or, with an array, within its bounds."""
    for kind, shape in shapes.items():
        low = shape.fixed + shape.array
        length = b"[%b-%b]" % (_byte(low), _byte(LONGEST)) if shape.array else _byte(low)
        yield _byte(kind.type) + length + _byte(kind.group) + _byte(kind.command)


def _byte(value: int) -> bytes:
    return b"\\x%02x" % value


# Commands.


def _command(kind: Kind, payload: bytes = b"") -> bytes:
    return bytes(Message(kind, payload))


def disconnect(connection: int) -> bytes:
    """Close a connection."""
    return _command(DISCONNECT, bytes((connection,)))


def discover() -> bytes:
    """Start a scan in the generic mode."""
    return _command(DISCOVER, b"\x01")


def end_procedure() -> bytes:
    """End a scan or a connection attempt."""
    return _command(END_PROCEDURE)


def connect_direct(address: str, address_type: int = 0) -> bytes:
    """Connect at an interval of 7.5 ms, with a supervision timeout of 640 ms and no latency."""
    return _command(CONNECT_DIRECT, pack_address(address) + struct.pack("<BHHHH", address_type, 6, 6, 64, 0))


def read_by_handle(connection: int, handle: int) -> bytes:
    """Read an attribute."""
    return _command(READ_BY_HANDLE, struct.pack("<BH", connection, handle))


def attribute_write(connection: int, handle: int, data: bytes) -> bytes:
    """Write an attribute; the device confirms it."""
    return _command(ATTRIBUTE_WRITE, struct.pack("<BHB", connection, handle, len(data)) + data)


def indicate_confirm(connection: int) -> bytes:
    """Confirm an indication."""
    return _command(INDICATE_CONFIRM, bytes((connection,)))


# Contents.


@dataclass(frozen=True, slots=True)
class ScanResponse:
    """An advertisement."""

    rssi_dbm: int
    address: str
    address_type: int
    data: bytes
    """Advertising data: records of length, type, value."""

    def records(self) -> dict[int, bytes]:
        """Advertising records by type; a cut-off one is left out."""
        found: dict[int, bytes] = {}
        rest = self.data
        while len(rest) > 1 and 0 < rest[0] < len(rest):
            found[rest[1]] = rest[2 : rest[0] + 1]
            rest = rest[rest[0] + 1 :]
        return found


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """State of a connection, sent when it changes."""

    connection: int
    flags: int
    address: str
    interval_ms: float

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return bool(self.flags & 1)


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """The value of an attribute, read or sent by the device."""

    connection: int
    handle: int
    type: int
    """0 read, 1 notified, 2 indicated, 5 indicated and waiting to be confirmed."""
    data: bytes

    @property
    def needs_confirmation(self) -> bool:
        """Whether the host must confirm the indication."""
        return self.type == 5


def scan_response(message: Message) -> ScanResponse:
    """Decode a message of kind `SCAN_RESPONSE`."""
    rssi, _, address, kind, _, _ = struct.unpack_from("<bB6sBBB", message.payload)
    return ScanResponse(rssi, unpack_address(address), kind, message.payload[11:])


def connection_status(message: Message) -> ConnectionStatus:
    """Decode a message of kind `CONNECTION_STATUS`."""
    connection, flags, address, _, interval = struct.unpack_from("<BB6sBH", message.payload)
    return ConnectionStatus(connection, flags, unpack_address(address), interval * 1.25)


def attribute_value(message: Message) -> AttributeValue:
    """Decode a message of kind `ATTRIBUTE_VALUE`."""
    connection, handle, kind, _ = struct.unpack_from("<BHBB", message.payload)
    return AttributeValue(connection, handle, kind, message.payload[5:])


def pack_address(address: str) -> bytes:
    """Pack `AA:BB:CC:DD:EE:FF` into 6 bytes, the last one first.

    Raises:
        ValueError: not an address.
    """
    data = bytes.fromhex(address.replace(":", ""))
    if len(data) != 6:
        raise ValueError(f"not a Bluetooth address: {address!r}")
    return data[::-1]


def unpack_address(data: bytes) -> str:
    """Unpack 6 bytes, the last one first, into `AA:BB:CC:DD:EE:FF`."""
    return ":".join(f"{byte:02X}" for byte in reversed(data))
