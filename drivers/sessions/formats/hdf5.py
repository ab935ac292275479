"""HDF5: arrays by name (also MATLAB 7.3), and the sessions of emg2pose.

emg2pose (arXiv 2412.02725; https://github.com/facebookresearch/emg2pose, emg2pose/data.py and constants.py): group
`emg2pose` with a compound data set `timeseries` of `time`, `joint_angles` (20, radians) and `emg` (16, a band at the
wrist), 2 kHz; attributes session, user, stage, side, sample_rate and others. Angles of a row that are all zero mean
that the hand was not seen.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from drivers.sessions.formats.arrays import is_rate, recording_of_arrays
from drivers.sessions.formats.columns import LARGEST_ARRAY, Columns, recording_of_columns
from drivers.sessions.libraries import library
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.source_bytes import most_unpacked
from models.arrays import Float32Array
from models.hand import Side
from models.kinematics import ANGLES
from models.recording import Recording

_EMG2POSE: Final = "emg2pose"
_TABLE: Final = "timeseries"
_FINGER_ORDER: Final = (1, 0, 2, 3)
"""Places of MCP flexion, MCP abduction, PIP and DIP in the columns of a finger of emg2pose."""
_MOST_ARRAYS: Final = 1000
_KEPT: Final = ("session", "user", "stage", "dataset", "start", "end", "num_channels")


def read(path: Path, file: BinaryIO, config: ReadConfig, report: ReadReport) -> Recording:
    """Read an HDF5 file.

    Raises:
        SessionError: h5py is not installed, the file is damaged, or it cannot be told which array is the EMG.
    """
    h5py = library("h5py", f"{path}: is HDF5, which")
    try:
        with h5py.File(file, "r") as content:
            if isinstance(content.get(_EMG2POSE), h5py.Group) and _TABLE in content[_EMG2POSE]:
                return _emg2pose(path, content[_EMG2POSE], config, report, most_unpacked(file))
            arrays = _arrays(h5py, content, most_unpacked(file))
    except SessionError:
        raise
    except Exception as error:
        # The library raises whatever a damaged file makes of it.
        raise SessionError(f"{path}: is HDF5 that cannot be read ({' '.join(str(error).split())[:120]})") from None
    matlab = "MATLAB_class" in arrays.pop("", np.array([], dtype=object)).tolist()
    return recording_of_arrays(path, arrays, config, report, format="mat" if matlab else "hdf5")


def _arrays(h5py: ModuleType, content: Any, most: int) -> dict[str, npt.NDArray[np.generic]]:
    """Numeric data sets by their path; MATLAB's (columns first) are turned. `""`: names of their attributes."""
    found: dict[str, npt.NDArray[np.generic]] = {}
    attributes: set[str] = set()
    total = 0

    def take(name: str, item: Any) -> None:
        nonlocal total
        for key in item.attrs:
            if is_rate(key):
                found.setdefault(f"{name}/{key}", np.asarray(item.attrs[key]))
        if not isinstance(item, h5py.Dataset) or len(found) >= _MOST_ARRAYS:
            return
        if item.dtype.kind not in "biufSUV" or item.dtype.hasobject:
            return
        total += math.prod(item.shape) * item.dtype.itemsize
        if total > min(most, LARGEST_ARRAY):
            raise ValueError(f"its arrays are more than {min(most, LARGEST_ARRAY) >> 20} MB")
        turned = "MATLAB_class" in item.attrs
        attributes.update(item.attrs)
        array = np.asarray(item[()])
        found[name] = array.T if turned else array

    for key in content.attrs:
        if is_rate(key):
            found[str(key)] = np.asarray(content.attrs[key])
    content.visititems(take)
    found[""] = np.array(sorted(attributes), dtype=object)
    return found


def _emg2pose(path: Path, group: Any, config: ReadConfig, report: ReadReport, most: int) -> Recording:
    table = group[_TABLE]
    if math.prod(table.shape) * table.dtype.itemsize > min(LARGEST_ARRAY, most):
        raise SessionError(f"{path}: its table of {table.shape} rows is more than {min(most, LARGEST_ARRAY) >> 20} MB")
    rows = table[()]
    emg, bent = np.asarray(rows["emg"]), np.asarray(rows["joint_angles"], dtype=np.float32)
    if emg.ndim != 2 or bent.shape != (len(emg), len(ANGLES)):
        raise SessionError(
            f"{path}: has `emg` of {emg.shape} and `joint_angles` of {bent.shape}; expected (n, 16), (n, 20)"
        )
    about = {key: group.attrs[key] for key in group.attrs}
    if config.channels is None and emg.shape[1] != 8 and config.columns is None:
        raise SessionError(
            f"{path}: is of emg2pose, with {emg.shape[1]} channels around the wrist; Myocast takes eight: every second "
            "are `?channels=1,3,5,7,9,11,13,15`"
        )
    report.note("taken for emg2pose; the unit of its channels is not said: `adc`")
    side = _text(about.get("side", ""))
    recording = recording_of_columns(
        path,
        Columns(
            length=len(emg),
            width=emg.shape[1],
            column=lambda place: emg[:, place],
            t=np.asarray(rows["time"], dtype=np.float64),
            rate=_rate(about.get("sample_rate")),
            unit="adc",
            hand=_side(side),
            angles=_in_our_order(bent),
            format="emg2pose",
        ),
        config,
        report,
    )
    texts = {key: _text(about[key]) for key in _KEPT if key in about}
    return replace(recording, meta={**recording.meta, **texts})


def _in_our_order(bent: Float32Array) -> Float32Array:
    """Angles (n, 20) of emg2pose in the order of `ANGLES`; NaN where the hand was not seen."""
    ours = bent.copy()
    for finger in range(1, 5):
        first = 4 * finger
        ours[:, first : first + 4] = bent[:, [first + place for place in _FINGER_ORDER]]
    ours[(bent == 0).all(axis=1) | ~np.isfinite(bent).all(axis=1)] = np.nan
    return ours


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _side(text: str) -> Side | None:
    return "left" if text == "left" else "right" if text == "right" else None


def _rate(value: object) -> float | None:
    try:
        rate = float(str(value))
    except ValueError:
        return None
    return rate if 1.0 <= rate <= 100_000.0 else None
