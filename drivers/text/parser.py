"""Parse lines of numbers, as do-it-yourself boards print them.

Separators: comma, semicolon, bar, tab, space; decimal commas where something else separates; brackets around a
line. Line ends: LF, CRLF, CR. Names
before numbers, as for Arduino's plotter (`emg1:512`), are left out; where they are numbered, they say which numbers are
channels (`min:0,max:1023,emg1:512,…`). Anything else (a banner, a debug print, a line cut off) is counted and left out.
In lines of more numbers than channels, first columns that grow or count (`drivers.sessions.text.columns`) are left out,
and the channels are among the rest; a label may follow. A column that counts lines says how many were lost, and which
come late or twice, as datagrams do: those are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from drivers.sessions.text.columns import LEAST_ROWS, leading_columns, may_grow
from drivers.sessions.text.dialect import dialect_of
from models.arrays import Float32Array
from models.hand import CHANNELS

LONGEST: Final = 512
"""Bytes; a longer line is discarded."""
PROBE: Final = 16
"""Lines of more than eight numbers that are needed to decide whether the first column is a time stamp."""
LONGEST_PROBE: Final = 8 * PROBE
"""Lines after which that is decided even if the first column has hardly moved."""

LATE: Final = 64
"""Lines by which one may come later than it was sent; from further back, the counter has started anew."""
MOST_LOST: Final = 1000
"""Lines that a counter may miss at once; a larger step is no count of what was lost."""
_OVERTAKEN: Final = 4
"""Places by which a line may be out of order among the first; a counter that wraps looks so, but is further off."""
_RESTART: Final = 3
"""Lines in a row that would be late after which the counter has started anew instead."""

_LARGEST: Final = float(np.finfo(np.float32).max)
_BREAK: Final = re.compile(rb"[\r\n]+")
_SEPARATOR: Final = re.compile(rb"[,;|\t ]+")
_NAME: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*\s*:")
_NUMBERED: Final = re.compile(rb"(?P<stem>[A-Za-z0-9_]*?)(?P<number>\d{1,4})\s*:")
_MIXED: Final = re.compile(rb"[;|\t ]")
_PLAUSIBLE: Final = re.compile(rb"[\x20-\x7e\t]*[0-9][\x20-\x7e\t]*")


@dataclass(frozen=True, slots=True)
class TextRun:
    """Consecutive lines without a loss between them."""

    samples: Float32Array
    """(n, 8)."""
    lost: int
    """Lines lost before this run: by their counter if they have one, else malformed ones that may have been samples."""


class LineCounter:
    """What the numbers of lines say: which are lost, late, or come twice.

    Args:
        column: of the counter, from 0.
        least: the smallest number so far, where a counter that wraps begins again.
        last: the last line so far.
    """

    def __init__(self, column: int, least: float, last: list[float] | None) -> None:
        self.column = column
        self.late = 0
        """Lines that came late or twice."""
        self._least, self._last = least, last
        self._late_in_a_row = 0
        self._missing: set[float] = set()
        """Numbers that were passed over last, and may still come."""

    def restart(self) -> None:
        """Take whatever comes next: on a new link a board may count from anywhere."""
        self._last = None

    def lost(self, line: list[float]) -> int | None:
        """Lines lost before this one; None if it comes late or twice.

        Raises:
            NoCounter: two different lines have the same number.
        """
        number = line[self.column]
        step = 1.0 if self._last is None else number - self._last[self.column]
        if step == 0 and line != self._last:
            raise NoCounter
        late = step == 0 or (-LATE <= step < 0 and number > self._least)
        if late and number in self._missing:
            # Overtaken: no sign of a counter that has started anew.
            self._missing.discard(number)
            self.late += 1
            return None
        self._late_in_a_row = self._late_in_a_row + 1 if late else 0
        if late and self._late_in_a_row < _RESTART:
            self.late += 1
            return None
        self._late_in_a_row = 0
        if step != 1:
            self._missing = (
                {number - back for back in range(1, min(int(step), LATE))} if 1 < step <= MOST_LOST else set()
            )
        self._last, self._least = line, min(self._least, number)
        return int(step) - 1 if 1 < step <= MOST_LOST else 0


class NoCounter(ValueError):
    """A column that seemed to count lines is a time, or something else."""


class TextLines:
    """Samples from a byte stream of lines. It never raises on garbage.

    Args:
        first: the column of channel 1, from 1, or None to find it.
        channels: which eight of the channels are samples, from 0.
    """

    def __init__(self, first: int | None = None, channels: Sequence[int] = range(CHANNELS)) -> None:
        self.lines = 0
        self.malformed = 0
        self._buffer = bytearray()
        self._begun = False
        self._skip = None if first is None else first - 1
        self._channels = tuple(channels)
        self._needed = max(self._channels) + 1
        self._probe: list[list[float]] = []
        self._find = first is None
        self._width: int | None = None
        self._counter: LineCounter | None = None
        self._lost = 0
        self._odd = 0
        self.columns = ""
        """What the numbers of a line were taken for, where it has more than the channels; empty until it is known."""

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
        self._begun, self._lost = False, 0
        if self._counter is not None:
            self._counter.restart()

    def _runs(self, lines: list[bytes]) -> list[TextRun]:
        runs: list[list[list[float]]] = []
        losses: list[int] = []
        for line in lines:
            rows = self._rows(line)
            if not rows:
                continue
            if self._lost or not runs:
                runs.append([])
                losses.append(self._lost)
                self._lost = 0
            runs[-1] += rows
        return [TextRun(np.array(rows, np.float32), lost) for rows, lost in zip(runs, losses, strict=True)]

    @property
    def skipped(self) -> int:
        """Columns before the channels that are taken for times or counters."""
        return self._skip or 0

    @property
    def late(self) -> int:
        """Lines that came late or twice, by their counter."""
        return self._counter.late if self._counter else 0

    def _rows(self, line: bytes) -> list[list[float]]:
        """The rows that this line completes: none, one, or all those held back until the columns are known."""
        if not line.strip():
            return []
        numbers = parse_numbers(line)
        if b":" in line and len(numbers) > self._needed:
            numbers = _channels_by_name(line, numbers, self._needed)
        if len(numbers) < self._needed + (self._skip or 0) or self._width not in (None, len(numbers)):
            return self._reject()
        self._odd = 0
        if self._counter is not None and self._comes_late(self._counter, numbers):
            return []
        self.lines += 1
        if self._skip is not None:
            return [self._chosen(numbers)]
        return self._decide(numbers)

    def _comes_late(self, counter: LineCounter, numbers: list[float]) -> bool:
        """Whether the line's number says so; it also says how many are lost before it."""
        try:
            lost = counter.lost(numbers)
        except NoCounter:
            self._counter = None
            return False
        self._lost = self._lost if lost is None else lost
        return lost is None

    def _told(self, width: int) -> str:
        skip = self._skip or 0
        taken = [skip + channel + 1 for channel in self._channels]
        together = taken == list(range(taken[0], taken[0] + CHANNELS))
        channels = f"{taken[0]}-{taken[-1]}" if together else ", ".join(map(str, taken))
        before = f"the first {skip} grow or count: left out; " if skip > 1 else "the first grows or counts: left out; "
        advice = "?first= says which number is channel 1" + (
            ", ?channels= which eight are" if width > CHANNELS + 2 else ""
        )
        return f"of {width} numbers in a line {before if skip else ''}{channels} are channels 1-8 ({advice})"

    def _chosen(self, numbers: list[float]) -> list[float]:
        skip = self._skip or 0
        return [numbers[skip + channel] for channel in self._channels]

    def _reject(self) -> list[list[float]]:
        self.malformed += 1
        self._lost += self.lines > 0
        self._odd += 1
        if self._odd >= PROBE and self._find:
            self._skip = self._width = self._counter = None
        return []

    def _decide(self, numbers: list[float]) -> list[list[float]]:
        if self._probe and len(self._probe[0]) != len(numbers):
            self._probe.clear()
        self._probe.append(numbers)
        wide = len(numbers) > self._needed
        if wide and len(self._probe) < PROBE:
            return []
        if wide and len(self._probe) < PROBE + 2 * _OVERTAKEN and _are_some_overtaken(self._probe):
            return []
        if wide:
            self._probe = _in_order(self._probe)
        values = np.array(self._probe)
        if wide and may_grow(values[:, 0]) and len(self._probe) < LONGEST_PROBE:
            return []
        self._skip = leading_columns(values, self._needed) if wide else 0
        self._width = len(numbers)
        self.columns = self._told(len(numbers)) if wide else ""
        self._counter = _line_counter(self._probe, self._skip)
        rows = [self._chosen(row) for row in self._probe]
        self._probe.clear()
        return rows


def _are_some_overtaken(lines: list[list[float]]) -> bool:
    """Whether the last lines came out of order, so that some before them are still to come."""
    numbers = sorted({line[0] for line in lines})
    steps = [after - before for before, after in pairwise(numbers)]
    first = next((place for place, step in enumerate(steps) if step != 1), None)
    return first is not None and len(steps) - first <= _OVERTAKEN and sum(steps[first:]) <= 2 * _OVERTAKEN


def _in_order(lines: list[list[float]]) -> list[list[float]]:
    """Lines in the order of their first numbers, where these are consecutive: datagrams overtake each other."""
    once = list({tuple(line): None for line in lines})
    ordered = sorted(once, key=lambda line: line[0])
    if len(once) < PROBE // 2 or any(after[0] - before[0] != 1 for before, after in pairwise(ordered)):
        return lines
    if any(abs(place - (line[0] - ordered[0][0])) > _OVERTAKEN for place, line in enumerate(once)):
        return lines
    return [list(line) for line in ordered]


def _line_counter(lines: list[list[float]], leading: int) -> LineCounter | None:
    """The counter among the first `leading` columns, whose number rises by one with every line, or wraps."""
    for column in range(leading):
        numbers = np.array([line[column] for line in lines])
        steps = np.diff(numbers)
        if len(steps) and ((steps == 1) | (steps < 0)).all() and (steps < 0).sum() <= len(steps) // LEAST_ROWS:
            return LineCounter(column, float(numbers.min()), lines[-1])
    return None


def _channels_by_name(line: bytes, numbers: list[float], needed: int) -> list[float]:
    """The numbers whose names are numbered alike, in the order of their numbers; all where that says nothing.

    Args:
        line: with a name before each of its numbers.
        numbers: of the line.
        needed: how many channels there must be.
    """
    names = [name.group() for name in _NAME.finditer(line)]
    if len(names) != len(numbers):
        return numbers
    groups: dict[bytes, dict[int, int]] = {}
    for place, name in enumerate(names):
        if found := _NUMBERED.fullmatch(name):
            groups.setdefault(found["stem"], {})[int(found["number"])] = place
    largest = max(groups.values(), key=len, default={})
    return [numbers[largest[number]] for number in sorted(largest)] if len(largest) >= needed else numbers


def parse_numbers(line: bytes) -> list[float]:
    """The numbers of a line; [] if one is not finite, or a word other than the first and the last is none."""
    if _PLAUSIBLE.fullmatch(line) is None:
        return []
    if b":" in line:
        line = _NAME.sub(b"", line)
    if b"," in line and _MIXED.search(line) and dialect_of([line.decode("ascii")]).decimal_comma:
        line = line.replace(b",", b".")
    words = _SEPARATOR.split(line.strip(b",;|\t ()[]"))
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
