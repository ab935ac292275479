"""Make a recording of the columns of a table: channels, times, points, angles, classes, whatever file they are from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from drivers.sessions.read_config import FileUnit, ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.timeline import from_times
from drivers.sessions.units import to_kept_unit
from models.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from models.hand import Side
from models.recording import Recording

OUTAGE_S: Final = 0.25
BARE_RATE: Final = 200.0
"""Hz of a Myo, for files that do not say theirs."""
BACK: Final = "time goes back {} times: what follows is moved to go on from there"
LATEST_S: Final = 1e12
"""Seconds before or after 1970, or any other origin; a time beyond it is damage."""
_HIGHEST_RATE: Final = 100_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What a reader found, row by row; `ReadConfig` overrides it."""

    emg: Float32Array
    """(n, 8) as the file has it."""
    t: Float64Array | None = None
    """(n,) seconds; None: they are made from the rate."""
    ordinal: Int64Array | None = None
    """(n,) index of each row among all, where some were dropped."""
    joints: Float32Array | None = None
    """(n, 63) mm, frame `hand`; NaN where there is no label."""
    angles: Float32Array | None = None
    """(n, 20) radians; NaN where there is no label."""
    classes: Int64Array | None = None
    rate: float | None = None
    unit: FileUnit | None = None
    mode: str | None = None
    hand: Side | None = None
    format: str = "text"
    outage_s: float = OUTAGE_S
    start_s: float = 0.0
    """Time of the first row, where times are made from the rate."""


def kept(found: Samples, good: BoolArray) -> Samples:
    """The rows (n,) that are good."""
    return replace(
        found,
        emg=found.emg[good],
        t=None if found.t is None else found.t[good],
        ordinal=np.flatnonzero(good).astype(np.int64) if found.ordinal is None else found.ordinal[good],
        joints=None if found.joints is None else found.joints[good],
        angles=None if found.angles is None else found.angles[good],
        classes=None if found.classes is None else found.classes[good],
    )


def recording_of(name: str, found: Samples, config: ReadConfig, report: ReadReport) -> Recording:
    """Make the recording.

    Args:
        name: of the file, for messages.
        found: what is in the file.
        config: what the user says of it.
        report: takes what is said about it.

    Raises:
        SessionError: unit or times cannot be told.
    """
    if found.t is not None and not (good := np.abs(found.t) <= LATEST_S).all():
        if not good.any():
            raise SessionError(f"{name}: its times are none; say what is the time, as in `?columns=t,ch1-8`")
        report.drop("time that is none", count=int((~good).sum()))
        found = kept(found, good)
    emg = found.emg
    if config.scale is not None:
        with np.errstate(over="ignore"):
            emg = np.multiply(emg, config.scale, dtype=np.float32)
        if not np.isfinite(emg).all():
            raise SessionError(f"{name}: samples times `?scale={config.scale:g}` are beyond what can be kept; check it")
    unit, emg = to_kept_unit(emg, config.unit or found.unit, config.mode, name, report)
    rate = config.rate or found.rate
    t = found.t
    if t is not None and rate and len(t) > 1 and not (np.diff(t) > 0).any():
        report.note("time does not advance: times are made from the rate")
        t = None
    if t is None:
        rate = rate or BARE_RATE
        sample = np.arange(len(emg), dtype=np.int64) if found.ordinal is None else found.ordinal
        # A dropped row was a sample: index and time jump over it.
        t, breaks = found.start_s + sample / rate, None
    else:
        t, sample, rate, breaks = _timeline(name, found, t, config, report)
    seen = None if found.joints is None else np.isfinite(found.joints).all(axis=1)
    if found.t is not None and seen is not None and not seen.all():
        report.note(f"{int((~seen).sum())} rows have no label")
    has = seen is not None and bool(seen.any())
    known = None if found.angles is None else np.isfinite(found.angles).any(axis=1)
    bent = known is not None and bool(known.any())
    return Recording(
        emg=emg,
        t=t,
        sample=sample,
        rate_hz=rate,
        unit=unit or "adc",
        emg_mode=config.mode or found.mode or "raw",
        hand=config.hand or found.hand,
        name=name,
        label_t=t[seen] if has else None,
        joints=np.ascontiguousarray(found.joints[seen]) if has and found.joints is not None else None,
        angle_t=t[known] if bent else None,
        angles=np.ascontiguousarray(found.angles[known]) if bent and found.angles is not None else None,
        classes=found.classes,
        breaks=breaks,
        meta={"format": found.format},
    )


def _timeline(
    name: str, found: Samples, t: Float64Array, config: ReadConfig, report: ReadReport
) -> tuple[Float64Array, Int64Array, float, Int64Array | None]:
    try:
        timeline = from_times(t, config.rate or found.rate, found.outage_s)
    except ValueError as error:
        raise SessionError(f"{name}: {error}; `t` must be in seconds, or say the rate, as in `?rate=200`") from None
    if not 1.0 <= timeline.rate_hz <= _HIGHEST_RATE:
        apart = f"{name}: samples are {1.0 / timeline.rate_hz:g} s apart"
        if config.columns:
            raise SessionError(
                f"{apart}; the times are in another unit than `?columns={config.columns}` says (`t` seconds, `t_ms` "
                "milliseconds, `t_us` microseconds)"
            )
        if timeline.rate_hz < 1.0:
            raise SessionError(f"{apart}; `t` must be in seconds (milliseconds?)")
        raise SessionError(f"{apart}, which no EMG is; say in what unit the times are, as in `?columns=t_ms,ch1-8`")
    if timeline.breaks is not None:
        report.note(BACK.format(len(timeline.breaks)))
    if not timeline.regular:
        report.note("times are irregular (arrival times): the rate is a mean, and only outages count as gaps")
    return timeline.t, timeline.sample, timeline.rate_hz, timeline.breaks
