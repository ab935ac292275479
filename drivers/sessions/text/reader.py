"""Read sessions in text: CSV with a header, eight bare columns, the joined CSV of earlier projects, sEMG-MANUS.

Layouts: docs/protocol.md#text; of sEMG-MANUS in `drivers.sessions.datasets.manus`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from drivers.sessions.datasets import manus
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.table import Lines, Table, delimiter_of, number, peek, split
from drivers.sessions.timeline import from_times
from models.arrays import Float32Array, Float64Array, Int64Array
from models.hand import CHANNELS, POINTS, VALUES, to_hand_frame
from models.kinematics import ANGLES
from models.recording import Recording

CHANNEL_NAMES: Final = tuple(f"ch{channel}" for channel in range(1, CHANNELS + 1))
JOINT_NAMES: Final = tuple(f"{axis}{point}" for point in range(POINTS) for axis in "xyz")
HEADER: Final = ("t", *CHANNEL_NAMES)
CLASS_NAME: Final = "label"
"""The last column of a CSV may be the class of each sample."""

_OUTAGE_S: Final = 0.25
_JOINED_OUTAGE_S: Final = 0.1
_JOINED_RATE: Final = 50.0
_BARE_RATE: Final = 200.0
_EXPECTED: Final = (
    "expected the header `t,ch1,…,ch8[,x0,y0,z0,…,x20,y20,z20][,index_mcp_fe,…][,label]`, "
    "or rows of eight numbers with an optional label"
)


@dataclass(frozen=True, slots=True)
class _Text:
    """The lines of a file after its header."""

    path: Path
    batches: Iterator[Lines]
    line: int
    delimiter: str | None
    config: ReadConfig
    report: ReadReport


def read_text(path: Path, batches: Iterator[Lines], config: ReadConfig, report: ReadReport) -> Recording:
    """Read a text file in any of the layouts.

    Raises:
        SessionError: it has none of the layouts, or too many lines cannot be read; the message names the line.
    """
    line, place, batches = peek(batches)
    if not line:
        raise SessionError(f"{path}: holds only blank lines; {_EXPECTED}")
    delimiter = delimiter_of(line)
    names = tuple(token.strip("\"'# ").lower() for token in split(line, delimiter))
    if any(number(token) is not None for token in names):
        return _read_bare(_Text(path, batches, place, delimiter, config, report))
    first = next(batches)[1:]
    text = _Text(path, chain([first] if first else [], batches), place + 1, delimiter, config, report)
    if _is_csv(names):
        return _read_csv(text, names)
    if "emg timestamp" in names:
        return _read_joined(text, names)
    if names == manus.COLUMNS:
        columns = _columns(text, len(names))
        return manus.recording(path, columns.values, columns.ordinal, config)
    raise SessionError(f"{path.name}:{place}: the header `{line.strip()[:60]}` is not known; {_EXPECTED}")


@dataclass(frozen=True, slots=True)
class _Columns:
    """A table in memory: `values` (n, width) in float32, and its column of times (n,) in float64."""

    values: Float32Array
    time: Float64Array
    line: Int64Array
    ordinal: Int64Array


def _columns(text: _Text, width: int, time: int = 0, optional: int | None = None) -> _Columns:
    table = Table(text.path.name, width, text.delimiter, text.report, optional)
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


def _read_bare(text: _Text) -> Recording:
    first = next(text.batches)
    delimiter, width = _layout(text, first)
    body = _Text(text.path, chain([first], text.batches), text.line, delimiter, text.config, text.report)
    columns = _columns(body, width)
    rate = text.config.rate or _BARE_RATE
    emg = np.ascontiguousarray(columns.values[:, :CHANNELS])
    if text.config.mode is None and text.config.unit is None and float(np.abs(emg).max()) > 128:
        text.report.note(
            "values beyond -128..127 are no raw Myo EMG; say what they are, as in `?rate=50&mode=envelope`"
        )
    return Recording(
        emg=emg,
        # A dropped line was a sample: index and time jump over it.
        t=columns.ordinal / rate,
        sample=columns.ordinal,
        rate_hz=rate,
        unit=text.config.unit or "adc",
        emg_mode=text.config.mode or "raw",
        hand=text.config.hand,
        name=text.path.name,
        classes=_labels(text, columns) if width > CHANNELS else None,
        meta={"format": "text"},
    )


def _layout(text: _Text, lines: Lines) -> tuple[str | None, int]:
    """Delimiter and width of most of the first lines, since one of them may be damaged."""
    full = [line for line in lines[:100] if line.strip()]
    found = Counter((delimiter_of(line), len(split(line, delimiter_of(line)))) for line in full)
    (delimiter, width), _ = found.most_common(1)[0]
    if width not in (CHANNELS, CHANNELS + 1):
        raise SessionError(
            f"{text.path.name}:{text.line}: expected 8 numbers (and a label), found {width}; {_EXPECTED}"
        )
    return delimiter, width


def _labels(text: _Text, columns: _Columns) -> Int64Array:
    column = columns.values[:, CHANNELS]
    labels = np.rint(column).astype(np.int64)
    wrong = np.flatnonzero(labels != column)
    if len(wrong):
        row = int(wrong[0])
        raise SessionError(
            f"{text.path.name}:{columns.line[row]}: the label `{column[row]:g}` is not a whole number; "
            "expected a class in column 9"
        )
    return labels


def _is_csv(names: tuple[str, ...]) -> bool:
    """Whether a header is ours: times, EMG, and what of points, angles (any of them) and a class there is."""
    rest = _labelled(names)
    points = rest[:VALUES] == JOINT_NAMES
    angles = rest[VALUES:] if points else rest
    return names[: len(HEADER)] == HEADER and len(set(angles)) == len(angles) and set(angles) <= set(ANGLES)


def _labelled(names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of points and angles."""
    stop = len(names) - 1 if names[-1] == CLASS_NAME else len(names)
    return names[len(HEADER) : stop]


def _read_csv(text: _Text, names: tuple[str, ...]) -> Recording:
    columns = _columns(text, len(names), optional=len(HEADER))
    labelled = _labelled(names)
    joints = columns.values[:, len(HEADER) : len(HEADER) + VALUES] if labelled[:VALUES] == JOINT_NAMES else None
    emg = np.ascontiguousarray(columns.values[:, 1 : len(HEADER)])
    recording = _timed(text, emg, columns.time, joints, "csv", _OUTAGE_S, None)
    angles = _angles(columns.values, names)
    known = np.isfinite(angles).any(axis=1)
    classes = columns.values[:, -1] if names[-1] == CLASS_NAME else None
    return replace(
        recording,
        angle_t=recording.t[known] if known.any() else None,
        angles=angles[known] if known.any() else None,
        classes=None if classes is None else _class_numbers(text, classes, columns.line),
    )


def _angles(values: Float32Array, names: tuple[str, ...]) -> Float32Array:
    """(n, 20) radians of the columns that are named after an angle, in degrees."""
    found = np.full((len(values), len(ANGLES)), np.nan, np.float32)
    for column, name in enumerate(names):
        if name in ANGLES:
            found[:, ANGLES.index(name)] = np.deg2rad(values[:, column])
    return found


def _class_numbers(text: _Text, column: Float32Array, line: Int64Array) -> Int64Array:
    """Whole numbers; -1 where the column is empty."""
    given = np.nan_to_num(column, nan=-1.0)
    labels = np.rint(given).astype(np.int64)
    wrong = np.flatnonzero(labels != given)
    if len(wrong):
        row = int(wrong[0])
        raise SessionError(
            f"{text.path.name}:{line[row]}: the label `{given[row]:g}` is not a whole number; "
            f"expected a class in the column `{CLASS_NAME}`"
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
