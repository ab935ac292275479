"""JHU-NTX-2023: Myo EMG of one person with five finger angles measured by MediaPipe (MIT licence).

Two files of https://github.com/JHU-BCIS/NTX-Competition-2023-Public. The EMG was polled at about 54 Hz, an
irregular subsample of 200 Hz, int8 / 100, under a 12-hour clock without a date. The angles (thumb to little
finger, 2-D image angles in degrees: 180 straight, small curled) came at about 17 Hz under a 24-hour clock;
the first row is of a test image. They are not the 21 points of a hand, so this is no `Recording`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.source_bytes import blocks, open_file
from drivers.sessions.table import lines_of
from models.arrays import Float32Array, Float64Array
from models.hand import CHANNELS, FINGERS

_SCALE: Final = 100.0
_HALF_DAY_S: Final = 43_200.0
_TIME: Final = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class JhuSession:
    """Both streams on one clock: seconds since midnight."""

    emg_t: Float64Array
    """(n,)"""
    emg: Float32Array
    """(n, 8) in the Myo's `adc`."""
    angle_t: Float64Array
    """(m,)"""
    angles: Float32Array
    """(m, 5) degrees, thumb to little finger."""


def read_jhu(emg: str | Path, angles: str | Path) -> JhuSession:
    """Read the two files, plain or gzip'ed.

    Raises:
        SessionError: a file is missing, or a line is not what is expected.
    """
    emg_t, values = _read(Path(emg), CHANNELS)
    # The hour 12 is 0 on a 12-hour clock, which starts again after noon.
    emg_t = np.where(emg_t >= _HALF_DAY_S, emg_t - _HALF_DAY_S, emg_t)
    emg_t += _HALF_DAY_S * np.cumsum(np.diff(emg_t, prepend=emg_t[0]) < -_HALF_DAY_S / 2)
    angle_t, degrees = _read(Path(angles), len(FINGERS))
    return JhuSession(emg_t, np.rint(values * _SCALE), angle_t[1:], degrees[1:])


def _read(path: Path, width: int) -> tuple[Float64Array, Float32Array]:
    times: list[float] = []
    rows: list[list[str]] = []
    with open_file(path) as file:
        lines = [line for batch in lines_of(blocks(file, ReadReport()), path.name) for line in batch]
    for place, line in enumerate(lines[1:], 2):
        if line.strip():
            clock, *numbers = line.split(",")
            found = _TIME.search(clock)
            if not found or len(numbers) != width:
                raise SessionError(
                    f"{path.name}:{place}: expected a time of day and {width} numbers, found {line[:60]!r}"
                )
            times.append(int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]))
            rows.append(numbers)
    try:
        return np.array(times, dtype=np.float64), np.array(rows, dtype=np.float32).reshape(-1, width)
    except ValueError as error:
        raise SessionError(f"{path.name}: {error}; expected a time of day and {width} numbers in each line") from None
