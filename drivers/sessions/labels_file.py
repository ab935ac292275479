"""Labels of the hand in a second file: points, angles or classes on a clock of their own.

Contract: docs/protocol.md#labels-in-a-second-file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from drivers.sessions.file_options import split_options
from drivers.sessions.formats.kinds import HEAD_BYTES, archive_reader, reader_of
from drivers.sessions.mcap.records import MAGIC
from drivers.sessions.read_config import LabelsConfig, LengthUnit, ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.source_bytes import blocks, open_file
from drivers.sessions.table import Lines, Table, lines_of, number
from drivers.sessions.text.dialect import dialect_of, is_comment
from drivers.sessions.text.layout import seconds_per_unit, time_column, units_apart
from drivers.sessions.text.reader import ClassNames
from drivers.sessions.text.times import time_of
from models.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from models.hand import JOINTS, POINTS, VALUES, Side, to_hand_frame
from models.kinematics import ANGLES, angles
from models.label_lag import LagData, estimate_offset
from models.recording import Recording

_CLASSES: Final = (
    "label",
    "labels",
    "class",
    "gesture",
    "trial_type",
    "stimulus",
    "restimulus",
    "target",
    "state",
    "value",
    "event",
)
_STARTS: Final = ("onset", "start", "begin", "start_time", "from")
_ENDS: Final = ("end", "stop", "end_time", "offset", "to")
_AXES: Final = "xyz"
_POINT: Final = (
    re.compile(r"(?:.*[ _.])?(?P<axis>[xyz])[ _.]?(?P<number>\d{1,2})"),
    re.compile(r"(?:.*?[ _.]?)(?P<number>\d{1,2})[ _.]?(?P<axis>[xyz])"),
)
_NAMED: Final = re.compile(r"(?P<name>.+?)[ _.](?P<axis>[xyz])")
_COLUMN: Final = re.compile(r"-|t(?:_(?:s|ms|us|ns))?|label|points|" + "|".join(ANGLES))
_SECONDS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_MM: Final[dict[LengthUnit, float]] = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_PALM_MM: Final = (40.0, 160.0)
"""From the wrist to the middle knuckle, of any hand."""
_REACH_S: Final = 1.0
"""Labels that much before and after the EMG are kept."""
_HEAD_LINES: Final = 50
_ADVICE: Final = (
    "expected a header with a time (`t`) and points (`x0,y0,z0,…,x20,y20,z20`), angles (`index_mcp_fe`, …) or a class "
    "(`label`); or say what each column is, as in `labels.columns=t,label` or `labels.columns=t,points`"
)


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels on their own clock, in order."""

    t: Float64Array
    """(m,) seconds."""
    joints: Float32Array | None = None
    """(m, 63) mm in any right-handed frame, NaN where the hand was not seen."""
    angles: Float32Array | None = None
    """(m, 20) radians, NaN where there is no label."""
    classes: Int64Array | None = None
    """(m,) -1 where there is none."""
    duration: Float64Array | None = None
    """(m,) seconds that a class lasts; None: until the next."""
    timed: bool = True
    """Whether the file has times."""


def with_labels(recording: Recording, config: LabelsConfig, hand: Side | None, report: ReadReport) -> Recording:
    """Put the labels of a second file into a recording, on the clock of its EMG.

    Args:
        recording: what they belong to.
        config: file, and what its clock has to do with that of the EMG.
        hand: whose points they are; None: as the recording says, else right.
        report: takes what is said about them.

    Raises:
        SessionError: the file cannot be read, or its clock has nothing in common with the EMG's.
    """
    side = hand or recording.hand or "right"
    labels = _read(config, len(recording), recording, side, report)
    offset = _offset(labels, recording, config, report)
    t = labels.t + offset
    inside = (t >= recording.t[0] - _REACH_S) & (t <= recording.t[-1] + _REACH_S)
    if labels.classes is None and not inside.any():
        raise SessionError(
            f"{config.file}: its labels lie at {t[0]:.3f} to {t[-1]:.3f} s, and the EMG at {recording.t[0]:.3f} to "
            f"{recording.t[-1]:.3f} s; give the difference of the clocks: `labels.offset=SECONDS`, "
            "`labels.offset=start` where both began at once, or `labels.offset=estimate`"
        )
    if outside := int((~inside).sum()):
        report.note(f"{config.file.name}: {outside} of {len(t)} labels lie outside of the EMG")
    changed: dict[str, object] = {}
    if labels.joints is not None:
        changed["label_t"], changed["joints"] = _placed(t, labels.joints, inside, recording, config)
    if labels.angles is not None:
        changed["angle_t"], changed["angles"] = _placed(t, labels.angles, inside, recording, config)
    if labels.classes is not None:
        changed["classes"] = _classes(t, labels, recording, config)
    return replace(recording, **changed)  # type: ignore[arg-type]


def _placed(
    t: Float64Array, values: Float32Array, inside: BoolArray, recording: Recording, config: LabelsConfig
) -> tuple[Float64Array | None, Float32Array | None]:
    """Times and values of the labels that say something, as they are, or the nearest at each sample."""
    whole = np.isfinite(values).all(axis=1) if values.shape[1] == VALUES else np.isfinite(values).any(axis=1)
    good = whole & inside
    if not good.any():
        return None, None
    t, values = t[good], np.ascontiguousarray(values[good])
    if config.join == "interpolated":
        return t, values
    at = recording.t[(recording.t >= t[0]) & (recording.t <= t[-1])]
    if not len(at):
        return t, values
    return at, values[_nearest(t, at)]


def _nearest(t: Float64Array, at: Float64Array) -> Int64Array:
    after = np.clip(np.searchsorted(t, at), 1, max(len(t) - 1, 1))
    if len(t) == 1:
        return np.zeros(len(at), dtype=np.int64)
    return np.where(at - t[after - 1] <= t[after] - at, after - 1, after).astype(np.int64)


def _classes(t: Float64Array, labels: _Labels, recording: Recording, config: LabelsConfig) -> Int64Array:
    given = labels.classes if labels.classes is not None else np.empty(0, dtype=np.int64)
    if labels.duration is not None:
        classes = np.full(len(recording), -1, dtype=np.int64)
        for onset, lasts, name in zip(t.tolist(), labels.duration.tolist(), given.tolist(), strict=True):
            first, last = np.searchsorted(recording.t, [onset, onset + max(lasts, 0.0)])
            classes[first:last] = name
        return classes
    if config.join == "nearest":
        return given[_nearest(t, recording.t)]
    half = 0.5 / recording.rate_hz
    place = np.searchsorted(t, recording.t + half, side="right") - 1
    return np.where(place >= 0, given[np.maximum(place, 0)], -1).astype(np.int64)


def _offset(labels: _Labels, recording: Recording, config: LabelsConfig, report: ReadReport) -> float:
    """Seconds to add to the times of labels."""
    file, t0 = config.file.name, recording.t.item(0)
    if isinstance(config.offset, float):
        return config.offset
    start = t0 - labels.t.item(0)
    if not labels.timed or config.offset == "start":
        report.note(f"{file}: the first label stands at the first sample ({start:+.3f} s)")
        return start
    if config.offset is None:
        return 0.0
    bent = _bent(labels, recording.hand)
    if bent is None:
        raise SessionError(
            f"{config.file}: only points and angles tell the offset of the clocks; give it, as in `labels.offset=1.5`"
        )
    overlap = min(labels.t[-1], recording.t[-1]) - max(labels.t[0], recording.t[0])
    coarse = 0.0 if overlap > 0.5 * min(recording.duration_s, labels.t[-1] - labels.t[0]) else start
    data = LagData(recording.t - t0, recording.emg, labels.t + coarse - t0, bent, recording.emg_mode)
    found = estimate_offset(data)
    if found is None:
        raise SessionError(
            f"{config.file}: the offset of its clock cannot be told from the signal (at least 15 s of movement are "
            "needed, beginning within 10 s of the EMG); give it, as in `labels.offset=1.5`"
        )
    report.note(
        f"{file}: its clock is {coarse - found.seconds:+.3f} s from the EMG's, give or take {found.error_s:.3f} s "
        f"(estimated; the signal explains {found.explained:.0%} of the angles)"
    )
    return coarse - found.seconds


def _bent(labels: _Labels, hand: Side | None) -> Float32Array | None:
    """Angles (m, 20) in radians, NaN where there is none."""
    if labels.angles is not None:
        return labels.angles
    if labels.joints is None:
        return None
    return np.asarray(angles(labels.joints.reshape(-1, POINTS, 3)), dtype=np.float32)


def _read(config: LabelsConfig, samples: int, recording: Recording, side: Side, report: ReadReport) -> _Labels:
    file, said, _ = split_options(config.file)
    with open_file(file) as opened:
        head = opened.read(HEAD_BYTES)
        opened.seek(0)
        if head.startswith(MAGIC) or archive_reader(opened) or reader_of(head):
            return _of_session(file, said)
        batches = lines_of(blocks(opened, report), file.name)
        labels = _of_text(file, batches, config, samples, recording, report)
    if labels.joints is not None:
        scale = _MM[config.unit] if config.unit else _scale(file, labels.joints, report)
        points = labels.joints.reshape(-1, POINTS, 3) * scale
        with np.errstate(all="ignore"):
            turned = to_hand_frame(points, side).reshape(-1, VALUES)
        labels = replace(labels, joints=turned)
    return labels


def _of_session(file: Path, said: ReadConfig) -> _Labels:
    """The labels of a session that has EMG of its own."""
    from drivers.sessions.reader import read_configured

    other = read_configured(file, said)
    if other.joints is not None and other.label_t is not None:
        return _Labels(other.label_t, joints=other.joints)
    if other.angles is not None and other.angle_t is not None:
        return _Labels(other.angle_t, angles=other.angles)
    if other.classes is not None:
        return _Labels(other.t, classes=other.classes)
    raise SessionError(f"{file}: is a session without labels; expected points, angles or classes")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Columns by their place."""

    width: int
    time: int | None = None
    seconds: float | None = None
    duration: int | None = None
    lasts_until: bool = False
    """Whether `duration` is the time of the end."""
    points: tuple[int, ...] = ()
    angles: tuple[tuple[str, int], ...] = ()
    radians: Set[str] = frozenset()
    """Angles that are not in degrees."""
    label: int | None = None


def _of_text(
    file: Path,
    batches: Iterator[Lines],
    config: LabelsConfig,
    samples: int,
    recording: Recording,
    report: ReadReport,
) -> _Labels:
    first: Lines = []
    for first in batches:
        while first and (not first[0].strip() or is_comment(first[0])):
            first = first[1:]
        if first:
            break
    head = [line for line in first[:_HEAD_LINES] if line.strip()]
    if not head:
        raise SessionError(f"{file}: holds no labels; {_ADVICE}")
    dialect = dialect_of(head[1:] or head)
    if len(head) > 1 and all("\t" in line for line in head[:2]):
        dialect = replace(dialect, delimiter="\t")
    names = [token.strip("\"'# ").lower() for token in dialect.split(head[0])]
    named = not any(number(name) is not None or time_of(name) is not None for name in names)
    layout = _layout(file, names, named, config, report)
    words = ClassNames()
    used = [place for place in (layout.time, layout.duration) if place is not None]
    used += [*layout.points, *(place for _, place in layout.angles), *(() if layout.label is None else (layout.label,))]
    readers: dict[int, Callable[[str], float | None]] = {0: time_of} if layout.time is not None else {}
    if layout.label is not None:
        readers[len(used) - 1] = words
    free = int(layout.time is not None) + int(layout.duration is not None)
    table = Table(file.name, layout.width, dialect, report, free, tuple(used), readers)
    body = chain([first[1:] if named else first], batches)
    rows = list(table.blocks(body, 2 if named else 1))
    values = np.concatenate([block.values for block in rows])
    if layout.label is not None:
        values[:, -1] = words.numbered(values[:, -1].astype(np.float32), report)
    return _labels(file, layout, values, config, samples, recording, report)


def _labels(
    file: Path,
    layout: _Layout,
    values: Float64Array,
    config: LabelsConfig,
    samples: int,
    recording: Recording,
    report: ReadReport,
) -> _Labels:
    if layout.time is not None:
        t = values[:, 0]
        unit, said = (layout.seconds, "") if layout.seconds else _unit(t, recording)
        if said and unit != 1.0:
            report.note(f"{file.name}: times are in {said}")
        t = t * unit
    elif config.rate:
        t = np.arange(len(values)) / config.rate
    elif len(values) == samples:
        report.note(f"{file.name}: a label for each sample, in their order")
        t = recording.t - recording.t[0]
    else:
        raise SessionError(
            f"{file}: has {len(values)} labels without times, for {samples} samples; say their rate: `labels.rate=30`"
        )
    order = np.argsort(t, kind="stable")
    t, values = t[order], values[order]
    at = int(layout.time is not None)
    duration = None
    if layout.duration is not None:
        duration, at = np.nan_to_num(values[:, at]) * (unit if layout.time is not None else 1.0), at + 1
        if layout.lasts_until:
            duration = duration - t
    joints = values[:, at : at + VALUES].astype(np.float32) if layout.points else None
    at += len(layout.points)
    bent = None
    if layout.angles:
        bent = np.full((len(t), len(ANGLES)), np.nan, np.float32)
        for place, (name, _) in enumerate(layout.angles):
            column = values[:, at + place]
            bent[:, ANGLES.index(name)] = column if name in layout.radians else np.deg2rad(column)
    classes = None
    if layout.label is not None:
        given = np.nan_to_num(values[:, -1], nan=-1.0)
        if (given != np.rint(given)).any() or not (np.abs(given) <= 1 << 31).all():
            raise SessionError(f"{file}: its classes are no whole numbers; {_ADVICE}")
        classes = given.astype(np.int64)
    return _Labels(t, joints, bent, classes, duration, layout.time is not None)


def _unit(t: Float64Array, recording: Recording) -> tuple[float, str]:
    """The unit of times: by their size if they are since 1970, else that in which they last as long as the EMG."""
    if abs(t.item(0)) >= 1e8:
        return seconds_per_unit(t)
    span = float(t.max() - t.min())
    if span <= 0:
        return 1.0, "seconds"
    units = ((1.0, "seconds"), (1e-3, "milliseconds"), (1e-6, "microseconds"))
    return min(units, key=lambda one: abs(np.log(max(span * one[0], 1e-9) / max(recording.duration_s, 1e-3))))


def _layout(file: Path, names: Sequence[str], named: bool, config: LabelsConfig, report: ReadReport) -> _Layout:
    if config.columns:
        return _by_option(file, config.columns, len(names))
    if not named:
        if len(names) == 2:
            report.note(f"{file.name}: column 1 was taken for the time, column 2 for the class")
            return _Layout(2, 0, label=1)
        if len(names) == VALUES + 1:
            report.note(f"{file.name}: column 1 was taken for the time, columns 2-64 for the points")
            return _Layout(len(names), 0, points=tuple(range(1, VALUES + 1)))
        raise SessionError(f"{file}: has {len(names)} columns without names; {_ADVICE}")
    time, seconds = time_column(names)
    stems, units = units_apart(names)
    if time is None:
        time = next((stems.index(name) for name in _STARTS if name in stems), None)
        seconds = None if time is None else _SECONDS.get(units[time], 1.0 if stems[time] == "onset" else None)
    points = _points(names)
    bent = tuple((name, place) for place, name in enumerate(stems) if name in ANGLES)
    radians = {name for name, place in bent if units[place] in ("rad", "radians")}
    label = next((stems.index(name) for name in _CLASSES if name in stems), None)
    if not points and not bent and label is None:
        raise SessionError(f"{file}: the header `{','.join(names)[:60]}` names no labels; {_ADVICE}")
    ends = next((stems.index(name) for name in _ENDS if name in stems), None)
    duration = stems.index("duration") if "duration" in stems else ends
    if label is None or time is None:
        duration = None
    until = duration is not None and duration == ends
    return _Layout(len(names), time, seconds, duration, until, points, bent, radians, label)


def _points(names: Sequence[str]) -> tuple[int, ...]:
    """Places of the 63 columns of 21 points, in their order; empty if they are not all there."""
    found: dict[tuple[int, str], int] = {}
    for place, name in enumerate(names):
        if (by_name := _NAMED.fullmatch(name)) and by_name["name"].replace(" ", "_") in JOINTS:
            found[JOINTS.index(by_name["name"].replace(" ", "_")), by_name["axis"]] = place
            continue
        for pattern in _POINT:
            if (match := pattern.fullmatch(name)) and int(match["number"]) < POINTS:
                found.setdefault((int(match["number"]), match["axis"]), place)
                break
    wanted = [(point, axis) for point in range(POINTS) for axis in _AXES]
    return tuple(found[one] for one in wanted) if all(one in found for one in wanted) else ()


def _by_option(file: Path, text: str, width: int) -> _Layout:
    time: int | None = None
    seconds: float | None = None
    label: int | None = None
    points: tuple[int, ...] = ()
    bent: list[tuple[str, int]] = []
    column = 0
    for word in (one.strip() for one in text.split(",")):
        if _COLUMN.fullmatch(word) is None:
            raise SessionError(
                f"`labels.columns={text}`: {word!r} is no column; expected t, t_ms, t_us, label, points (63 columns), "
                "the name of an angle, or -"
            )
        if word == "points":
            points = tuple(range(column, column + VALUES))
            column += VALUES
            continue
        if word == "label":
            label = column
        elif word in ANGLES:
            bent.append((word, column))
        elif word != "-":
            time, seconds = column, _SECONDS.get(word.partition("_")[2])
        column += 1
    if column > width:
        raise SessionError(f"{file}: `labels.columns={text}` names {column} columns, and there are {width}")
    if label is None and not points and not bent:
        raise SessionError(f"`labels.columns={text}`: names no labels; expected label, points or angles")
    return _Layout(width, time, seconds, points=points, angles=tuple(bent), label=label)


def _scale(file: Path, joints: Float32Array, report: ReadReport) -> float:
    """Millimetres per unit of the points (m, 63), by the size of the palm.

    Raises:
        SessionError: it is the size of no hand in any unit.
    """
    points = joints.reshape(-1, POINTS, 3).astype(np.float64)
    palm = float(np.nanmedian(np.linalg.norm(points[:, 9] - points[:, 0], axis=1))) if len(points) else 0.0
    low, high = _PALM_MM
    for unit, scale in _MM.items():
        if low <= palm * scale <= high:
            if unit != "mm":
                report.note(f"{file.name}: points are in {unit}, by the size of the hand")
            return scale
    raise SessionError(
        f"{file}: from wrist to middle knuckle are {palm:.3g}, which is no hand in mm, cm or m (points of a picture?); "
        "if it is one, say the unit: `labels.unit=mm`"
    )
