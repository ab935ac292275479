"""Units of the samples in a file, and what values of no stated unit can be."""

from __future__ import annotations

from typing import Final

import numpy as np

from drivers.events import EmgMode, Unit
from drivers.sessions.read_config import FileUnit
from drivers.sessions.report import ReadReport, SessionError
from models.arrays import Float32Array

_MICROVOLTS: Final = {"nV": 1e-3, "uV": 1.0, "mV": 1e3, "V": 1e6}
_INT8: Final = 128.0
_TOO_SMALL: Final = 2.0
"""Counts; raw EMG of a Myo has whole numbers, and more than one."""


def to_kept_unit(
    emg: Float32Array, unit: FileUnit | None, mode: EmgMode | None, name: str, report: ReadReport
) -> tuple[Unit | None, Float32Array]:
    """Give samples (n, 8) in a unit that recordings have; None where none was stated, for counts.

    Raises:
        SessionError: no unit was stated, and the values cannot be counts.
    """
    if unit == "adc":
        return "adc", emg
    if unit is not None:
        return "uV", emg if unit == "uV" else np.multiply(emg, _MICROVOLTS[unit], dtype=np.float32)
    if not len(emg):
        return None, emg
    low, high = float(emg.min()), float(emg.max())
    largest = max(abs(low), abs(high))
    if 0 < largest < _TOO_SMALL and (emg != np.rint(emg)).any():
        raise SessionError(
            f"{name}: values from {low:.3g} to {high:.3g} are no counts of a Myo (-128..127), perhaps volts; "
            "say their unit: `?unit=V`, `?unit=mV`, `?unit=uV` or `?unit=adc`"
        )
    if mode is None and largest > _INT8:
        report.other_counts = True
        # An envelope has no values below zero.
        what = "`?rate=50&mode=envelope`" if low >= 0 else "`?unit=uV`"
        report.note(f"values beyond -128..127 are no raw Myo EMG; say what they are, as in {what}")
    return None, emg
