"""Read tables of numbers from text: at once where all lines are good, line by line where one is not."""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final

import numpy as np
import orjson

from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.text.dialect import Dialect
from models.arrays import Float64Array, Int64Array
from models.hand import CHANNELS

_MOST_DROPPED: Final = 0.1
_JUDGE_AFTER: Final = 10_000
_LARGEST: Final = float(np.finfo(np.float32).max)
_NO_NUMBERS: Final = ("l", "u", '"', "[", "{")
"""Marks of what JSON knows beside numbers: null, false, true, texts, lists and objects."""
LONGEST_LINE: Final = 1 << 20
"""Characters; no row of numbers is as long."""

Lines = list[str]


def lines_of(blocks: Iterable[bytes], name: str) -> Iterator[Lines]:
    """Yield the whole lines of each block, without line ends (LF, CRLF or CR).

    Raises:
        SessionError: a line is longer than a megabyte.
    """
    rest = b""
    for block in _utf8(blocks):
        # A CR at the end of a block may be half of a CRLF.
        held = b"\r" if block.endswith(b"\r") else b""
        text = rest + block.removesuffix(held)
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        head, newline, tail = text.rpartition(b"\n")
        rest = tail + held
        if len(rest) > LONGEST_LINE:
            raise SessionError(f"{name}: has a line of more than {LONGEST_LINE:,} characters; expected rows of numbers")
        if newline:
            yield _text(head)
    if rest:
        yield _text(rest.replace(b"\r", b"\n").removesuffix(b"\n"))


def _utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks in UTF-8, if they begin with the mark of UTF-16 (as PowerShell writes what is redirected)."""
    decoder: codecs.IncrementalDecoder | None = None
    for place, block in enumerate(blocks):
        if place == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        yield decoder.decode(block).encode() if decoder else block


def number(token: str) -> float | None:
    """The token as a number, or None."""
    try:
        return float(token)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Rows:
    """The readable rows of a table."""

    values: Float64Array
    """(k, columns) numbers."""
    line: Int64Array
    """(k,) line number of each, from 1."""
    ordinal: Int64Array
    """(k,) index of each among the lines that are not blank, dropped ones counted."""


@dataclass(slots=True)
class Table:
    """A reader of rows of numbers; rows that cannot be read are dropped and reported.

    Args:
        name: the file, for messages.
        width: tokens per row.
        dialect: how rows are split.
        optional: used columns from this one on may be empty or NaN.
        used: the columns to read, in this order; None: all.
        words: what reads a token of a used column that is not a number; it gives None for one that it cannot read.
    """

    name: str
    width: int
    dialect: Dialect
    report: ReadReport
    optional: int | None = None
    used: tuple[int, ...] | None = None
    words: Mapping[int, Callable[[str], float | None]] = field(default_factory=dict)
    rows_read: int = 0
    bad: int = 0
    first_bad: str = ""
    _line: int = field(default=0)

    def blocks(self, batches: Iterable[Lines], first_line: int) -> Iterator[Rows]:
        """Yield the rows, block by block.

        Raises:
            SessionError: more than a tenth of the lines, or all, cannot be read.
        """
        self._line = first_line
        for lines in batches:
            rows = self._block(lines)
            self._line += len(lines)
            self.rows_read += len(rows.values)
            self._check_bad_share(_JUDGE_AFTER)
            if len(rows.values):
                yield rows
        self._check_bad_share(0)
        if not self.rows_read:
            raise SessionError(f"{self.name}: holds no samples; expected rows of {self.width} numbers")

    def _block(self, lines: Lines) -> Rows:
        if not self.dialect.plain:
            lines = [self.dialect.canonical(line) for line in lines]
        values = self._at_once(lines)
        if values is None:
            return self._line_by_line(lines)
        index = np.arange(len(lines), dtype=np.int64)
        return Rows(values, index + self._line, index + self.rows_read + self.bad)

    def _at_once(self, lines: Lines) -> Float64Array | None:
        """The rows (n, columns), or None if not every line is good."""
        delimiter = self.dialect.delimiter
        values = self._as_json(lines)
        if values is not None:
            return values if self._fits(values) else None
        if self.used is not None and not self._all_wide(lines):
            return None
        try:
            values = np.loadtxt(lines, dtype=np.float64, delimiter=delimiter, comments=None, ndmin=2, usecols=self.used)
        except (ValueError, IndexError):
            return None
        return values if values.shape == (len(lines), self._columns) and self._fits(values) else None

    def _as_json(self, lines: Lines) -> Float64Array | None:
        """The rows (n, columns) where their numbers are as JSON writes them, too, as nearly all are.

        orjson is three times faster than `numpy.loadtxt`.
        """
        delimiter = self.dialect.delimiter
        if delimiter is None:
            tokens = [line.split() for line in lines]
            if any(len(row) != self.width for row in tokens):
                return None
            text = ",".join(map(",".join, tokens))
        elif self._all_wide(lines):
            text = ",".join(lines) if delimiter == "," else delimiter.join(lines).replace(delimiter, ",")
        else:
            return None
        if any(mark in text for mark in _NO_NUMBERS):
            return None
        if self.optional is not None and (",," in text or text.endswith(",")):
            # Two in a row share a comma; an empty value at the end of a line stands before the next line.
            text = text.replace(",,", ",null,").replace(",,", ",null,") + ("null" if text.endswith(",") else "")
        try:
            flat = np.array(orjson.loads(f"[{text}]"), dtype=np.float64)
        except (ValueError, TypeError, OverflowError):
            return None
        if flat.shape != (len(lines) * self.width,):
            return None
        values = flat.reshape(len(lines), self.width)
        return values if self.used is None else values[:, list(self.used)]

    @property
    def _columns(self) -> int:
        return self.width if self.used is None else len(self.used)

    def _all_wide(self, lines: Lines) -> bool:
        delimiter = self.dialect.delimiter
        if delimiter is None:
            return all(len(line.split()) == self.width for line in lines)
        return set(map(str.count, lines, repeat(delimiter))) <= {self.width - 1}

    def _fits(self, values: Float64Array) -> bool:
        return bool((np.abs(values[:, : self.optional]) <= _LARGEST).all())

    def _line_by_line(self, lines: Lines) -> Rows:
        rows: list[list[float]] = []
        places: list[int] = []
        ordinals: list[int] = []
        for place, line in enumerate(lines, self._line):
            if not line.strip():
                continue
            ordinal = self.rows_read + self.bad + len(rows)
            row = self._row(line, place)
            if row is not None:
                rows.append(row)
                places.append(place)
                ordinals.append(ordinal)
        values = np.array(rows, dtype=np.float64).reshape(-1, self._columns)
        return Rows(values, np.array(places, dtype=np.int64), np.array(ordinals, dtype=np.int64))

    def _row(self, line: str, place: int) -> list[float] | None:
        tokens = [token.strip() for token in line.split(self.dialect.delimiter)]
        if len(tokens) != self.width:
            self._drop(place, f"expected {self.width} numbers, found {len(tokens)}")
            return None
        row = []
        for column, token in enumerate(tokens if self.used is None else [tokens[used] for used in self.used]):
            value = number(token)
            if value is None and column in self.words:
                value = self.words[column](token)
            free = self.optional is not None and column >= self.optional
            if value is None and not (free and not token):
                self._drop(place, "text where a number belongs", f"{token[:40]!r} is not a number")
                return None
            if not free and not abs(value or 0.0) <= _LARGEST:
                self._drop(place, "NaN or infinite value")
                return None
            row.append(math.nan if value is None else value)
        return row

    def _drop(self, place: int, reason: str, detail: str = "") -> None:
        self.report.drop(reason, place)
        self.first_bad = self.first_bad or f"{self.name}:{place}: {detail or reason}"
        self.bad += 1

    def _check_bad_share(self, at_least: int) -> None:
        total = self.rows_read + self.bad
        if self.bad > _MOST_DROPPED * total and total >= at_least:
            more = (
                ""
                if self.width <= CHANNELS
                else (", or say what each column is, as in `?columns=-,ch1-8` (`-` leaves one out)")
            )
            raise SessionError(
                f"{self.first_bad}; {self.bad} of {total} lines cannot be read; expected rows of {self.width} numbers"
                f"{more}"
            )


def _text(data: bytes) -> Lines:
    return data.decode("utf-8", errors="replace").removeprefix("\ufeff").split("\n")
