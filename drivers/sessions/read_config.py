"""Values that a user gives for a session file which lacks them or has them wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from drivers.events import EmgMode
from models.hand import Side

FileUnit = Literal["adc", "uV", "mV", "V"]
FILE_UNITS: Final[tuple[FileUnit, ...]] = get_args(FileUnit)
"""Units that a file may hold; mV and V become uV when it is read."""


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """Values that override those of the file; None leaves the file's value."""

    rate: float | None = None
    """Nominal samples per second."""
    mode: EmgMode | None = None
    unit: FileUnit | None = None
    hand: Side | None = None
    columns: str | None = None
    """What each column of a text file is, from the left, as in `t,ch1-8,label`."""
