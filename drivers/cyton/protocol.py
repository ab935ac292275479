"""OpenBCI Cyton: packets of 33 bytes at 250 Hz; with a Daisy module, sixteen channels at 125 Hz.

`A0`, counter (8 bits), 8 x int24 big-endian, 6 auxiliary bytes, footer `C0`..`C6` (layout and scale:
OpenBCI's Cyton firmware library and BrainFlow). The same bytes occur in data too, so a packet counts as found
only where two more packets follow it with the next two counters. (BrainFlow opens the port itself
and has to be polled for samples, so this is our own.) With a Daisy, packets of odd number are channels 1-8, and
those of the even number after it channels 9-16 of the same sample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float32Array
from models.hand import CHANNELS

RATE_HZ: Final = 250.0
DAISY_RATE_HZ: Final = 125.0
PACKET: Final = 33
"""Bytes in a packet."""
START: Final = 0xA0
FOOTERS: Final = range(0xC0, 0xC7)
COUNTS: Final = 256
"""Values of the counter."""
DEFAULT_GAIN: Final = 24

SOFT_RESET: Final = b"v"
CHANNEL_DEFAULTS: Final = b"d"
EIGHT_CHANNELS: Final = b"c"
SIXTEEN_CHANNELS: Final = b"C"
DAISY: Final = b"Daisy"
"""In the text that answers a reset where a Daisy module is attached."""
STREAM: Final = b"b"
STOP: Final = b"s"
PROMPT: Final = b"$$$"
"""Ends every text answer."""


def microvolts_per_count(gain: int = DEFAULT_GAIN) -> float:
    """Scale of the ADS1299 at its reference of 4.5 V, microvolts."""
    return 4.5 / gain / (2**23 - 1) * 1e6


@dataclass(frozen=True, slots=True)
class CytonRun:
    """Consecutive packets without a loss."""

    samples: Float32Array
    """(n, 8) in microvolts."""
    lost: int
    """Packets missing before this run according to the counter, modulo 256."""
    counter: int = 0
    """Of the first packet."""


class DaisyPairs:
    """Samples of sixteen channels from the packets of a Cyton with a Daisy."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start anew on a new link."""
        self._next: int | None = None
        self._newest = -1
        self._odd: Float32Array | None = None

    def feed(self, run: CytonRun) -> list[CytonRun]:
        """Join the packets of a run: samples (n, 16), and how many were lost before them."""
        first = run.counter if self._next is None else self._next + run.lost
        if self._next is None:
            self._newest = (first - 1) // 2 - 1
        rows = run.samples
        if self._odd is not None and run.lost == 0:
            first, rows = first - 1, np.concatenate((self._odd, rows))
        self._next = first + len(rows)
        if first % 2 == 0:
            first, rows = first + 1, rows[1:]
        count = len(rows) // 2
        self._odd = rows[2 * count :] if len(rows) % 2 else None
        if not count:
            return []
        lost = (first - 1) // 2 - self._newest - 1
        self._newest += lost + count
        return [CytonRun(rows[: 2 * count].reshape(count, 2 * CHANNELS), lost, run.counter)]


class CytonParser:
    """Samples from a byte stream. It never raises on garbage; it resynchronises and counts.

    Args:
        gain: of the amplifiers, as set on the board.
    """

    def __init__(self, gain: int = DEFAULT_GAIN) -> None:
        self.packets = 0
        self.skipped = 0
        """Bytes that belonged to no packet (the board's text answers too)."""
        self._scale = microvolts_per_count(gain)
        self._buffer = bytearray()
        self._expected = 0
        self._first = True
        self._in_step = False

    def feed(self, data: bytes) -> list[CytonRun]:
        """Decode bytes as they arrive; at most three packets are kept for the next call."""
        self._buffer += data
        runs: list[list[int]] = []
        losses: list[int] = []
        at = 0
        while (start := self._next(at)) is not None:
            self.skipped += start - at
            lost = self._lost(self._buffer[start + 1])
            if lost or not runs:
                runs.append([])
                losses.append(lost)
            runs[-1].append(start)
            at = start + PACKET
        decoded = [self._decode(starts, lost) for starts, lost in zip(runs, losses, strict=True)]
        self._forget(at)
        return decoded

    def restart(self) -> None:
        """Start anew on a new link, where the counter may have any value."""
        self._buffer.clear()
        self._first, self._in_step = True, False

    def _next(self, at: int) -> int | None:
        """Where the next packet begins, or None if more bytes are needed to decide."""
        if self._in_step:
            if len(self._buffer) - at < PACKET:
                return None
            if self._packet_at(at):
                if self._buffer[at + 1] == self._expected:
                    return at
                if len(self._buffer) - at < PACKET + 2:
                    return None
                if self._confirmed(at):
                    return at
            self._in_step = False
        return self._search(at)

    def _packet_at(self, at: int) -> bool:
        return self._buffer[at] == START and self._buffer[at + PACKET - 1] in FOOTERS

    def _confirmed(self, at: int) -> bool:
        """Whether the packet after one with an unexpected counter confirms it."""
        start, following = self._buffer[at + PACKET], self._buffer[at + PACKET + 1]
        if start == START and following == (self._expected + 1) % COUNTS:
            # The packets around it follow each other: only its counter is damaged.
            self._buffer[at + 1] = self._expected
            return True
        return start == START and following == (self._buffer[at + 1] + 1) % COUNTS

    def _search(self, at: int) -> int | None:
        """The first packet that two more with the next two counters follow."""
        for found in _CANDIDATE.finditer(self._buffer, at):
            first, second, third = found[1][0], found[2][0], found[3][0]
            if second == (first + 1) % COUNTS and third == (first + 2) % COUNTS:
                self._in_step = True
                return found.start()
        return None

    def _forget(self, at: int) -> None:
        if not self._in_step:
            keep = max(at, len(self._buffer) - 2 * PACKET - 1)
            self.skipped += keep - at
            at = keep
        del self._buffer[:at]

    def _lost(self, count: int) -> int:
        lost = 0 if self._first else (count - self._expected) % COUNTS
        self._first = False
        self._expected = (count + 1) % COUNTS
        self.packets += 1
        return lost

    def _decode(self, starts: list[int], lost: int) -> CytonRun:
        packets = np.stack([np.frombuffer(bytes(self._buffer[s : s + PACKET]), np.uint8) for s in starts])
        counts = packets[:, 2 : 2 + 3 * CHANNELS].reshape(-1, CHANNELS, 3).astype(np.int32)
        signed = ((counts[..., 0] << 24) | (counts[..., 1] << 16) | (counts[..., 2] << 8)) >> 8
        return CytonRun((signed * self._scale).astype(np.float32), lost, self._buffer[starts[0] + 1])


# A lookahead, so that candidates may overlap: a false one hides no true one.
_CANDIDATE: Final = re.compile(rb"\xa0(?=(.).{30}[\xc0-\xc6]\xa0(.).{30}[\xc0-\xc6]\xa0(.))", re.DOTALL)
