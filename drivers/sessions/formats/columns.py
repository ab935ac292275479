"""From columns that a file names to a recording, for every format but text and MCAP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from drivers.sessions.assemble import BARE_RATE, Samples, kept, recording_of
from drivers.sessions.read_config import FileUnit, ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.text.layout import (
    CHANNELS_ADVICE,
    CLASSES,
    COLUMNS_ADVICE,
    NO_TIME,
    Layout,
    channel_unit,
    check_units,
    eight_of,
    in_its_units,
    layout_by_names,
    layout_by_option,
    layout_by_values,
    seconds_per_unit,
)
from models.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from models.hand import CHANNELS, VALUES, Side
from models.kinematics import ANGLES
from models.recording import Recording

_HEAD_ROWS: Final = 100
_INT8: Final = 128
_WITH_TIME: Final = CHANNELS + 3
"""Columns of a table of a counter, a time, eight channels and a class."""
LARGEST_ARRAY: Final = 1 << 30
"""Bytes of an array; a larger size is taken for damage, or for what does not fit in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Columns of one length."""

    length: int
    width: int
    column: Callable[[int], npt.NDArray[np.generic]]
    """The numbers (length,) of a column."""
    names: Sequence[str] = ()
    """Of the columns; empty if the file has none."""
    units: Sequence[str] = ()
    t: Float64Array | None = None
    """(length,) seconds."""
    rate: float | None = None
    unit: FileUnit | None = None
    """Of all channels, where the columns do not say theirs."""
    mode: str | None = None
    hand: Side | None = None
    joints: Float32Array | None = None
    angles: Float32Array | None = None
    classes: Int64Array | None = None
    start_s: float = 0.0
    format: str = ""


def columns_of(
    array: npt.NDArray[np.generic], name: str, report: ReadReport
) -> tuple[int, int, npt.NDArray[np.generic]]:
    """Turn an array of two axes so that its rows are samples: their number, that of columns, and the array.

    Raises:
        SessionError: it holds no numbers, or has not two axes.
    """
    if array.dtype.kind not in "biuf":
        raise SessionError(f"{name}: holds {array.dtype} where numbers belong")
    if array.ndim != 2:
        raise SessionError(f"{name}: has {array.ndim} axes {array.shape}; expected samples x channels")
    rows, width = array.shape
    if rows < width and rows >= CHANNELS > 0 and width > 4 * rows:
        report.note(f"{name} is {rows} x {width}: its rows are taken for channels")
        array = array.T
        rows, width = width, rows
    return rows, width, array


def recording_of_columns(path: Path, found: Columns, config: ReadConfig, report: ReadReport) -> Recording:
    """Make a recording of a file's columns; what each was taken for is said.

    Raises:
        SessionError: there are not eight channels, it cannot be told which they are, or rate or unit are not known.
    """
    if not found.length:
        raise SessionError(f"{path.name}: holds no samples")
    layout = _layout(path.name, found, config, report)
    for note in layout.notes:
        timed = found.t is not None or found.rate is not None
        report.note(note.removesuffix(NO_TIME) if timed else note)
    check_units(path.name, layout, config)
    emg = np.empty((found.length, CHANNELS), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for channel, place in enumerate(layout.emg):
            emg[:, channel] = found.column(place)
    t = found.t
    if layout.time is not None:
        t = _as_floats(found.column(layout.time))
        unit = layout.seconds
        if unit is None:
            unit, name = seconds_per_unit(t)
            if unit != 1.0:
                report.note(f"times are in {name}")
        t = t * unit
    samples = Samples(
        emg=emg,
        t=t,
        joints=_joints(found, layout),
        angles=_angles(found, layout),
        classes=_classes(path.name, found, layout, report),
        rate=found.rate or layout.rate,
        unit=layout.unit or found.unit,
        mode=found.mode,
        hand=found.hand,
        format=found.format,
        start_s=found.start_s,
    )
    return recording_of(
        path.name, _known(path.name, _finite(path.name, samples, report), config, report), config, report
    )


def _layout(name: str, found: Columns, config: ReadConfig, report: ReadReport) -> Layout:
    width = found.width
    if config.columns is not None:
        given = layout_by_option(config.columns, width, name)
        beside = [unit.strip().lower() for unit in found.units]
        return in_its_units(given, [one.lower() for one in found.names], beside) if found.names else given
    if found.names:
        names = [one.strip().lower() for one in found.names]
        try:
            layout = layout_by_names(
                names, units=[unit.strip().lower() for unit in found.units], channels=config.channels
            )
        except SessionError as error:
            raise SessionError(f"{name}: {str(error).replace('the header names', 'it has')}") from None
        if layout is not None:
            return layout
    elif CHANNELS < width <= _WITH_TIME and config.channels is None and found.t is None:
        head = np.stack([_as_floats(found.column(place)[:_HEAD_ROWS]) for place in range(width)], axis=1)
        head = head[np.isfinite(head).all(axis=1)]
        if len(head):
            return layout_by_values(head, name)
    units = tuple(unit.strip().lower() for unit in found.units)
    if config.channels is not None:
        emg = eight_of(config.channels, width)
    elif width == CHANNELS:
        emg = tuple(range(CHANNELS))
    else:
        there = f" ({', '.join(found.names[:12])}{', …' if width > 12 else ''})" if found.names else ""
        advice = f"{CHANNELS_ADVICE}, or {COLUMNS_ADVICE}" if width > CHANNELS else "Myocast takes eight"
        raise SessionError(f"{name}: has {width} columns{there}, and none named as eight channels are; {advice}")
    if found.names:
        report.note(f"channels 1 to 8 are {', '.join(f'`{found.names[place]}`' for place in emg)}")
    elif width > CHANNELS:
        report.note(f"channels 1 to 8 are columns {', '.join(str(place + 1) for place in emg)} of {width}")
    unit, odd = channel_unit([units[place] for place in emg] if units else ())
    return Layout(width, emg, unit=unit, odd_units=odd)


def _finite(name: str, samples: Samples, report: ReadReport) -> Samples:
    """Without samples that are no numbers."""
    good: BoolArray = np.asarray(np.isfinite(samples.emg).all(axis=1))
    if samples.t is not None:
        good &= np.isfinite(samples.t)
    if good.all():
        return samples
    if not good.any():
        raise SessionError(f"{name}: holds no sample whose eight channels are numbers")
    report.drop("sample with NaN or infinite values", count=int((~good).sum()))
    return kept(samples, good)


def _known(name: str, samples: Samples, config: ReadConfig, report: ReadReport) -> Samples:
    """Ask for rate and unit where the file does not state them and its values are no counts of a Myo."""
    emg = samples.emg
    whole = bool((emg == np.rint(emg)).all())
    if samples.unit is None and config.unit is None and not whole and float(np.abs(emg).max()) >= 2.0:
        raise SessionError(
            f"{name}: does not say the unit of its channels, and they are no counts; say it: `?unit=uV`, `?unit=mV`, "
            "`?unit=V` or `?unit=adc`"
        )
    if samples.t is not None or samples.rate or config.rate:
        return samples
    if not whole or float(np.abs(emg).max()) > _INT8:
        raise SessionError(f"{name}: does not say how many samples it has a second; say it, as in `?rate=200`")
    report.note(f"the rate is not said: {BARE_RATE:g} Hz is a Myo's, whose counts these can be; else say `?rate=`")
    return replace(samples, rate=BARE_RATE)


def _as_floats(column: npt.NDArray[np.generic]) -> Float64Array:
    return np.asarray(column, dtype=np.float64)


def _joints(found: Columns, layout: Layout) -> Float32Array | None:
    if layout.joints is None:
        return found.joints
    columns = [_as_floats(found.column(place)) for place in range(layout.joints, layout.joints + VALUES)]
    return np.stack(columns, axis=1).astype(np.float32)


def _angles(found: Columns, layout: Layout) -> Float32Array | None:
    if not layout.angles:
        return found.angles
    radians = np.full((found.length, len(ANGLES)), np.nan, np.float32)
    for name, place in layout.angles.items():
        radians[:, ANGLES.index(name)] = np.deg2rad(_as_floats(found.column(place)))
    return radians


def _classes(name: str, found: Columns, layout: Layout, report: ReadReport) -> Int64Array | None:
    if layout.label is None:
        return found.classes
    return whole_classes(name, found.column(layout.label), report)


def whole_classes(name: str, column: npt.NDArray[np.generic], report: ReadReport) -> Int64Array:
    """Classes (n,) of a column of numbers, -1 where it has none, or of words, which get numbers in their order.

    Raises:
        SessionError: they are no whole numbers.
    """
    if column.dtype.kind in "US":
        numbers: dict[str, int] = {}
        words = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in column.reshape(-1)]
        found = np.array([numbers.setdefault(word.strip(), len(numbers)) for word in words], dtype=np.int64)
        report.note(CLASSES + ", ".join(f"{number} = {word[:20]}" for word, number in list(numbers.items())[:12]))
        return found
    if column.dtype.kind not in "biuf":
        raise SessionError(f"{name}: its class labels are neither numbers nor words")
    given = np.nan_to_num(_as_floats(column.reshape(-1)), nan=-1.0)
    if not (np.abs(given) <= 1 << 31).all() or (given != np.rint(given)).any():
        raise SessionError(f"{name}: its class labels are no whole numbers")
    return given.astype(np.int64)
