"""The gForce's protocol: commands to it, and what it answers and sends.

Layouts: OYMotion's `gForceSDKPython` and its manual of data formats (oymotion.github.io). A value that does not fit
into a notification comes in parts: `FF`, how many parts follow, a part. EMG is what the converter gives, in counts; its
centre is taken off here. Published gains of the amplifier differ (800 and 1200), so counts stay counts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

import numpy as np

from models.arrays import Float32Array
from models.hand import CHANNELS

SERVICE_UUIDS: Final = ("0000ffd0-0000-1000-8000-00805f9b34fb", "f000ffd0-0451-4000-b000-000000000000")
"""What armbands advertise, and the longer form under which some systems list the service."""
PAYLOAD: Final = 128
"""Bytes of EMG in a packet, as they are asked for."""

Bits = Literal[8, 12]
RATE_HZ: Final[dict[Bits, float]] = {8: 1000.0, 12: 500.0}
"""Fastest rate of each resolution: both fill the radio's bandwidth."""
RATES_HZ: Final = ("500", "650", "1000")
"""Rates that the vendor's programs ask for."""


class Characteristic(Enum):
    """A characteristic of an armband; the value is its UUID."""

    COMMAND = "f000ffe1-0451-4000-b000-000000000000"
    DATA = "f000ffe2-0451-4000-b000-000000000000"

    @property
    def uuid(self) -> str:
        """Its 128-bit UUID."""
        return str(self.value)


GET_FIRMWARE: Final = 0x06
GET_BATTERY: Final = 0x08
SET_EMG: Final = 0x3F
SET_STREAMS: Final = 0x4F

_PART: Final = 0xFF
_EMG: Final = 0x08
_EMG_STREAM: Final = 0x80
_LARGEST_PACKET: Final = 4096
RESULTS: Final = {1: "it does not know it", 2: "it does not accept its values", 3: "it failed", 4: "it timed out"}
"""What a code other than 0 (done) in an answer means."""


def set_emg(bits: Bits, rate_hz: float) -> bytes:
    """Command that sets rate, channels, size of packets and resolution of EMG."""
    return struct.pack("<BHHBB", SET_EMG, round(rate_hz), 2**CHANNELS - 1, PAYLOAD, bits)


def set_streams(*, emg: bool) -> bytes:
    """Command that starts or stops EMG, and stops everything else."""
    return struct.pack("<BI", SET_STREAMS, _EMG_STREAM if emg else 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the armband answers to a command."""

    command: int
    code: int
    """0: done; otherwise see `RESULTS`."""
    payload: bytes


class PartialValues:
    """Puts together values that come in parts. It never raises; a value with a missing part is dropped."""

    def __init__(self) -> None:
        self.broken = 0
        """Values of which a part was missing."""
        self.joined = False
        """Whether the last value came in parts."""
        self._value = bytearray()
        self._following = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take a notification; return the value that it is, or completes."""
        if data[:1] != bytes((_PART,)):
            self._drop()
            self.joined = False
            return data
        if len(data) < 3:
            self._drop()
            return None
        following = data[1]
        if self._value and following != self._following - 1:
            self._drop()
        self._value += data[2:]
        self._following = following
        if len(self._value) > _LARGEST_PACKET:
            self._drop()
        if following or not self._value:
            return None
        value, self._value = bytes(self._value), bytearray()
        self.joined = True
        return value

    def restart(self) -> None:
        """Start anew on a new link."""
        self._value.clear()

    def _drop(self) -> None:
        self.broken += bool(self._value)
        self._value.clear()


class GForceDecoder:
    """Answers and samples from notifications. It never raises on garbage.

    Args:
        bits: of a sample.
    """

    def __init__(self, bits: Bits) -> None:
        self.malformed = 0
        """Values that could not be decoded."""
        self._bits = bits
        self._answers, self._data = PartialValues(), PartialValues()

    @property
    def broken(self) -> int:
        """Values of which a part was missing."""
        return self._answers.broken + self._data.broken

    def restart(self) -> None:
        """Start anew on a new link."""
        self._answers.restart()
        self._data.restart()

    def answer(self, data: bytes) -> Answer | None:
        """Decode a notification of the command characteristic; None if it is incomplete or none."""
        value = self._answers.feed(data)
        if value is None:
            return None
        if len(value) < 2:
            self.malformed += 1
            return None
        return Answer(value[1], value[0], value[2:])

    def emg(self, data: bytes) -> Float32Array | None:
        """Decode a notification of the data characteristic: (n, 8) counts around zero; None if it is no EMG."""
        value = self._data.feed(data)
        if not value:
            self.malformed += value == b""
            return None
        if value[0] != _EMG:
            return None
        width = 1 if self._bits == 8 else 2
        size = len(value) - 1
        # Of parts, the first may be missing: then only the length tells.
        if not size or size % (CHANNELS * width) or (self._data.joined and size != PAYLOAD):
            self.malformed += 1
            return None
        counts = np.frombuffer(value[1:], np.uint8 if width == 1 else "<u2").reshape(-1, CHANNELS)
        if int(counts.max()) >= 2**self._bits:
            self.malformed += 1
            return None
        samples: Float32Array = counts.astype(np.float32) - np.float32(2 ** (self._bits - 1))
        return samples
