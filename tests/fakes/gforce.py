"""A gForce armband as OYMotion's protocol describes it: answers, and EMG that is split where it is too long.

It follows the published layouts and shares nothing with the driver. No I/O; time is an argument.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

COMMAND: Final = 0x21
DATA: Final = 0x24
COMMAND_UUID: Final = "f000ffe1-0451-4000-b000-000000000000"
DATA_UUID: Final = "f000ffe2-0451-4000-b000-000000000000"
SERVICE: Final = "f000ffd0-0451-4000-b000-000000000000"
ADVERTISED: Final = "0000ffd0-0000-1000-8000-00805f9b34fb"
DONE, NOT_SUPPORTED, BAD_PARAMETER = 0, 1, 2
FASTEST: Final = {8: 1000, 12: 500}


@dataclass(frozen=True)
class Value:
    """A notification."""

    due: float
    characteristic: int
    data: bytes


class EmulatedGForce:
    """Streams the rows of `counts`, unsigned in the resolution that is asked for.

    Args:
        counts: (n, 8) around zero.
        mtu: of the link: a notification holds three bytes less.
        resolutions: that its firmware knows.
    """

    def __init__(
        self,
        counts: np.ndarray[tuple[int, int], np.dtype[np.float32]],
        *,
        name: str = "gForcePro+(AB12)",
        battery: int = 66,
        mtu: int = 185,
        resolutions: tuple[int, ...] = (8, 12),
    ) -> None:
        self.name = name
        self.battery = battery
        self.mtu = mtu
        self.at = 0
        self.streams = False
        self.lose: set[int] = set()
        """Numbers of notifications of EMG, from the start of the stream, that the radio loses."""
        self._counts, self._resolutions = counts.astype(int), resolutions
        self._rate, self._bits, self._size = 500, 8, 128
        self._start, self._packets, self._sent = 0.0, 0, 0
        self._subscribed: set[int] = set()
        self._values: list[Value] = []

    # What a state of the fake bluetoothd asks of any armband.
    never_sleeps = False
    vibrations: tuple[int, ...] = ()

    @property
    def played(self) -> int:
        return self.at

    def read(self, handle: int) -> bytes | int:
        return 0x0402

    def write(self, handle: int, data: bytes, now: float) -> int:
        if handle != COMMAND or not data:
            return 0x0403
        self._answer(data[0], *self._do(data[0], data[1:], now), now)
        return 0

    def subscribe(self, handle: int, configuration: int) -> None:
        (self._subscribed.add if configuration else self._subscribed.discard)(handle)

    def hang_up(self) -> None:
        self._subscribed.clear()
        self._values.clear()
        self.streams = False

    def next_due(self) -> float | None:
        times = [value.due for value in self._values]
        return (
            min([*times, self._start + (self._packets + 1) * self._period], default=None)
            if self.streams
            else min(times, default=None)
        )

    def due(self, now: float) -> list[Value]:
        while self.streams and self._start + (self._packets + 1) * self._period <= now:
            self._packets += 1
            self._emg(self._start + self._packets * self._period)
        found = [value for value in self._values if value.due <= now and value.characteristic in self._subscribed]
        self._values = [value for value in self._values if value.due > now]
        return found

    @property
    def _rows(self) -> int:
        return self._size // (8 if self._bits == 8 else 16)

    @property
    def _period(self) -> float:
        return self._rows / self._rate

    def _do(self, command: int, body: bytes, now: float) -> tuple[int, bytes]:
        if command == 0x06:
            return DONE, b"2.1.7.20230901-release"
        if command == 0x08:
            return DONE, bytes((self.battery,))
        if command == 0x3F and len(body) == 6:
            rate, mask, size, bits = struct.unpack("<HHBB", body)
            if bits not in self._resolutions:
                return NOT_SUPPORTED, b""
            if rate > FASTEST[bits] or mask != 0xFF or size % (8 if bits == 8 else 16):
                return BAD_PARAMETER, b""
            self._rate, self._size, self._bits = rate, size, bits
            return DONE, b""
        if command == 0x4F and len(body) == 4:
            self.streams = bool(int.from_bytes(body, "little") & 0x80)
            self._start, self._packets, self._sent = now, 0, 0
            return DONE, b""
        return NOT_SUPPORTED, b""

    def _answer(self, command: int, code: int, body: bytes, now: float) -> None:
        self._values += [Value(now, COMMAND, part) for part in self._split(bytes((code, command)) + body)]

    def _emg(self, due: float) -> None:
        rows = self._counts[np.arange(self.at, self.at + self._rows) % len(self._counts)]
        self.at += self._rows
        packed = (rows + 2 ** (self._bits - 1)).astype(np.uint8 if self._bits == 8 else "<u2").tobytes()
        for part in self._split(b"\x08" + packed):
            if self._sent not in self.lose:
                self._values.append(Value(due, DATA, part))
            self._sent += 1

    def _split(self, value: bytes) -> list[bytes]:
        room = self.mtu - 3
        if len(value) <= room:
            return [value]
        size = room - 2
        pieces = [value[start : start + size] for start in range(0, len(value), size)]
        return [bytes((0xFF, len(pieces) - 1 - number)) + piece for number, piece in enumerate(pieces)]
