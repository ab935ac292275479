"""Summary of a session in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from drivers.sessions.file_options import split_options
from drivers.sessions.reader import finished, read_with
from drivers.sessions.report import DERIVED, JsonObject, ReadReport
from drivers.sessions.text.layout import Layout
from drivers.sessions.text.reader import Text, read_table
from drivers.sessions.text.summing import summarize_table
from drivers.uri import shown
from models.arrays import Float64Array
from models.recording import Recording

_INT8: Final = (-128.0, 127.0)


LARGE: Final = 1 << 26
"""Bytes of a file from which a table of text is summed up in parts, so that it need not fit in memory."""


def summarize(path: str | Path, device: int = 0) -> JsonObject:
    """Read a session, and say what `summary` says of it; a large table of text is not held in memory.

    Args:
        path: the file; options may follow its name.
        device: index of the armband in a file of several.

    Raises:
        SessionError, DriverError: as for `read_session`.
    """
    file, config, index = split_options(path)
    report = ReadReport()
    large = config.labels is None and file.is_file() and file.stat().st_size > LARGE
    on_table: Callable[[Text, Layout], Recording | JsonObject] = summarize_table if large else read_table
    found = read_with(file, config, report, device or index, on_table)
    if isinstance(found, Recording):
        return summary(finished(file, found, config, report))
    return {**found, "file": shown(str(file)), "device": shown(found["device"]), **report.as_meta()}


def summary(recording: Recording) -> JsonObject:
    """Duration, rate, gaps, channel statistics, labels and metadata, as `myocast info --json` shows them."""
    meta = recording.meta
    return {
        "file": str(meta.get("path", "")),
        "format": meta.get("format"),
        "device": recording.name,
        "index": meta.get("index", 0),
        "devices": list(meta.get("devices", [0])),
        "duration_s": round(recording.duration_s, 6),
        "samples": len(recording),
        "rate_hz": recording.rate_hz,
        "measured_rate_hz": _measured_rate(recording),
        "unit": recording.unit,
        "emg_mode": recording.emg_mode,
        "hand": recording.hand,
        "gaps": _gaps(recording),
        "channels": _channels(recording),
        "classes": _classes(recording),
        "truth": _labels(recording.label_t),
        "angles": _labels(recording.angle_t),
        "markers": [{"t_s": _since(recording, marker.t), "label": marker.label} for marker in recording.markers],
        "poses": [dict(one) for one in meta.get("poses", ())],
        "imu_samples": 0 if recording.imu is None else len(recording.imu),
        "bursts": 0 if recording.frame_start is None else len(recording.frame_start),
        "events": len(meta.get("events", ())),
        "metadata": {key: str(value) for key, value in meta.items() if _is_plain(key, value)},
        "dropped": list(meta.get("dropped", ())),
        "notes": list(meta.get("notes", ())),
    }


def _is_plain(key: str, value: object) -> bool:
    return key not in DERIVED and isinstance(value, str | int | float)


def _since(recording: Recording, t: float) -> float:
    return round(t - recording.t.item(0), 6)


def _measured_rate(recording: Recording) -> float | None:
    """Samples per second from first to last sample, without the gaps."""
    samples, seconds = 0, 0.0
    for segment in recording.segments():
        samples += segment.stop - segment.start - 1
        seconds += recording.t.item(segment.stop - 1) - recording.t.item(segment.start)
    return round(samples / seconds, 3) if seconds > 0 else None


def _gaps(recording: Recording) -> JsonObject:
    heads = [segment.start for segment in recording.segments()][1:]
    lost = [recording.sample.item(row) - recording.sample.item(row - 1) - 1 for row in heads]
    return {
        "count": len(heads),
        "lost_samples": sum(lost),
        "longest_s": round(max(lost, default=0) / recording.rate_hz, 6),
        "at_s": [_since(recording, recording.t.item(row)) for row in heads],
    }


def _channels(recording: Recording) -> list[JsonObject]:
    int8 = recording.unit == "adc" and recording.emg_mode != "envelope"
    rows = []
    for channel, column in enumerate(recording.emg.T, 1):
        values = column.astype(np.float64)
        low, high = float(values.min()), float(values.max())
        clipped = None
        if int8 and low >= _INT8[0] and high <= _INT8[1]:
            clipped = round(100.0 * float(np.isin(column, _INT8).mean()), 4)
        rows.append(
            {
                "channel": channel,
                "mean": round(float(values.mean()), 4),
                "sd": round(float(values.std()), 4),
                "rms": round(float(np.sqrt(np.mean(values**2))), 4),
                "min": low,
                "max": high,
                "clipped_percent": clipped,
            }
        )
    return rows


def _classes(recording: Recording) -> dict[str, int] | None:
    if recording.classes is None:
        return None
    return {str(label): count for label, count in sorted(Counter(recording.classes.tolist()).items())}


def _labels(t: Float64Array | None) -> JsonObject | None:
    """How many labels there are at these times."""
    if t is None or not len(t):
        return None
    span = float(t[-1] - t[0])
    return {"labels": len(t), "rate_hz": round((len(t) - 1) / span, 3) if span > 0 else None}
