"""Read sessions in text: CSV with a header, bare columns, the joined CSV of earlier projects, sEMG-MANUS.

Layouts: docs/protocol.md#text; of sEMG-MANUS in `drivers.sessions.datasets.manus`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from drivers.sessions.datasets import manus
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.table import Lines, Table, number, peek
from drivers.sessions.text.dialect import QUOTES, Dialect, dialect_of, is_comment
from drivers.sessions.text.layout import (
    CHANNEL_NAMES,
    COLUMNS_ADVICE,
    EXPECTED,
    Layout,
    layout_by_names,
    layout_by_option,
    layout_by_values,
    seconds_per_unit,
)
from drivers.sessions.timeline import from_times
from drivers.sessions.units import to_kept_unit
from models.arrays import Float32Array, Float64Array, Int64Array
from models.hand import CHANNELS, POINTS, VALUES, to_hand_frame
from models.kinematics import ANGLES
from models.recording import Recording

_OUTAGE_S: Final = 0.25
_JOINED_OUTAGE_S: Final = 0.1
_JOINED_RATE: Final = 50.0
_BARE_RATE: Final = 200.0
_HIGHEST_RATE: Final = 100_000.0
_HEAD_LINES: Final = 100
"""Lines from which separator and columns are told."""


@dataclass(frozen=True, slots=True)
class _Text:
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
        return f"{self.path.name}:{self.line}"


def read_text(path: Path, batches: Iterator[Lines], config: ReadConfig, report: ReadReport) -> Recording:
    """Read a text file in any of the layouts.

    Raises:
        SessionError: it has none of the layouts, can be read in two ways, or too many lines cannot be read; the
            message names the line.
    """
    comments, place, batches = _comments(batches)
    first = next(batches, [])
    if not first:
        raise SessionError(f"{path}: holds only blank lines; {EXPECTED}")
    head = [line for line in first[:_HEAD_LINES] if line.strip()]
    dialect = dialect_of(head[1:] or head)
    if dialect.trailing and _last_column_is_empty(head, dialect):
        dialect = replace(dialect, trailing=False)
    text = _Text(path, chain([first], batches), place, dialect, config, report, comments)
    names = _names(dialect_of(head[:1]).split(head[0]) if len(head) == 1 else dialect.split(head[0]))
    if _is_header(names):
        rest = first[1:]
        body = replace(text, batches=chain([rest] if rest else [], batches), line=place + 1)
        return _read_named(body, names, head[0])
    if comments and (names := _names(dialect.split(comments[-1]))) and _is_header(names):
        width = len(dialect.split(head[0]))
        if len(names) == width and (names == manus.COLUMNS or layout_by_names(names, comments)):
            return _read_named(text, names, comments[-1])
    return _read_bare(text, head)


def _last_column_is_empty(head: Sequence[str], dialect: Dialect) -> bool:
    """Whether lines that end with the separator lack a value of a column that the first line names."""
    whole = replace(dialect, trailing=False)
    names, *rows = (whole.split(line) for line in head)
    return bool(rows and names[-1]) and Counter(map(len, rows)).most_common(1)[0][0] == len(names)


def _comments(batches: Iterator[Lines]) -> tuple[list[str], int, Iterator[Lines]]:
    """The comments at the head of a file, and the lines from the first that is none, with its number."""
    comments: list[str] = []
    line, place, batches = peek(batches)
    while line and is_comment(line):
        comments.append(line.strip().lstrip("#%/ "))
        block = next(batches)
        rest = block[1:]
        line, more, batches = peek(chain([rest] if rest else [], batches))
        place += more
    return comments, place, batches


def _names(tokens: Sequence[str]) -> tuple[str, ...]:
    return tuple(token.strip(QUOTES + "# ").lower() for token in tokens)


def _is_header(names: Sequence[str]) -> bool:
    """Whether the tokens of a line name columns; pandas names those of a bare array 0, 1, 2 and so on."""
    numbers = [number(name) for name in names]
    given = names[1:] if names[0] in ("", "index") else names
    if len(given) >= CHANNELS and list(given) == [str(column) for column in range(len(given))]:
        return True
    return not any(value is not None for value in numbers)


def _read_named(text: _Text, names: tuple[str, ...], header: str) -> Recording:
    if text.config.columns:
        return _read_table(text, layout_by_option(text.config.columns, len(names), text.location))
    if "emg timestamp" in names:
        return _read_joined(text, names)
    if names == manus.COLUMNS:
        columns = _columns(text, len(names))
        return manus.recording(text.path, columns.values, columns.ordinal, text.config)
    place = f"{text.path.name}:{text.line - 1}"
    try:
        layout = layout_by_names(names, text.comments)
    except SessionError as error:
        raise SessionError(f"{place}: {error}") from None
    if layout is None:
        raise SessionError(f"{place}: the header `{header.strip()[:60]}` is not known; {EXPECTED}, or {COLUMNS_ADVICE}")
    return _read_table(text, layout)


def _read_bare(text: _Text, head: Sequence[str]) -> Recording:
    rows = [text.dialect.split(line) for line in head]
    (width, _), *_ = Counter(len(row) for row in rows).most_common(1)
    if text.config.columns:
        return _read_table(text, layout_by_option(text.config.columns, width, text.location))
    values = [[number(token) for token in row] for row in rows if len(row) == width]
    good = [row for row in values if None not in row and np.isfinite(np.array(row, float)).all()]
    if not good:
        if width in (CHANNELS, CHANNELS + 1):
            return _read_table(
                text, Layout(width, tuple(range(CHANNELS)), label=width - 1 if width > CHANNELS else None)
            )
        good = [[0.0] * width]
    return _read_table(text, layout_by_values(np.array(good, np.float64), text.location))


def _read_table(text: _Text, layout: Layout) -> Recording:
    """Read the columns that a layout names."""
    config, report = text.config, text.report
    for note in layout.notes:
        report.note(note)
    clock = () if layout.time is None else (layout.time,)
    joints = () if layout.joints is None else tuple(range(layout.joints, layout.joints + VALUES))
    angles = tuple(layout.angles.values())
    label = () if layout.label is None else (layout.label,)
    words = _ClassNames()
    columns = _columns(
        text,
        layout.width,
        (*clock, *layout.emg, *joints, *angles, *label),
        optional=len(clock) + CHANNELS if layout.format == "csv" else None,
        words=words if label else None,
    )
    values = columns.values
    first = len(clock)
    emg = np.ascontiguousarray(values[:, first : first + CHANNELS])
    at = first + CHANNELS
    points = values[:, at : at + VALUES] if joints else None
    at += len(joints)
    bends = _angles(values[:, at : at + len(angles)], tuple(layout.angles)) if angles else None
    classes = _class_numbers(text, values[:, -1], columns.line, layout) if label else None
    words.explain(report)
    unit, emg = to_kept_unit(emg, config.unit or layout.unit, config.mode, text.path.name, report)
    rated = replace(config, rate=config.rate or layout.rate, unit=unit)
    body = replace(text, config=rated)
    if clock and rated.rate and len(columns.time) > 1 and not (np.diff(columns.time) > 0).any():
        report.note("time does not advance: times are made from the rate")
        clock = ()
    if clock:
        t = _seconds(text, columns.time, layout)
        recording = _timed(body, emg, t, points, layout.format, _OUTAGE_S, None)
    else:
        recording = _untimed(body, emg, columns.ordinal, points, layout.format)
    known = None if bends is None else np.isfinite(bends).any(axis=1)
    return replace(
        recording,
        angle_t=recording.t[known] if known is not None and known.any() else None,
        angles=bends[known] if bends is not None and known is not None and known.any() else None,
        classes=classes,
    )


def _seconds(text: _Text, t: Float64Array, layout: Layout) -> Float64Array:
    unit = layout.seconds
    if unit is None:
        unit, name = seconds_per_unit(t)
        if unit != 1.0:
            text.report.note(f"times are in {name}")
    return t if unit == 1.0 else t * unit


def _untimed(
    text: _Text, emg: Float32Array, ordinal: Int64Array, joints: Float32Array | None, layout: str
) -> Recording:
    config = text.config
    rate = config.rate or _BARE_RATE
    seen = None if joints is None else np.isfinite(joints).all(axis=1)
    t = ordinal / rate
    return Recording(
        emg=emg,
        # A dropped line was a sample: index and time jump over it.
        t=t,
        sample=ordinal,
        rate_hz=rate,
        unit=config.unit or "adc",
        emg_mode=config.mode or "raw",
        hand=config.hand,
        name=text.path.name,
        label_t=t[seen] if seen is not None and seen.any() else None,
        joints=np.ascontiguousarray(joints[seen]) if joints is not None and seen is not None and seen.any() else None,
        meta={"format": layout},
    )


class _ClassNames:
    """Numbers for classes that a file names by words, in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, word: str) -> float | None:
        """The number of a word; None for an empty one."""
        return float(self._numbers.setdefault(word, len(self._numbers))) if word else None

    def explain(self, report: ReadReport) -> None:
        """Note what was made of the words."""
        if self._numbers:
            shown = ", ".join(f"{number} = {word[:20]}" for word, number in list(self._numbers.items())[:12])
            report.note(f"classes by name: {shown}")


@dataclass(frozen=True, slots=True)
class _Columns:
    """A table in memory: `values` (n, columns) in float32, and its column of times (n,) in float64."""

    values: Float32Array
    time: Float64Array
    line: Int64Array
    ordinal: Int64Array


def _columns(
    text: _Text,
    width: int,
    used: tuple[int, ...] | None = None,
    time: int = 0,
    optional: int | None = None,
    words: _ClassNames | None = None,
) -> _Columns:
    used = None if used == tuple(range(width)) else used
    last = (width if used is None else len(used)) - 1
    table = Table(text.path.name, width, text.dialect, text.report, optional, used, {last: words} if words else {})
    values, times, lines, ordinals = [], [], [], []
    for rows in table.blocks(text.batches, text.line):
        values.append(_narrow(rows.values, optional))
        times.append(rows.values[:, time].copy())
        lines.append(rows.line)
        ordinals.append(rows.ordinal)
    return _Columns(np.concatenate(values), np.concatenate(times), np.concatenate(lines), np.concatenate(ordinals))


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


def _class_numbers(text: _Text, column: Float32Array, line: Int64Array, layout: Layout) -> Int64Array:
    """Whole numbers; -1 where the column is empty."""
    given = np.nan_to_num(column, nan=-1.0)
    with np.errstate(invalid="ignore"):
        labels = np.rint(given).astype(np.int64)
    wrong = np.flatnonzero(labels != given)
    if len(wrong):
        row = int(wrong[0])
        raise SessionError(
            f"{text.path.name}:{line[row]}: the label `{given[row]:g}` is not a whole number; "
            f"expected a class in column {(layout.label or 0) + 1}"
        )
    return labels


def _read_joined(text: _Text, names: tuple[str, ...]) -> Recording:
    time, channel, joint = _joined_columns(text, names)
    columns = _columns(text, len(names), time=time, optional=joint)
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
    return _timed(text, emg, columns.time[keep], turned, "joined", _JOINED_OUTAGE_S, _JOINED_RATE)


def _joined_columns(text: _Text, names: tuple[str, ...]) -> tuple[int, int, int]:
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


def _timed(
    text: _Text,
    emg: Float32Array,
    t: Float64Array,
    joints: Float32Array | None,
    layout: str,
    outage_s: float,
    rate: float | None,
) -> Recording:
    config, report = text.config, text.report
    try:
        timeline = from_times(t, config.rate or rate, outage_s)
    except ValueError as error:
        raise SessionError(
            f"{text.path.name}: {error}; `t` must be in seconds, or say the rate, as in `?rate=200`"
        ) from None
    if timeline.rate_hz < 1.0:
        raise SessionError(
            f"{text.path.name}: samples are {1.0 / timeline.rate_hz:g} s apart; `t` must be in seconds (milliseconds?)"
        )
    if timeline.rate_hz > _HIGHEST_RATE:
        raise SessionError(
            f"{text.path.name}: samples are {1.0 / timeline.rate_hz:g} s apart, which no EMG is; say in what unit "
            "the times are, as in `?columns=t_ms,ch1-8`"
        )
    if timeline.breaks is not None:
        report.note(f"time goes back {len(timeline.breaks)} times: what follows is moved to go on from there")
    if not timeline.regular:
        report.note("times are irregular (arrival times): the rate is a mean, and only outages count as gaps")
    seen = np.isfinite(joints).all(axis=1) if joints is not None else None
    if seen is not None and not seen.all():
        report.note(f"{int((~seen).sum())} rows have no label")
    return Recording(
        emg=emg,
        t=timeline.t,
        sample=timeline.sample,
        rate_hz=timeline.rate_hz,
        unit=config.unit or "adc",
        emg_mode=config.mode or ("envelope" if layout == "joined" else "raw"),
        hand=config.hand or ("right" if layout == "joined" else None),
        name=text.path.name,
        label_t=timeline.t[seen] if seen is not None and seen.any() else None,
        joints=np.ascontiguousarray(joints[seen]) if joints is not None and seen is not None and seen.any() else None,
        breaks=timeline.breaks,
        meta={"format": layout},
    )
