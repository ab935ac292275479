"""Read a session written by `SessionWriter`, also one whose end is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt
import orjson
from mcap.records import Channel, Message

from drivers.sessions.mcap import topics
from drivers.sessions.mcap.columns import SessionColumns
from drivers.sessions.mcap.records import RecordReader
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import JsonObject, ReadReport, SessionError
from drivers.sessions.timeline import ascending
from models.arrays import Float32Array, Float64Array, Int64Array
from models.hand import Side
from models.recording import Recording

T = TypeVar("T", bound=np.generic)

JsonPoses = list[dict[str, str | int]]
"""Of each filter: `poses`, its name in `filter` ("none" for none, "" where the file does not say), its settings."""
ARRIVAL: Final = "arrival"
"""Metadata key; `unknown` means that `log_time` is not the arrival time, and messages are not bursts."""
_READ: Final = (topics.EMG, topics.LABEL, topics.IMU, topics.MARKER, topics.EVENT)
_LATEST_S: Final = 5.0
_MOST_DEVICES: Final = 1_000_000
_RATES: Final = (1e-3, 1e6)
"""Samples per second that metadata may state; others are damage."""
_LARGEST_LAG_S: Final = 1e4
_LONGEST_NAME: Final = 200
_PARSED_AT_ONCE: Final = 1 << 22
"""Bytes of JSON, which take about thirty times as much once they are parsed."""

_OWN_KEYS: Final = frozenset({"index", "rate", "unit", "emg_mode", "hand", "channels", ARRIVAL})


def read_mcap(path: Path, file: BinaryIO, config: ReadConfig, report: ReadReport, device: int = 0) -> Recording:
    """Read one device's session.

    Raises:
        SessionError: there is no EMG of that device in the file.
    """
    records = RecordReader(file, report)
    devices_columns: dict[int, SessionColumns] = {}
    messages_of: Counter[str] = Counter()
    poses_of: Counter[int] = Counter()
    first_of: dict[str, Message] = {}
    for batch in records.batches():
        records.attachments.clear()
        for topic, messages in _by_topic(batch, records.channels).items():
            messages_of[topic] += len(messages)
            first_of.setdefault(topic, messages[0])
            if topic == topics.POSE:
                poses_of.update(message.channel_id for message in messages)
            for some in _portions(messages):
                _append(topic, some, devices_columns, report)
    found = devices_columns.get(device)
    if found is None or not found.counts:
        raise SessionError(f"{path}: {_no_emg(device, devices_columns, records, messages_of, first_of)}")
    meta = _metadata(records.metadata, device)
    devices = sorted(index for index, one in devices_columns.items() if one.counts)
    described = {key: value for key, value in meta.items() if key not in _OWN_KEYS}
    poses = _poses(poses_of, records.channels, device, devices)
    about = {**described, "format": "mcap", "index": device, "devices": devices, "poses": poses}
    return _recording(path, found, _Facts.of(path, meta, config, found), about, report)


def _poses(counts: Mapping[int, int], channels: Mapping[int, Channel], device: int, devices: list[int]) -> JsonPoses:
    """How many poses of a device there are with each filter; of a file that does not say, if it has one device only."""
    found: JsonPoses = []
    for number, count in counts.items():
        about = dict(channels[number].metadata)
        of = about.pop(topics.DEVICE, str(device) if devices == [device] else "")
        if of == str(device):
            found.append({"poses": count, "filter": about.pop(topics.FILTER, ""), **about})
    return found


def _no_emg(
    device: int,
    columns: Mapping[int, SessionColumns],
    records: RecordReader,
    messages_of: Mapping[str, int],
    first_of: Mapping[str, Message],
) -> str:
    """What a file holds in place of a device's EMG, and what it lacks."""
    if have := ", ".join(str(index) for index, one in sorted(columns.items()) if one.counts):
        return f"holds no EMG of device {device}; it has EMG of device {have}"
    there = [
        f"{topic or 'a topic without a name'} ({count} messages{_lacks(topic, first_of[topic])})"
        for topic, count in sorted(messages_of.items())
    ]
    silent = sorted({str(channel.topic) for channel in records.channels.values()} - set(messages_of))
    held = ", ".join([*there, *(f"{topic} (no message)" for topic in silent)]) or "no topic at all"
    expected = f"messages of {topics.EMG} with {', '.join(f'`{key}`' for key in topics.required(topics.EMG))}"
    return f"holds no EMG of device {device}; it holds {held}; expected {expected}"


def _lacks(topic: str, message: Message) -> str:
    """What the first message of one of our topics does not have, as the end of a phrase."""
    try:
        row = orjson.loads(message.data)
    except orjson.JSONDecodeError:
        return ", which are not JSON" if topic in topics.SCHEMAS else ""
    required = topics.required(topic)
    missing = [f"`{key}`" for key in required if not isinstance(row, dict) or key not in row]
    return f", without {', '.join(missing)}" if missing else ""


def _by_topic(batch: list[Message], channels: Mapping[int, Channel]) -> dict[str, list[Message]]:
    sorted_out: dict[str, list[Message]] = {}
    topic_of = {number: str(channel.topic) for number, channel in channels.items()}
    for message in batch:
        sorted_out.setdefault(topic_of.get(message.channel_id, ""), []).append(message)
    return sorted_out


def _portions(messages: list[Message]) -> Iterator[list[Message]]:
    """The messages in parts of a size that can be parsed at once."""
    start = size = 0
    for stop, message in enumerate(messages, 1):
        size += len(message.data)
        if size > _PARSED_AT_ONCE:
            yield messages[start:stop]
            start, size = stop, 0
    if start < len(messages):
        yield messages[start:]


def _parse(messages: list[Message], report: ReadReport) -> list[JsonObject]:
    # One call for all is several times faster than one per message.
    try:
        rows = orjson.loads(b"[" + b",".join([message.data for message in messages]) + b"]")
    except orjson.JSONDecodeError:
        rows = []
    if len(rows) == len(messages) and all(type(row) is dict for row in rows):
        return cast(list[JsonObject], rows)
    return [row for message in messages if (row := _parse_one(message, report)) is not None]


def _parse_one(message: Message, report: ReadReport) -> JsonObject | None:
    try:
        row = orjson.loads(message.data)
    except orjson.JSONDecodeError:
        row = None
    if isinstance(row, dict):
        return row
    report.drop("message that is not a JSON object")
    return None


def _append(topic: str, messages: list[Message], devices: dict[int, SessionColumns], report: ReadReport) -> None:
    if topic not in _READ:
        return
    rows = _parse(messages, report)
    arrivals = [m.log_time for m in messages] if len(rows) == len(messages) else [0] * len(rows)
    named = [index for row in rows if type(index := row.get("device", 0)) is int and 0 <= index <= _MOST_DEVICES]
    if len(named) < len(rows):
        report.drop("message of no device", count=len(rows) - len(named))
    indices = set(named)
    for index in indices:
        device = devices.setdefault(index, SessionColumns())
        if len(indices) == 1 and len(named) == len(rows):
            device.take(topic, rows, arrivals, report)
        else:
            mine = [k for k, row in enumerate(rows) if row.get("device", 0) == index]
            device.take(topic, [rows[k] for k in mine], [arrivals[k] for k in mine], report)


@dataclass(frozen=True, slots=True)
class _Facts:
    """Description of a device by the user or else by the metadata."""

    rate_hz: float
    unit: str
    emg_mode: str
    hand: Side | None
    name: str
    bursts: bool
    label_lag_s: float

    @classmethod
    def of(cls, path: Path, meta: Mapping[str, str], config: ReadConfig, columns: SessionColumns) -> _Facts:
        return cls(
            rate_hz=config.rate or _positive(meta.get("rate")) or _rate(path, columns),
            unit=config.unit or meta.get("unit", "adc"),
            emg_mode=config.mode or meta.get("emg_mode", "raw"),
            hand=config.hand or _side(meta.get("hand")),
            name=(meta.get("device") or path.name)[:_LONGEST_NAME],
            bursts=meta.get(ARRIVAL) != "unknown",
            label_lag_s=_lag(meta.get(topics.LABEL_LAG)),
        )


def _recording(
    path: Path, columns: SessionColumns, facts: _Facts, about: Mapping[str, object], report: ReadReport
) -> Recording:
    rows = _Rows.of(columns, facts.rate_hz, report)
    if not len(rows.emg):
        raise SessionError(f"{path}: holds no EMG that is a number; record again, or give another file")
    bursts = facts.bursts and abs(float(np.median(rows.arrival - rows.t[rows.start]))) < _LATEST_S
    label_t, joints = _in_order(_earlier(columns.label_t, columns.seen, facts.label_lag_s), columns.joints)
    angle_t, angles = _in_order(_earlier(columns.angle_t, columns.angles_seen, facts.label_lag_s), columns.angles)
    imu = np.concatenate(columns.imu) if columns.imu else None
    return Recording(
        emg=rows.emg,
        t=rows.t,
        sample=rows.sample,
        rate_hz=facts.rate_hz,
        unit=facts.unit,
        emg_mode=facts.emg_mode,
        hand=facts.hand,
        name=facts.name,
        label_t=label_t,
        joints=joints,
        angle_t=angle_t,
        angles=angles,
        classes=_classes(columns.classes, rows.t, facts.rate_hz),
        markers=tuple(sorted(columns.markers, key=lambda marker: marker.t)),
        frame_start=rows.start if bursts else None,
        arrival=rows.arrival if bursts else None,
        imu=imu[np.argsort(imu[:, 0], kind="stable")] if imu is not None else None,
        breaks=rows.breaks if len(rows.breaks) else None,
        meta={**about, "events": tuple(sorted(columns.events, key=lambda event: event.t))},
    )


@dataclass(slots=True)
class _Rows:
    """Samples in order, and the frames that they arrived in."""

    emg: Float32Array
    t: Float64Array
    sample: Int64Array
    start: Int64Array
    arrival: Float64Array
    breaks: Int64Array

    @classmethod
    def of(cls, columns: SessionColumns, rate: float, report: ReadReport) -> _Rows:
        counts = _join(columns.counts)
        start = np.concatenate(([0], np.cumsum(counts)[:-1]))
        within = np.arange(int(counts.sum())) - np.repeat(start, counts)
        sample, restarts = _counting(np.repeat(_join(columns.sample), counts) + within)
        t, joins = ascending(np.repeat(_join(columns.t), counts) + within / rate, 1.0 / rate, restarts)
        gaps = np.searchsorted(sample, np.array(sorted(columns.gaps), dtype=np.int64))
        rows = cls(_join(columns.emg), t, sample, start, _join(columns.arrival), _merge(joins, restarts, gaps))
        rows._keep_finite(report)
        return rows

    def _keep_finite(self, report: ReadReport) -> None:
        good: npt.NDArray[np.bool_] = np.all(np.isfinite(self.emg), axis=1)
        if good.all():
            return
        report.drop("sample with NaN or infinite values", count=int((~good).sum()))
        moved = np.concatenate(([0], np.cumsum(good)))
        kept = moved[np.append(self.start[1:], len(good))] > moved[self.start]
        self.start, self.arrival = moved[self.start[kept]], self.arrival[kept]
        self.breaks = np.unique(moved[self.breaks])
        self.emg, self.t, self.sample = self.emg[good], self.t[good], self.sample[good]


def _metadata(records: list[tuple[str, dict[str, str]]], device: int) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name, values in records:
        if name == topics.METADATA and values.get("index", str(device)) == str(device):
            merged |= values
    return merged


def _positive(text: str | None) -> float | None:
    try:
        value = float(text or 0)
    except ValueError:
        return None
    low, high = _RATES
    return value if low <= value <= high else None


def _lag(text: str | None) -> float:
    try:
        value = float(text or 0) / 1000.0
    except ValueError:
        return 0.0
    return value if math.fabs(value) <= _LARGEST_LAG_S else 0.0


def _earlier(t: list[Float64Array], seen: list[npt.NDArray[np.bool_]], lag_s: float) -> list[Float64Array]:
    """Times of labels with the lag of those that something saw taken out."""
    return [times - lag_s * late for times, late in zip(t, seen, strict=True)]


def _rate(path: Path, columns: SessionColumns) -> float:
    first, last = columns.t[0][0], columns.t[-1][-1]
    samples = int(columns.sample[-1][-1] - columns.sample[0][0])
    if last > first and _RATES[0] <= (rate := samples / float(last - first)) <= _RATES[1]:
        return rate
    raise SessionError(f"{path}: does not say its rate, and it is too short to tell; give it, as in `?rate=200`")


def _join(parts: list[npt.NDArray[T]]) -> npt.NDArray[T]:
    """Concatenate the parts and release them, so that an hour need not fit in memory twice."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _counting(sample: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Make sample indices always rise; return them and the rows where they had started again."""
    back = np.flatnonzero(np.diff(sample) <= 0) + 1
    if len(back):
        moved = np.zeros(len(sample), dtype=np.int64)
        moved[back] = 1 - np.diff(sample)[back - 1]
        sample = sample + np.cumsum(moved)
    return sample, back.astype(np.int64)


def _merge(*rows: Int64Array | None) -> Int64Array:
    merged = np.unique(np.concatenate([part for part in rows if part is not None]))
    return merged[merged > 0].astype(np.int64)


def _in_order(t: list[Float64Array], joints: list[Float32Array]) -> tuple[Float64Array | None, Float32Array | None]:
    if not t:
        return None, None
    times, values = np.concatenate(t), np.concatenate(joints)
    if (np.diff(times) < 0).any():
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    return times, values


def _classes(starts: list[tuple[float, int]], t: Float64Array, rate: float) -> Int64Array | None:
    if not starts:
        return None
    since = np.array([at for at, _ in sorted(starts)]) - 0.5 / rate
    labels = np.array([label for _, label in sorted(starts)], dtype=np.int64)
    return labels[np.maximum(np.searchsorted(since, t, side="right") - 1, 0)]


def _side(text: str | None) -> Side | None:
    return cast(Side, text) if text in ("left", "right") else None
