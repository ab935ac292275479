"""Chords: packets of 16-bit samples with a counter, and the boards that send them.

`C7 7C`, counter (8 bits), n x uint16 big-endian, `01` (layout, boards and rates: Upside Down Labs' Chords-Python and
Chords-Arduino-Firmware). The same bytes occur in data too, so a packet counts as found only where two more packets
follow it with the next two counters. Samples are what the converter gives; the middle of its range is taken off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float32Array
from models.hand import CHANNELS

SYNC: Final = b"\xc7\x7c"
END: Final = 0x01
COUNTS: Final = 256
"""Values of the counter."""
BAUDS: Final = (230400, 115200)
"""Bits per second, in the order in which the vendor's program tries them."""
USB_VENDORS: Final = (0x2341, 0x2A03, 0x1A86, 0x0403, 0x2E8A, 0x0483, 0x303A)
"""USB vendors of such boards and of their serial adapters: Arduino (two), CH340, FTDI, Raspberry Pi, ST, Espressif."""
WHO: Final = b"WHORU\n"
START: Final = b"START\n"
STOP: Final = b"STOP\n"


@dataclass(frozen=True, slots=True)
class ChordsBoard:
    """A board that the firmware runs on."""

    name: str
    """As it answers to `WHORU`."""
    rate_hz: float
    channels: int
    bits: int
    """Of its converter."""

    @property
    def packet(self) -> int:
        """Bytes in a packet."""
        return len(SYNC) + 1 + 2 * self.channels + 1


BOARDS: Final = {
    board.name: board
    for board in (
        ChordsBoard("NANO-CLASSIC", 250.0, 8, 10),
        ChordsBoard("NANO-CLONE", 250.0, 8, 10),
        ChordsBoard("STM32F4-BLACK-PILL", 500.0, 8, 12),
        ChordsBoard("STM32G4-CORE-BOARD", 500.0, 16, 12),
        ChordsBoard("MEGA-2560-R3", 250.0, 16, 10),
        ChordsBoard("MEGA-2560-CLONE", 250.0, 16, 10),
        ChordsBoard("ESP32-S3", 500.0, 16, 12),
        ChordsBoard("UNO-R3", 250.0, 6, 10),
        ChordsBoard("UNO-CLONE", 250.0, 6, 10),
        ChordsBoard("GENUINO-UNO", 250.0, 6, 10),
        ChordsBoard("UNO-R4", 500.0, 6, 14),
        ChordsBoard("GIGA-R1", 500.0, 6, 16),
        ChordsBoard("RPI-PICO-RP2040", 500.0, 3, 12),
        ChordsBoard("NPG-LITE", 500.0, 3, 12),
    )
}
"""Every board by its name; those with fewer than eight channels are known so that they can be named."""

_KNOWN: Final = re.compile(
    b"(" + b"|".join(name.encode() for name in sorted(BOARDS, key=len, reverse=True)) + rb")\r?\n"
)
_UNKNOWN: Final = re.compile(rb"^\s*([A-Z][A-Z0-9-]{3,31})\r?\n", re.MULTILINE)


def board_named(text: bytes) -> ChordsBoard | str | None:
    """The board that an answer names, even amid samples; the name of one that is not known; None if there is none."""
    if known := _KNOWN.search(text):
        return BOARDS[known[1].decode("ascii")]
    unknown = _UNKNOWN.search(text)
    return unknown[1].decode("ascii") if unknown else None


@dataclass(frozen=True, slots=True)
class ChordsRun:
    """Consecutive packets without a loss."""

    samples: Float32Array
    """(n, 8) in counts around zero."""
    lost: int
    """Packets missing before this run according to the counter, modulo 256."""


class ChordsParser:
    """Samples from a byte stream. It never raises on garbage; it resynchronises and counts.

    Args:
        board: that sends it.
        channels: which eight of its channels, from 0.
    """

    def __init__(self, board: ChordsBoard, channels: Sequence[int] = range(CHANNELS)) -> None:
        self.packets = 0
        self.skipped = 0
        """Bytes that belonged to no packet (the board's answers too)."""
        self._size = board.packet
        self._middle = float(2 ** (board.bits - 1))
        self._channels = list(channels)
        self._buffer = bytearray()
        self._expected: int | None = None
        self._in_step = False
        gap = b".{%d}" % (2 * board.channels)
        packet = re.escape(SYNC) + rb"(.)" + gap + b"\x01"
        # A lookahead, so that candidates may overlap: a false one hides no true one.
        self._three = re.compile(b"(?=" + packet * 3 + b")", re.DOTALL)

    def feed(self, data: bytes) -> list[ChordsRun]:
        """Decode bytes as they arrive; at most three packets are kept for the next call."""
        self._buffer += data
        runs: list[list[int]] = []
        losses: list[int] = []
        at = 0
        while (start := self._next(at)) is not None:
            self.skipped += start - at
            lost = self._lost(self._buffer[start + 2])
            if lost or not runs:
                runs.append([])
                losses.append(lost)
            runs[-1].append(start)
            at = start + self._size
        decoded = [ChordsRun(self._decode(starts), lost) for starts, lost in zip(runs, losses, strict=True)]
        self._forget(at)
        return decoded

    def restart(self) -> None:
        """Start anew on a new link, where the counter may have any value."""
        self._buffer.clear()
        self._expected, self._in_step = None, False

    def _next(self, at: int) -> int | None:
        """Where the next packet begins, or None if more bytes are needed to decide."""
        if self._in_step:
            if len(self._buffer) - at < self._size:
                return None
            if self._packet_at(at):
                if self._buffer[at + 2] == self._expected:
                    return at
                # A damaged counter, or a loss: the next packet tells.
                if len(self._buffer) - at < self._size + 3:
                    return None
                if self._confirmed(at):
                    return at
            self._in_step = False
        for found in self._three.finditer(self._buffer, at):
            first, second, third = (group[0] for group in found.groups())
            if second == (first + 1) % COUNTS and third == (first + 2) % COUNTS:
                self._in_step = True
                return found.start()
        return None

    def _packet_at(self, at: int) -> bool:
        return self._buffer[at : at + 2] == SYNC and self._buffer[at + self._size - 1] == END

    def _confirmed(self, at: int) -> bool:
        """Whether the packet after one with an unexpected counter confirms it."""
        if self._buffer[at + self._size : at + self._size + 2] != SYNC:
            return False
        following = self._buffer[at + self._size + 2]
        if self._expected is not None and following == (self._expected + 1) % COUNTS:
            # The packets around it follow each other: only its counter is damaged.
            self._buffer[at + 2] = self._expected
            return True
        return following == (self._buffer[at + 2] + 1) % COUNTS

    def _forget(self, at: int) -> None:
        if not self._in_step:
            keep = max(at, len(self._buffer) - 3 * self._size + 1)
            self.skipped += keep - at
            at = keep
        del self._buffer[:at]

    def _lost(self, count: int) -> int:
        lost = 0 if self._expected is None else (count - self._expected) % COUNTS
        self._expected = (count + 1) % COUNTS
        self.packets += 1
        return lost

    def _decode(self, starts: list[int]) -> Float32Array:
        packets = np.stack([np.frombuffer(self._buffer[s + 3 : s + self._size - 1], ">u2") for s in starts])
        return (packets[:, self._channels].astype(np.float32) - self._middle).astype(np.float32)
