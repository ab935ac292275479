"""Read sessions in text: CSV with a header, bare columns, the joined CSV of earlier projects, sEMG-MANUS.

Layouts: docs/protocol.md#text; of sEMG-MANUS in `drivers.sessions.datasets.manus`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from drivers.sessions.assemble import Samples, recording_of
from drivers.sessions.datasets import manus, uci
from drivers.sessions.read_config import FileUnit, ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.table import Lines, Table, number
from drivers.sessions.text.dialect import QUOTES, Dialect, dialect_of, is_comment
from drivers.sessions.text.layout import (
    CHANNEL_NAMES,
    CLASSES,
    COLUMNS_ADVICE,
    EXPECTED,
    Layout,
    check_units,
    in_its_units,
    layout_by_names,
    layout_by_option,
    layout_by_values,
    seconds_per_unit,
    stated_rate,
    with_units,
)
from drivers.sessions.text.times import time_of
from models.arrays import Float32Array, Float64Array, Int64Array
from models.hand import CHANNELS, POINTS, VALUES, to_hand_frame
from models.kinematics import ANGLES
from models.recording import Recording

_JOINED_OUTAGE_S: Final = 0.1
_JOINED_RATE: Final = 50.0
T = TypeVar("T", bound=np.generic)
R = TypeVar("R")

_WORD: Final = -(1 << 20)
"""Stands for the first word in a column of classes while it is read."""
_MOST_WORDS: Final = 10_000
_MOST_COMMENTS: Final = 1000
_HEAD_LINES: Final = 100
"""Lines from which separator and columns are told."""


@dataclass(frozen=True, slots=True)
class Text:
    """The lines of a file after its comments and header."""

    path: Path
    batches: Iterator[Lines]
    line: int
    """Number of the first of them, from 1."""
    dialect: Dialect
    config: ReadConfig
    report: ReadReport
    comments: list[str] = field(default_factory=list)

    @property
    def location(self) -> str:
        """File and line, for messages."""
        return f"{self.path.name}:{self.line}"


def read_text(
    path: Path,
    batches: Iterator[Lines],
    config: ReadConfig,
    report: ReadReport,
    on_table: Callable[[Text, Layout], R],
) -> Recording | R:
    """Read a text file in any of the layouts.

    Args:
        path: of the file, for messages.
        batches: its lines.
        config: what the user says of it.
        report: takes what is said about it.
        on_table: reads a table whose columns are known (`read_table`); other layouts are read as recordings.

    Raises:
        SessionError: it has none of the layouts, can be read in two ways, or too many lines cannot be read; the
            message names the line.
    """
    comments, place, batches = _comments(batches)
    first = next(batches, [])
    if not first:
        raise SessionError(f"{path}: holds only blank lines; {EXPECTED}")
    if passed := _preamble(first[:_HEAD_LINES]):
        comments += [line.strip() for line in first[:passed] if line.strip()]
        report.note(f"passed over before the table: {passed} line{'s' if passed > 1 else ''}")
        first, place = first[passed:], place + passed
    head = [line for line in first[:_HEAD_LINES] if line.strip()]
    dialect = dialect_of(head[1:] or head)
    if dialect.trailing and _last_column_is_empty(head, dialect):
        dialect = replace(dialect, trailing=False)
    text = Text(path, chain([first], batches), place, dialect, config, report, comments)
    names = _names(dialect_of(head[:1]).split(head[0]) if len(head) == 1 else dialect.split(head[0]))
    if _is_header(names):
        rest = first[1:]
        if len(head) > 1 and (named := with_units(names, dialect.split(head[1]))):
            names, place, rest = named, place + 1, rest[1:]
        body = replace(text, batches=chain([rest] if rest else [], batches), line=place + 1)
        return _read_named(body, names, head[0], on_table)
    if comments and (names := _names(dialect.split(comments[-1]))) and _is_header(names):
        width = len(dialect.split(head[0]))
        if len(names) == width and (names == manus.COLUMNS or _is_known(names)):
            return _read_named(text, names, comments[-1], on_table)
    return _read_bare(text, head, on_table)


def _preamble(lines: Sequence[str]) -> int:
    """Lines of words before the header of a table, or before its first row; programs write settings there."""
    dialect = dialect_of(lines)
    rows = [dialect.split(line) for line in lines]
    (width, _), *_ = Counter(map(len, rows)).most_common(1)
    if width < CHANNELS:
        return 0
    first = next((place for place, row in enumerate(rows) if len(row) == width and _is_row(row)), 0)
    headers = [place for place in range(first) if len(rows[place]) == width and _is_header(_names(rows[place]))]
    known = [place for place in headers if _is_known(_names(rows[place]))]
    start = min(known) if known else headers[-1] if headers[-1:] == [first - 1] else first
    wordy = all(any(map(str.isalpha, line)) or not line.strip() for line in lines[:start])
    return start if wordy and all(len(row) < CHANNELS for row in rows[:start]) else 0


def _is_row(tokens: Sequence[str]) -> bool:
    return sum(_number_or_time(token) is not None for token in tokens) >= CHANNELS


def _is_known(names: tuple[str, ...]) -> bool:
    try:
        return layout_by_names(names) is not None
    except SessionError:
        return True


def _last_column_is_empty(head: Sequence[str], dialect: Dialect) -> bool:
    """Whether lines that end with the separator lack a value of a column that the first line names."""
    whole = replace(dialect, trailing=False)
    names, *rows = (whole.split(line) for line in head)
    return bool(rows and names[-1]) and Counter(map(len, rows)).most_common(1)[0][0] == len(names)


def _comments(batches: Iterator[Lines]) -> tuple[list[str], int, Iterator[Lines]]:
    """The first comments at the head of a file, and the lines from the first that is none, with its number."""
    comments: list[str] = []
    place = 1
    for lines in batches:
        for index, line in enumerate(lines):
            if is_comment(line):
                # The last may name the columns.
                del comments[_MOST_COMMENTS - 1 :]
                comments.append(line.strip().lstrip("#%/ "))
            elif line.strip():
                return comments, place + index, chain([lines[index:]], batches)
        place += len(lines)
    return comments, place, iter(())


def _names(tokens: Sequence[str]) -> tuple[str, ...]:
    return tuple(token.strip(QUOTES + "# ").lower() for token in tokens)


def _is_header(names: Sequence[str]) -> bool:
    """Whether the tokens of a line name columns; pandas names those of a bare array 0, 1, 2 and so on."""
    numbers = [number(name) for name in names]
    given = names[1:] if names[0] in ("", "index") else names
    first = 1 if names[0] in ("", "index") and given[0] == "1" else 0
    if len(given) >= CHANNELS and list(given) == [str(column) for column in range(first, first + len(given))]:
        return True
    return not any(value is not None for value in numbers)


def _read_named(
    text: Text, names: tuple[str, ...], header: str, on_table: Callable[[Text, Layout], R]
) -> Recording | R:
    if text.config.columns:
        return on_table(text, in_its_units(layout_by_option(text.config.columns, len(names), text.location), names))
    if "emg timestamp" in names:
        return _read_joined(text, names)
    if names == manus.COLUMNS:
        columns = joined_columns(list(_columns(text, len(names))))
        return manus.recording(text.path, columns.values, columns.ordinal, text.config)
    place = f"{text.path.name}:{text.line - 1}"
    try:
        layout = layout_by_names(names, text.comments, channels=text.config.channels)
    except SessionError as error:
        raise SessionError(f"{place}: {error}") from None
    if layout is None:
        raise SessionError(f"{place}: the header `{header.strip()[:60]}` is not known; {EXPECTED}, or {COLUMNS_ADVICE}")
    return on_table(text, replace(layout, format="uci-gestures") if names == uci.NAMES else layout)


def _read_bare(text: Text, head: Sequence[str], on_table: Callable[[Text, Layout], R]) -> Recording | R:
    rows = [text.dialect.split(line) for line in head]
    (width, _), *_ = Counter(len(row) for row in rows).most_common(1)
    if text.config.columns:
        return on_table(text, layout_by_option(text.config.columns, width, text.location))
    values = [[_number_or_time(token) for token in row] for row in rows if len(row) == width]
    good = [row for row in values if None not in row and np.isfinite(np.array(row, float)).all()]
    if not good:
        if width in (CHANNELS, CHANNELS + 1) and text.config.channels is None:
            return on_table(text, Layout(width, tuple(range(CHANNELS)), label=width - 1 if width > CHANNELS else None))
        good = [[0.0] * width]
    layout = layout_by_values(np.array(good, np.float64), text.location, text.config.channels)
    return on_table(text, replace(layout, rate=layout.rate or stated_rate(text.comments)))


def _number_or_time(token: str) -> float | None:
    value = number(token)
    return time_of(token) if value is None else value


def read_table(text: Text, layout: Layout) -> Recording:
    """Read the columns that a layout names."""
    return TableReader(text, layout).recording()


@dataclass(slots=True)
class TableReader:
    """Reads the columns that a layout names, as a whole or in parts."""

    text: Text
    layout: Layout
    names: ClassNames = field(init=False)

    def __post_init__(self) -> None:
        self.names = ClassNames()
        for note in self.layout.notes:
            self.text.report.note(note)
        check_units(self.text.path.name, self.layout, self.text.config)

    def recording(self) -> Recording:
        """The whole table."""
        found = self.samples(joined_columns(list(self.blocks())))
        return recording_of(self.text.path.name, found, self.text.config, self.text.report)

    def blocks(self) -> Iterator[Columns]:
        """The columns that are used, block by block."""
        layout, clock = self.layout, self.layout.time is not None
        used = self._used()
        words: dict[int, Callable[[str], float | None]] = {0: time_of} if clock else {}
        if layout.label is not None:
            words[len(used) - 1] = self.names
        free = int(clock) + CHANNELS if layout.format in ("csv", "uci-gestures") else None
        return _columns(self.text, layout.width, used, optional=free, words=words)

    def samples(self, columns: Columns) -> Samples:
        """What is in the rows of some parts."""
        text, layout, values = self.text, self.layout, columns.values
        first = int(layout.time is not None)
        emg = np.ascontiguousarray(values[:, first : first + CHANNELS])
        at = first + CHANNELS
        points = values[:, at : at + VALUES] if layout.joints is not None else None
        at += 0 if points is None else VALUES
        bends = _angles(values[:, at : at + len(layout.angles)], tuple(layout.angles)) if layout.angles else None
        classes: Int64Array | None = None
        if layout.label is not None:
            classes = _class_numbers(text, self.names.numbered(values[:, -1], text.report), columns.line, layout)
        unit: FileUnit | None = layout.unit
        if layout.format == "uci-gestures" and text.config.unit is None and text.config.scale is None:
            emg, unit = uci.counts(emg, text.report)
        return Samples(
            emg=emg,
            t=_seconds(text, columns.time, layout) if layout.time is not None else None,
            ordinal=columns.ordinal,
            joints=points,
            angles=bends,
            classes=classes,
            rate=layout.rate,
            unit=unit,
            format=layout.format,
        )

    def _used(self) -> tuple[int, ...]:
        layout = self.layout
        clock = () if layout.time is None else (layout.time,)
        joints = () if layout.joints is None else tuple(range(layout.joints, layout.joints + VALUES))
        label = () if layout.label is None else (layout.label,)
        return (*clock, *layout.emg, *joints, *layout.angles.values(), *label)


def _seconds(text: Text, t: Float64Array, layout: Layout) -> Float64Array:
    unit = layout.seconds
    if unit is None:
        unit, name = seconds_per_unit(t)
        if unit != 1.0:
            text.report.note(f"times are in {name}")
    return t if unit == 1.0 else t * unit


class ClassNames:
    """Numbers for classes that a file names by words, in the order in which they come.

    While a table is read, words stand as `_WORD` and below; `numbered` gives them numbers that no other class has.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, word: str) -> float | None:
        """The number that stands for a word while the table is read; None for an empty one, or one too many."""
        if word.lower() == "n/a":
            return math.nan
        if not word or (len(self._numbers) >= _MOST_WORDS and word not in self._numbers):
            return None
        return float(_WORD - self._numbers.setdefault(word, len(self._numbers)))

    def numbered(self, column: Float32Array, report: ReadReport) -> Float32Array:
        """The column with numbers for words: from 0, or after the largest class that the file gives as a number."""
        if not self._numbers:
            return column
        words = column <= _WORD
        numbers = column[~words & np.isfinite(column)]
        first = int(numbers.max()) + 1 if len(numbers) and numbers.max() >= 0 else 0
        shown = ", ".join(f"{first + number} = {word[:20]}" for word, number in list(self._numbers.items())[:12])
        report.note(f"{CLASSES}{shown}")
        return np.where(words, _WORD - column + first, column).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of a table in memory: `values` (n, columns) in float32, and its column of times (n,) in float64."""

    values: Float32Array
    time: Float64Array
    line: Int64Array
    ordinal: Int64Array


def _columns(
    text: Text,
    width: int,
    used: tuple[int, ...] | None = None,
    time: int = 0,
    optional: int | None = None,
    words: Mapping[int, Callable[[str], float | None]] | None = None,
) -> Iterator[Columns]:
    used = None if used == tuple(range(width)) else used
    table = Table(text.path.name, width, text.dialect, text.report, optional, used, words or {})
    for rows in table.blocks(text.batches, text.line):
        yield Columns(_narrow(rows.values, optional), rows.values[:, time].copy(), rows.line, rows.ordinal)


def joined_columns(parts: list[Columns]) -> Columns:
    """The parts as one; they are released."""
    values = [part.values for part in parts]
    times = [part.time for part in parts]
    lines = [part.line for part in parts]
    ordinals = [part.ordinal for part in parts]
    parts.clear()
    return Columns(_joined(values), _joined(times), _joined(lines), _joined(ordinals))


def _joined(parts: list[npt.NDArray[T]]) -> npt.NDArray[T]:
    """Concatenate the parts and release them as they are copied, so that a table need not fit in memory twice."""
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    at = len(whole)
    while parts:
        part = parts.pop()
        whole[at - len(part) : at] = part
        at -= len(part)
    return whole


def _narrow(values: Float64Array, optional: int | None) -> Float32Array:
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if optional is not None:
        free = narrow[:, optional:]
        free[~np.isfinite(free)] = np.nan
    return narrow


def _angles(values: Float32Array, names: tuple[str, ...]) -> Float32Array:
    """(n, 20) radians of columns in degrees, named after angles."""
    found = np.full((len(values), len(ANGLES)), np.nan, np.float32)
    for column, name in enumerate(names):
        found[:, ANGLES.index(name)] = np.deg2rad(values[:, column])
    return found


def _class_numbers(text: Text, column: Float32Array, line: Int64Array, layout: Layout) -> Int64Array:
    """Whole numbers; -1 where the column is empty."""
    given = np.nan_to_num(column, nan=-1.0)
    with np.errstate(invalid="ignore"):
        labels = np.rint(given).astype(np.int64)
    wrong = np.flatnonzero(labels != given)
    if len(wrong):
        row = int(wrong[0])
        raise SessionError(
            f"{text.path.name}:{line[row]}: the label `{given[row]:g}` is not a whole number; "
            f"expected a class in column {(layout.label or 0) + 1}; {COLUMNS_ADVICE}"
        )
    return labels


def _read_joined(text: Text, names: tuple[str, ...]) -> Recording:
    time, channel, joint = _joined_columns(text, names)
    columns = joined_columns(list(_columns(text, len(names), time=time, optional=joint)))
    values = columns.values
    emg, joints = values[:, channel : channel + CHANNELS], values[:, joint : joint + VALUES]
    empty = (columns.time == 0) & (emg == 0).all(axis=1) & (joints == 0).all(axis=1)
    for line in columns.line[empty].tolist():
        text.report.drop("row of zeros", line)
    keep = ~empty
    if not keep.any():
        raise SessionError(f"{text.path.name}: holds only rows of zeros; expected EMG and joints")
    side = text.config.hand or "right"
    turned = to_hand_frame(joints[keep].reshape(-1, POINTS, 3), side).reshape(-1, VALUES)
    # Joints are all zero where the tracker had lost the hand.
    turned[(joints[keep] == 0).all(axis=1)] = np.nan
    emg = np.ascontiguousarray(emg[keep])
    found = Samples(
        emg=emg,
        t=columns.time[keep],
        joints=turned,
        rate=_JOINED_RATE,
        unit="adc",
        mode="envelope",
        hand="right",
        format="joined",
        outage_s=_JOINED_OUTAGE_S,
    )
    return recording_of(text.path.name, found, replace(text.config, mode=text.config.mode or "envelope"), text.report)


def _joined_columns(text: Text, names: tuple[str, ...]) -> tuple[int, int, int]:
    try:
        time, channel, joint = names.index("emg timestamp"), names.index("ch1"), names.index("wrist x")
    except ValueError:
        time = channel = joint = -1
    if names[channel : channel + CHANNELS] != CHANNEL_NAMES or len(names) != joint + VALUES:
        raise SessionError(
            f"{text.path.name}:{text.line - 1}: expected the 74 columns `Leap timestamp, timestamp diff, "
            f"emg timestamp, ch1..ch8, Wrist x, …, Pinky Tip z`, found {len(names)} columns"
        )
    return time, channel, joint
