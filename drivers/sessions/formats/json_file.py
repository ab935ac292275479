"""JSON: EMG-EPN-612, and EMG as lists.

EMG-EPN-612 (https://laboratorio-ia.epn.edu.ec; Myo, 200 Hz, 612 people): `{training,testing}JSON/userN/userN.json` with
`generalInfo.samplingFrequencyInHertz`, and in `trainingSamples` and `testingSamples` by `idx_K`: `emg.ch1…ch8`,
`gestureName` (absent where it is not told), `groundTruth` (of each sample, whether the gesture is made).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import orjson

from drivers.sessions.formats.columns import Columns, recording_of_columns, whole_classes
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import JsonObject, ReadReport, SessionError
from drivers.sessions.text.layout import CHANNEL_NAMES, seconds_per_unit
from drivers.sessions.text.times import time_of
from models.arrays import Float32Array, Float64Array, Int64Array
from models.hand import CHANNELS
from models.recording import Recording

_LARGEST: Final = 48 << 20
"""Bytes; parsed JSON takes up to twenty times as much."""
_EPN_RATE: Final = 200.0
_GROUPS: Final = ("trainingSamples", "testingSamples")
GESTURES: Final = ("noGesture", "fist", "waveIn", "waveOut", "open", "pinch")
"""Classes of EMG-EPN-612, by their number here."""
_RATES: Final = (
    "rate",
    "rate_hz",
    "fs",
    "sfreq",
    "srate",
    "frequency",
    "sampling_rate",
    "sampling_frequency",
    "sample_rate",
)
_TIMES: Final = ("t", "time", "times", "timestamp", "timestamps", "ts")
_CLASSES: Final = ("label", "labels", "class", "classes", "gesture", "gestures")
_UNITS: Final = ("adc", "nV", "uV", "mV", "V")


def read(path: Path, file: BinaryIO, config: ReadConfig, report: ReadReport) -> Recording:
    """Read a JSON file.

    Raises:
        SessionError: it is no JSON, too large, or no EMG of eight channels is found in it.
    """
    content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise SessionError(f"{path}: is more than {_LARGEST >> 20} MB of JSON; write it in parts, or as CSV")
    content = content.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        found = orjson.loads(_as_list(content))
    except orjson.JSONDecodeError as error:
        raise SessionError(f"{path}: is JSON that cannot be read ({' '.join(str(error).split())[:100]})") from None
    if isinstance(found, dict) and any(isinstance(found.get(group), dict) for group in _GROUPS):
        return _epn(path, found, config, report)
    return _lists(path, found, config, report)


def _as_list(content: bytes) -> bytes:
    """JSON; of JSON lines, a list of them."""
    first, newline, rest = content.partition(b"\n")
    if not newline or first.strip()[-1:] not in (b"}", b"]") or rest.lstrip()[:1] not in (b"{", b"["):
        return content
    return b"[" + b",".join(line for line in content.split(b"\n") if line.strip()) + b"]"


def _records(rows: list[JsonObject]) -> tuple[tuple[str, ...], Float64Array, list[object] | None]:
    """Names and rows of a list of objects, and their times if they hold a list of channels each.

    Raises:
        KeyError, TypeError, ValueError: they are not alike.
    """
    whole = next((key for key in rows[0] if isinstance(rows[0][key], list) and len(rows[0][key]) >= CHANNELS), None)
    if whole is not None:
        time = next((key for key in _TIMES if key in rows[0]), None)
        t = None if time is None else [row[time] for row in rows]
        return (), np.array([row[whole] for row in rows], dtype=np.float64), t
    names = tuple(key for key, value in rows[0].items() if isinstance(value, int | float))
    return names, np.array([[row[name] for name in names] for row in rows], dtype=np.float64), None


def _lists(path: Path, found: object, config: ReadConfig, report: ReadReport) -> Recording:
    """EMG in lists of numbers: `emg`, `emg.data` or the document itself; rows of eight, or `ch1` to `ch8`."""
    about: Mapping[str, object] = found if isinstance(found, dict) else {}
    emg = next((about[name] for name in ("emg", "EMG", "semg", "data", "samples") if name in about), found)
    inner: Mapping[str, object] = emg if isinstance(emg, dict) else {}
    if isinstance(inner.get("data"), list | dict):
        emg = inner["data"]
    names: tuple[str, ...] = ()
    given: list[object] | None = None
    try:
        if isinstance(emg, list) and emg and isinstance(emg[0], dict):
            names, rows, given = _records(emg)
        elif isinstance(emg, dict):
            names = tuple(key for key, value in emg.items() if isinstance(value, list))
            rows = np.array([emg[name] for name in names], dtype=np.float64).T
        else:
            rows = np.array(emg, dtype=np.float64)
    except (KeyError, TypeError, ValueError, OverflowError):
        rows = np.empty(0)
    if rows.ndim == 2 and rows.shape[0] == CHANNELS < rows.shape[1] and not names:
        report.note("its eight lists are taken for channels")
        rows = rows.T
    if rows.ndim != 2 or not rows.size:
        keys = ", ".join(f"`{key}`" for key in list(about)[:8]) or type(found).__name__
        raise SessionError(f"{path}: is JSON ({keys}) without a list of EMG in rows of eight numbers; write it as CSV")
    t = _times({**about, **({"t": given} if given else {})}, len(rows), report)
    classes = next((about[name] for name in _CLASSES if isinstance(about.get(name), list)), None)
    return recording_of_columns(
        path,
        Columns(
            length=len(rows),
            width=rows.shape[1],
            column=lambda place: rows[:, place],
            names=names,
            t=t,
            classes=_class_list(path, classes, len(rows), report),
            rate=_rate({**about, **inner}),
            unit=next((unit for unit in _UNITS if unit == {**about, **inner}.get("unit")), None),
            format="json",
        ),
        config,
        report,
    )


def _times(about: Mapping[str, object], length: int, report: ReadReport) -> Float64Array | None:
    """Seconds (n,) of a list of times; None without one."""
    for name in _TIMES:
        listed = about.get(name)
        if not isinstance(listed, list) or len(listed) != length:
            continue
        read_one = [time_of(one) if isinstance(one, str) else one for one in listed]
        try:
            t = np.array(read_one, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            return None
        if not np.isfinite(t).all() or length < 2:
            return None
        unit, said = seconds_per_unit(t)
        report.note(f"its times are taken to be in {said}")
        return t * unit
    return None


def _class_list(path: Path, given: object, length: int, report: ReadReport) -> Int64Array | None:
    if not isinstance(given, list) or len(given) != length:
        return None
    try:
        return whole_classes(path.name, np.array(given), report)
    except (TypeError, ValueError, OverflowError):
        return None


def _rate(about: Mapping[str, object]) -> float | None:
    for name, value in about.items():
        if name.lower() in _RATES and isinstance(value, int | float) and 1.0 <= value <= 100_000.0:
            return float(value)
    return None


def _epn(path: Path, found: JsonObject, config: ReadConfig, report: ReadReport) -> Recording:
    trials = list(_trials(path, found, config.part, report))
    if not trials:
        raise SessionError(
            f"{path}: holds no trial of eight channels; expected `trainingSamples.idx_1.emg.ch1` and so on"
        )
    emg = np.concatenate([one for _, one, _ in trials])
    info = found.get("generalInfo")
    recording = recording_of_columns(
        path,
        Columns(
            length=len(emg),
            width=CHANNELS,
            column=lambda place: emg[:, place],
            names=CHANNEL_NAMES,
            rate=_sampling(info) or _EPN_RATE,
            unit="adc",
            classes=np.concatenate([classes for _, _, classes in trials]),
            format="epn-612",
        ),
        config,
        report,
    )
    report.note(
        f"taken for EMG-EPN-612: {len(trials)} trials, one behind the other; classes: "
        + ", ".join(f"{number} = {name}" for number, name in enumerate(GESTURES))
        + ", -1 = not told"
    )
    starts = np.cumsum([len(one) for _, one, _ in trials])[:-1].astype(np.int64)
    breaks = starts if len(recording) == len(emg) and len(starts) else None
    user = found.get("userInfo")
    name = user.get("name") if isinstance(user, dict) else None
    texts = {"user": str(name)[:64]} if isinstance(name, str) and name else {}
    return replace(recording, breaks=breaks, meta={**recording.meta, **texts})


def _sampling(info: object) -> float | None:
    given = info.get("samplingFrequencyInHertz") if isinstance(info, dict) else None
    return float(given) if isinstance(given, int | float) and 1.0 <= given <= 100_000.0 else None


def _trials(
    path: Path, found: JsonObject, part: str | None, report: ReadReport
) -> Iterator[tuple[str, Float32Array, Int64Array]]:
    """Name, EMG (n, 8) and classes (n,) of the trials that `part` names, as in `trainingSamples/idx_3`; None: all."""
    wanted, _, only = (part or "").partition("/")
    there = [group for group in _GROUPS if isinstance(found.get(group), dict)]
    if part is not None and (wanted not in there or (only and only not in found[wanted])):
        raise SessionError(f"{path}: holds no `{part}`; it holds {', '.join(there)}, each with idx_1 and so on")
    for group in there:
        if wanted in ("", group):
            for name, trial in found[group].items():
                if only in ("", name):
                    read_one = _trial(trial)
                    if read_one is None:
                        report.drop("trial without eight channels of one length")
                    else:
                        yield f"{group}/{name}", *read_one


def _trial(trial: object) -> tuple[Float32Array, Int64Array] | None:
    emg = trial.get("emg") if isinstance(trial, dict) else None
    if not isinstance(trial, dict) or not isinstance(emg, dict):
        return None
    try:
        rows = np.array([emg[name] for name in CHANNEL_NAMES], dtype=np.float32).T
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if rows.ndim != 2 or not len(rows):
        return None
    gesture = trial.get("gestureName")
    if gesture not in GESTURES:
        return rows, np.full(len(rows), -1, dtype=np.int64)
    number = GESTURES.index(gesture)
    made = trial.get("groundTruth")
    if isinstance(made, list) and len(made) == len(rows) and all(type(one) in (int, bool, float) for one in made):
        return rows, np.where(np.array(made, dtype=np.float64) != 0, number, 0).astype(np.int64)
    return rows, np.full(len(rows), number, dtype=np.int64)
