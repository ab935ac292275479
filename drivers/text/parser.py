"""Parse lines of numbers, as do-it-yourself boards print them.

Separators: comma, semicolon, tab, space; decimal commas where something else separates. Line ends: LF, CRLF, CR. Names
before numbers, as for Arduino's plotter (`emg1:512`), are left out. Anything else (a banner, a debug print, a line cut
off) is counted and left out. In lines of more than eight numbers, first columns that grow or count
(`drivers.sessions.text.columns`) are left out, and the first eight of the rest are the channels; a label may follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.sessions.text.columns import leading_columns, may_grow
from drivers.sessions.text.dialect import dialect_of
from models.arrays import Float32Array
from models.hand import CHANNELS

LONGEST: Final = 512
"""Bytes; a longer line is discarded."""
PROBE: Final = 16
"""Lines of more than eight numbers that are needed to decide whether the first column is a time stamp."""
LONGEST_PROBE: Final = 8 * PROBE
"""Lines after which that is decided even if the first column has hardly moved."""

_LARGEST: Final = float(np.finfo(np.float32).max)
_BREAK: Final = re.compile(rb"[\r\n]+")
_SEPARATOR: Final = re.compile(rb"[,;\t ]+")
_NAME: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*\s*:")
_MIXED: Final = re.compile(rb"[;\t ]")
_PLAUSIBLE: Final = re.compile(rb"[\x20-\x7e\t]*[0-9][\x20-\x7e\t]*")


@dataclass(frozen=True, slots=True)
class TextRun:
    """Consecutive lines without a malformed one between them."""

    samples: Float32Array
    """(n, 8)."""
    lost: int
    """Malformed lines before this run that may have been samples."""


class TextLines:
    """Samples from a byte stream of lines. It never raises on garbage.

    Args:
        first: the column of channel 1, from 1, or None to find it.
    """

    def __init__(self, first: int | None = None) -> None:
        self.lines = 0
        self.malformed = 0
        self._buffer = bytearray()
        self._begun = False
        self._skip = None if first is None else first - 1
        self._probe: list[list[float]] = []
        self._find = first is None
        self._width: int | None = None
        self._bad = 0
        self._odd = 0

    def feed(self, data: bytes) -> list[TextRun]:
        """Parse bytes as they arrive; at most one unfinished line is kept for the next call."""
        self._buffer += data
        *lines, rest = _BREAK.split(self._buffer)
        self._buffer = bytearray(rest)
        if not self._begun and lines:
            self._begun = True
            lines = lines[1:]
        if len(self._buffer) > LONGEST:
            self._buffer.clear()
            self._begun = False
            self._reject()
        return self._runs(lines)

    def restart(self) -> None:
        """Start anew on a new link, where the first line may be incomplete."""
        self._buffer.clear()
        self._begun, self._bad = False, 0

    def _runs(self, lines: list[bytes]) -> list[TextRun]:
        runs: list[list[list[float]]] = []
        losses: list[int] = []
        for line in lines:
            rows = self._rows(line)
            if not rows:
                continue
            if self._bad or not runs:
                runs.append([])
                losses.append(self._bad)
                self._bad = 0
            runs[-1] += rows
        return [TextRun(np.array(rows, np.float32), lost) for rows, lost in zip(runs, losses, strict=True)]

    @property
    def skipped(self) -> int:
        """Columns before the channels that are taken for times or counters."""
        return self._skip or 0

    def _rows(self, line: bytes) -> list[list[float]]:
        """The rows that this line completes: none, one, or all those held back until the columns are known."""
        if not line.strip():
            return []
        numbers = parse_numbers(line)
        if len(numbers) < CHANNELS + (self._skip or 0) or self._width not in (None, len(numbers)):
            return self._reject()
        self.lines += 1
        self._odd = 0
        if self._skip is not None:
            return [numbers[self._skip : self._skip + CHANNELS]]
        return self._decide(numbers)

    def _reject(self) -> list[list[float]]:
        self.malformed += 1
        self._bad += self.lines > 0
        self._odd += 1
        if self._odd >= PROBE and self._find:
            self._skip = self._width = None
        return []

    def _decide(self, numbers: list[float]) -> list[list[float]]:
        if self._probe and len(self._probe[0]) != len(numbers):
            self._probe.clear()
        self._probe.append(numbers)
        if len(numbers) > CHANNELS and len(self._probe) < PROBE:
            return []
        values = np.array(self._probe)
        wide = len(numbers) > CHANNELS
        if wide and may_grow(values[:, 0]) and len(self._probe) < LONGEST_PROBE:
            return []
        self._skip = leading_columns(values, CHANNELS) if wide else 0
        self._width = len(numbers)
        rows = [row[self._skip : self._skip + CHANNELS] for row in self._probe]
        self._probe.clear()
        return rows


def parse_numbers(line: bytes) -> list[float]:
    """The numbers of a line; [] if one is not finite, or a word other than the first and the last is none."""
    if _PLAUSIBLE.fullmatch(line) is None:
        return []
    if b":" in line:
        line = _NAME.sub(b"", line)
    if b"," in line and _MIXED.search(line) and dialect_of([line.decode("ascii")]).decimal_comma:
        line = line.replace(b",", b".")
    words = _SEPARATOR.split(line.strip(b",;\t "))
    numbers = [_number(word) for word in words]
    if any(number is not None and not abs(number) <= _LARGEST for number in numbers):
        return []
    if numbers and numbers[0] is None:
        numbers = numbers[1:]
    if numbers and numbers[-1] is None:
        numbers = numbers[:-1]
    return [] if None in numbers else [number for number in numbers if number is not None]


def _number(word: bytes) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
