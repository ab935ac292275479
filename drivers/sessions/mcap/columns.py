"""Columns of values from the messages of one device."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from drivers.events import Battery, Notice
from drivers.sessions.mcap import topics
from drivers.sessions.report import JsonObject, ReadReport
from models.arrays import Float32Array, Float64Array, Int64Array
from models.hand import CHANNELS, VALUES
from models.kinematics import ANGLES
from models.recording import Marker

_LATEST: Final = 1e12
"""Seconds before or after 1970; a time beyond it is damage."""
_LARGEST: Final = 1 << 53
"""Index or class; beyond it JSON has no whole numbers."""
_LAST_SAMPLE: Final = 1 << 40
_PERCENT: Final = 100


@dataclass(slots=True)
class SessionColumns:
    """Values of one device's messages in the order of the file: lists of arrays, to be concatenated at the end."""

    emg: list[Float32Array] = field(default_factory=list)
    counts: list[Int64Array] = field(default_factory=list)
    sample: list[Int64Array] = field(default_factory=list)
    t: list[Float64Array] = field(default_factory=list)
    arrival: list[Float64Array] = field(default_factory=list)
    label_t: list[Float64Array] = field(default_factory=list)
    joints: list[Float32Array] = field(default_factory=list)
    angle_t: list[Float64Array] = field(default_factory=list)
    angles: list[Float32Array] = field(default_factory=list)
    seen: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    """For `label_t`: whether something saw it (a tracker has a lag); otherwise the source of the EMG knew it."""
    angles_seen: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    """The same for `angle_t`."""
    imu: list[Float64Array] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    classes: list[tuple[float, int]] = field(default_factory=list)
    events: list[Battery | Notice] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)

    def take(self, topic: str, rows: list[JsonObject], log_times: list[int], report: ReadReport) -> None:
        """Append the parsed messages of one topic, with the `log_time` of each in nanoseconds.

        A message that does not fit its schema is dropped and reported.
        """
        try:
            self._take(topic, rows, log_times)
        except (KeyError, TypeError, ValueError, OverflowError):
            self._take_one_by_one(topic, rows, log_times, report)

    def _take(self, topic: str, rows: list[JsonObject], log_times: list[int]) -> None:
        match topic:
            case topics.EMG:
                self._take_emg(rows, log_times)
            case topics.LABEL:
                self._take_labels(rows)
            case topics.IMU:
                self._take_imu(rows)
            case topics.MARKER:
                self._take_markers(rows)
            case topics.EVENT:
                self._take_events(rows)

    def _take_one_by_one(self, topic: str, rows: list[JsonObject], log_times: list[int], report: ReadReport) -> None:
        if len(rows) == 1:
            report.drop(f"{topic} message that does not fit its schema")
            return
        for row, log_time in zip(rows, log_times, strict=True):
            self.take(topic, [row], [log_time], report)

    def _take_emg(self, rows: list[JsonObject], log_times: list[int]) -> None:
        full = [k for k, row in enumerate(rows) if len(row["samples"])]
        if len(full) < len(rows):
            rows, log_times = [rows[k] for k in full], [log_times[k] for k in full]
        if not rows:
            return
        counts = np.array([len(row["samples"]) for row in rows], dtype=np.int64)
        emg = _numbers([numbers for row in rows for numbers in row["samples"]])
        emg = emg.reshape(int(counts.sum()), CHANNELS)
        sample = np.array([_index(row["sample"]) for row in rows], dtype=np.int64)
        if sample.min() < 0 or sample.max() > _LAST_SAMPLE:
            raise ValueError("no index of a sample")
        t, arrival = _times(rows), _seconds(np.array(log_times, dtype=np.int64))
        self.emg.append(emg)
        self.counts.append(counts)
        self.sample.append(sample)
        self.t.append(t)
        self.arrival.append(arrival)

    def _take_labels(self, rows: list[JsonObject]) -> None:
        points = [row for row in rows if "joints" in row or "angles" not in row]
        joints = _numbers([row["joints"] for row in points]).reshape(len(points), VALUES)
        t = _times(points)
        if not np.isfinite(joints).all():
            raise ValueError("a point that is no number")
        self._take_angles([row for row in rows if "joints" not in row and "angles" in row])
        if points:
            self.label_t.append(t)
            self.joints.append(joints)
            self.seen.append(_seen(points))

    def _take_angles(self, rows: list[JsonObject]) -> None:
        if not rows:
            return
        degrees = np.full((len(rows), len(ANGLES)), np.nan)
        for row, given in enumerate(rows):
            for name, value in given["angles"].items():
                degrees[row, ANGLES.index(name)] = value
        t = _times(rows)
        self.angle_t.append(t)
        self.angles.append(np.deg2rad(degrees).astype(np.float32))
        self.angles_seen.append(_seen(rows))

    def _take_imu(self, rows: list[JsonObject]) -> None:
        values = [[row["t"], *row["quaternion"], *row["acceleration_g"], *row["gyro_dps"]] for row in rows]
        imu = np.array(values, dtype=np.float64).reshape(len(rows), 11)
        if not (np.isfinite(imu).all() and (np.abs(imu[:, 0]) <= _LATEST).all()):
            raise ValueError("a value that is no number")
        self.imu.append(imu)

    def _take_markers(self, rows: list[JsonObject]) -> None:
        classes: list[tuple[float, int]] = []
        markers: list[Marker] = []
        for row in rows:
            if row.get("kind") == topics.CLASS:
                classes.append((_time(row), _whole(row["label"])))
            else:
                markers.append(Marker(_time(row), str(row["label"])))
        self.classes += classes
        self.markers += markers

    def _take_events(self, rows: list[JsonObject]) -> None:
        gaps: list[int] = []
        events: list[Battery | Notice] = []
        for row in rows:
            kind, t = str(row["kind"]), _time(row)
            if kind == "gap":
                gaps.append(_whole(row.get("sample", -1)))
            elif kind == "battery":
                events.append(Battery(t, _whole(row["percent"], _PERCENT)))
            else:
                events.append(Notice(t, kind, str(row.get("detail", ""))))
        self.gaps += gaps
        self.events += events


def _times(rows: list[JsonObject]) -> Float64Array:
    """Times (n,) of messages. Raises ValueError if one is none: a null would become NaN."""
    given = [row["t"] for row in rows]
    if any(isinstance(value, bool | str) for value in given):
        raise ValueError("no time")
    t = np.array(given, dtype=np.float64)
    if t.shape != (len(rows),) or not (np.abs(t) <= _LATEST).all():
        raise ValueError("no time")
    return t


def _numbers(values: list[object]) -> Float32Array:
    """Numbers as float32, infinite where they are beyond it. Raises ValueError if one is a text."""
    found = np.array(values)
    if found.dtype.kind in "US":
        raise ValueError("a text where a number belongs")
    with np.errstate(over="ignore"):
        return found.astype(np.float32)


def _index(value: object) -> int:
    """A whole number. Raises ValueError if it is none: numpy would take `true`, `"7"` and 1.5 for one."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("no index of a sample")
    return value


def _time(row: JsonObject) -> float:
    t = float(row["t"])
    if not math.fabs(t) <= _LATEST:
        raise ValueError("no time")
    return t


def _whole(value: object, largest: int = _LARGEST) -> int:
    """A whole number of a message. Raises ValueError or TypeError if it is none or too large."""
    number = int(value) if isinstance(value, int | float | str) else None
    if number is None or abs(number) > largest:
        raise ValueError("no such number")
    return number


def _seen(rows: list[JsonObject]) -> npt.NDArray[np.bool_]:
    return np.array([bool(row.get("source")) for row in rows], dtype=np.bool_)


def _seconds(nanoseconds: npt.NDArray[np.int64]) -> Float64Array:
    # Seconds and the rest apart: the whole number has more digits than a float64.
    return nanoseconds // 1_000_000_000 + (nanoseconds % 1_000_000_000) / 1e9
