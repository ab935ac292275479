"""EMG data for gestures (UCI 481, CC-BY-4.0): Myo EMG of 36 people with a class of gesture.

Layout: https://archive.ics.uci.edu/dataset/481. Tab-separated text, header `time channel1 … channel8 class`; the
time is in milliseconds, the channels are the counts of a Myo times 1e-5, class 0 is unmarked, 1 a hand at rest.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from drivers.sessions.read_config import FileUnit
from drivers.sessions.report import ReadReport
from models.arrays import Float32Array
from models.hand import CHANNELS

NAMES: Final = ("time", *(f"channel{channel}" for channel in range(1, CHANNELS + 1)), "class")
_STEP: Final = 1e-5
_WITHIN: Final = 0.05
_COUNTS: Final = 128.5


def counts(emg: Float32Array, report: ReadReport) -> tuple[Float32Array, FileUnit | None]:
    """The samples (n, 8) as counts, where they are such times 1e-5; else as they are, in no stated unit."""
    scaled = emg.astype(np.float64) / _STEP
    if not len(emg) or np.abs(scaled).max() > _COUNTS or not np.abs(scaled).max() >= 1:
        return emg, None
    whole = np.rint(scaled)
    if np.abs(scaled - whole).max() > _WITHIN:
        return emg, None
    report.note("taken for UCI's EMG data for gestures: the channels are a Myo's counts times 1e-5")
    return whole.astype(np.float32), "adc"
