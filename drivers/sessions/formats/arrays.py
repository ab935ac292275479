"""From named arrays (NPZ, MATLAB, HDF5) to a recording: which is the EMG, the time, the rate, the class.

Known data sets: Ninapro (https://ninapro.hevs.ch; `emg`, `restimulus`, `glove`, …; DB5 is two Myos at 200 Hz).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from drivers.sessions.formats.columns import Columns, columns_of, recording_of_columns, whole_classes
from drivers.sessions.read_config import FileUnit, ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.text.layout import layout_by_names, seconds_per_unit
from models.arrays import Float32Array, Float64Array
from models.hand import CHANNELS, VALUES
from models.recording import Recording

Arrays = Mapping[str, npt.NDArray[np.generic]]

_EMG: Final = (
    "emg",
    "semg",
    "emg_data",
    "emgdata",
    "data_myo",
    "myo",
    "emg_raw",
    "raw_emg",
    "signals",
    "signal",
    "data",
    "x",
)
_TIME: Final = ("t", "time", "times", "timestamp", "timestamps", "time_stamps", "ts", "emg_t", "emg_time", "myo_ts")
_RATE: Final = re.compile(
    r"(?:emg_?)?(?:fs|sfreq|srate|rate|rate_hz|sample_?rate|sampling_?(?:rate|frequency)|frequency)"
)
_CLASSES: Final = ("restimulus", "stimulus", "label", "labels", "class", "classes", "gesture", "y", "target", "targets")
_NINAPRO: Final = ("emg", "stimulus", "repetition")
_SETS: Final = {
    (16, 3): ("DB5", 200.0),
    (10, 0): ("DB1", 100.0),
    (12, 36): ("DB2, DB3 or DB7", 2000.0),
    (12, 0): ("DB4", 2000.0),
    (14, 0): ("DB6", 2000.0),
}
"""By the channels of `emg` and `acc`: the data set, and its rate, which is not in the files."""


def recording_of_arrays(path: Path, found: Arrays, config: ReadConfig, report: ReadReport, *, format: str) -> Recording:
    """Make a recording of arrays by name.

    Args:
        path: of the file, for messages.
        found: by name.
        config: what the user says.
        report: takes what each array was taken for.
        format: `npz`, `mat` or `hdf5`.

    Raises:
        SessionError: it cannot be told which is the EMG, or which are its channels.
    """
    found = dict(_plain(found))
    name = _emg(path.name, found, config, report)
    if name is None:
        return _vectors(path, found, config, report, format)
    length, width, emg = columns_of(found[name], f"{path.name}, `{name}`", report)
    lower = {_last(key): key for key in found if key != name}
    used = {name}
    t = rate = classes = None
    if key := next((lower[one] for one in _TIME if one in lower and found[lower[one]].size == length), None):
        t = _times(found[key], key, report)
        used.add(key)
    if key := next((lower[one] for one in lower if is_rate(one) and found[lower[one]].size == 1), None):
        rate = _rate(found[key])
        used.add(key)
    if key := next((lower[one] for one in _CLASSES if one in lower and found[lower[one]].size == length), None):
        classes = whole_classes(f"{path.name}, `{key}`", found[key], report)
        report.note(f"`{key}` is the class")
        used.add(key)
    ninapro = all(one in {_last(key) for key in found} for one in _NINAPRO)
    rate, unit = _ninapro(found, lower, width, rate, report) if ninapro else (rate, None)
    joints = _joints(found, lower, length)
    if joints is not None:
        used.add(lower["joints"])
    if left := [key for key in found if key not in used]:
        shown = ", ".join(left[:6]) + (f" and {len(left) - 6} more" if len(left) > 6 else "")
        report.note(f"left out: {shown}")
    return recording_of_columns(
        path,
        Columns(
            length=length,
            width=width,
            column=lambda place: emg[:, place],
            t=t,
            rate=rate,
            unit=unit,
            joints=joints,
            classes=classes,
            format="ninapro" if ninapro else format,
        ),
        config,
        report,
    )


def is_rate(name: str) -> bool:
    """Whether a number of this name is the samples per second."""
    return _RATE.fullmatch(name.lower()) is not None


def _plain(found: Arrays) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    """The arrays; of tables (arrays of records) each column as an array of its own."""
    for name, array in found.items():
        if array.dtype.names is None:
            yield name, array
        elif array.ndim == 1:
            for field in array.dtype.names:
                yield f"{name}.{field}", cast(npt.NDArray[np.void], array)[field]


def _vectors(path: Path, found: Arrays, config: ReadConfig, report: ReadReport, format: str) -> Recording:
    """Make a recording of arrays of one column each, which are named as channels are."""
    vectors = {
        name: one.reshape(-1) for name, one in found.items() if one.size and max(one.shape, default=0) == one.size
    }
    lengths = Counter(len(one) for one in vectors.values() if len(one) > 1 and one.dtype.kind in "biuf")
    (length, _), *_ = lengths.most_common(1)
    columns = {name: one for name, one in vectors.items() if len(one) == length and one.dtype.kind in "biuf"}
    names = list(columns)
    rate = next((_rate(one) for name, one in vectors.items() if is_rate(_last(name)) and len(one) == 1), None)
    return recording_of_columns(
        path,
        Columns(
            length=length,
            width=len(names),
            column=lambda place: columns[names[place]],
            names=[_last(name) for name in names],
            rate=rate,
            format=format,
        ),
        config,
        report,
    )


def _are_channels(found: Arrays) -> bool:
    """Whether eight or more arrays of one column are named as channels are."""
    names = [_last(name) for name, one in found.items() if one.size > 1 and max(one.shape) == one.size]
    try:
        return len(names) >= CHANNELS and layout_by_names(names) is not None
    except SessionError:
        return True


def _emg(file: str, found: Arrays, config: ReadConfig, report: ReadReport) -> str | None:
    """The name of the array that is the EMG; None if its channels are arrays of their own."""
    can = [
        name for name, one in found.items() if one.ndim == 2 and one.dtype.kind in "iuf" and max(one.shape) > CHANNELS
    ]
    can = [name for name in can if min(found[name].shape) >= CHANNELS]
    if config.part is not None:
        if config.part in found:
            return config.part
        raise SessionError(f"{file}: holds no array `{config.part}`; it holds {_listed(found)}")
    for word in _EMG:
        if called := [name for name in can if _last(name) == word]:
            if len(called) == 1:
                return called[0]
            can = called
            break
    if not can and _are_channels(found):
        return None
    eights = [name for name in can if CHANNELS in found[name].shape]
    if len(can) == 1 or len(eights) == 1:
        (name,) = can if len(can) == 1 else eights
        report.note(f"`{name}` was taken for the EMG")
        return name
    if not can:
        raise SessionError(f"{file}: holds no array of samples x 8 channels; it holds {_listed(found)}")
    raise SessionError(
        f"{file}: holds {len(can)} arrays that can be the EMG ({_listed({name: found[name] for name in can})}); "
        f"say which, as in `?part={can[0]}`"
    )


def _last(name: str) -> str:
    """The name of an array without those of the structures and groups that it is in."""
    return re.split(r"[./]", name.lower())[-1]


def _listed(found: Arrays) -> str:
    shown = [f"`{name}` {'x'.join(map(str, one.shape)) or 'a number'}" for name, one in list(found.items())[:8]]
    return ", ".join(shown) + (", …" if len(found) > 8 else "") or "nothing"


def _times(array: npt.NDArray[np.generic], name: str, report: ReadReport) -> Float64Array:
    t = np.asarray(array.reshape(-1), dtype=np.float64)
    finite = t[np.isfinite(t)]
    unit, said = seconds_per_unit(finite) if len(finite) > 1 else (1.0, "seconds")
    report.note(f"`{name}` is the time, in {said}")
    return t * unit


def _rate(array: npt.NDArray[np.generic]) -> float | None:
    if array.dtype.kind not in "iuf":
        return None
    rate = float(array.reshape(-1)[0])
    return rate if 1.0 <= rate <= 100_000.0 else None


def _ninapro(
    found: Arrays, lower: Mapping[str, str], width: int, rate: float | None, report: ReadReport
) -> tuple[float | None, FileUnit | None]:
    acc = found[lower["acc"]].shape[-1] if "acc" in lower and found[lower["acc"]].ndim else 0
    name, nominal = _SETS.get((width, acc), ("", None))
    rate = rate or nominal
    if name and rate:
        report.note(f"taken for Ninapro {name}: {width} channels at {rate:g} Hz")
    if name == "DB5":
        report.note("channels 1-8 are the Myo nearer to the elbow, 9-16 the other; `glove` is not in degrees")
        return rate, "adc"
    return rate, None


def _joints(found: Arrays, lower: Mapping[str, str], length: int) -> Float32Array | None:
    """Points (n, 63) or (n, 21, 3) at each sample, mm, frame `hand`, in an array named `joints`."""
    array = found[lower["joints"]] if "joints" in lower else None
    if array is None or array.dtype.kind not in "iuf" or array.size != length * VALUES or len(array) != length:
        return None
    return np.ascontiguousarray(array.reshape(length, VALUES), dtype=np.float32)
