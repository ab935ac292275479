"""sEMG-MANUS (Graf and Barthet, 2026, CC-BY-4.0): Myo EMG and IMU with 20 finger values of a MANUS glove.

Layout: CODEBOOK.md of https://doi.org/10.5281/zenodo.19261324. Files are
`data/u_<participant>/s_<session>/g_<gesture>/recording_<speed>_<date>.csv`, 42 columns under a header that
begins with `#`: 8 EMG, 10 IMU (w x y z, acceleration, gyroscope, in the Myo's own integers), 20 finger
values (spread, MCP, PIP, DIP of each finger, in the glove's own unit), 4 of the wrist. There are no times:
200 Hz is nominal, each EMG row has the IMU and glove values that arrived nearest to it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np

from drivers.sessions.read_config import ReadConfig
from models.arrays import Float32Array, Float64Array, Int64Array
from models.hand import CHANNELS, FINGERS
from models.recording import Recording

ANGLE_NAMES: Final = tuple(f"{finger}_{joint}" for finger in FINGERS for joint in ("spread", "mcp", "pip", "dip"))
COLUMNS: Final = (
    *(f"emg_{channel}" for channel in range(CHANNELS)),
    *(f"imu_quat_{axis}" for axis in "wxyz"),
    *(f"imu_acc_{axis}" for axis in "xyz"),
    *(f"imu_gyro_{axis}" for axis in "xyz"),
    *ANGLE_NAMES,
    *(f"wrist_quat_{axis}" for axis in "xyzw"),
)
ANGLES: Final = "angles"
"""Key of `Recording.meta`: (n, 20) finger values, columns as in `ANGLE_NAMES`."""

_IMU: Final = slice(CHANNELS, CHANNELS + 10)
_ANGLES: Final = slice(CHANNELS + 10, CHANNELS + 10 + len(ANGLE_NAMES))
# Thalmic's myohw.h: MYOHW_ORIENTATION_SCALE, MYOHW_ACCELEROMETER_SCALE, MYOHW_GYROSCOPE_SCALE.
_SCALES: Final = np.array([16384.0] * 4 + [2048.0] * 3 + [16.0] * 3)
_RATE: Final = 200.0
_PLACE: Final = re.compile(r"u_(?P<user>\d+)/s_(?P<session>\d+)/g_(?P<gesture>[^/]+)/recording_(?P<speed>[a-z]+)_")


def recording(path: Path, values: Float32Array, ordinal: Int64Array, config: ReadConfig) -> Recording:
    """Make a recording of the rows of a file.

    Args:
        path: names participant, session, gesture and speed.
        values: (n, 42) as in `COLUMNS`.
        ordinal: (n,) index of each row among all.
        config: values given by the user.
    """
    rate = config.rate or _RATE
    t = ordinal / rate
    place = _PLACE.search(path.as_posix())
    return Recording(
        emg=np.ascontiguousarray(values[:, :CHANNELS]),
        t=t,
        sample=ordinal,
        rate_hz=rate,
        unit=config.unit or "adc",
        emg_mode=config.mode or "raw",
        hand=config.hand or "right",
        name=path.name,
        imu=_imu(t, values[:, _IMU]),
        meta={
            "format": "semg-manus",
            ANGLES: np.ascontiguousarray(values[:, _ANGLES]),
            **(place.groupdict() if place else {}),
        },
    )


def _imu(t: Float64Array, values: Float32Array) -> Float64Array:
    """Keep one row of each inertial sample; the file repeats it until the next."""
    new = np.concatenate(([True], (np.diff(values, axis=0) != 0).any(axis=1)))
    scaled = values[new].astype(np.float64)
    if np.median(np.linalg.norm(scaled[:, :4], axis=1)) > 2.0:
        scaled /= _SCALES
    return np.column_stack((t[new], scaled))
