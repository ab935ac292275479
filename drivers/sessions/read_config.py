"""Values that a user gives for a session file which lacks them or has them wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from drivers.events import EmgMode
from models.hand import Side

FileUnit = Literal["adc", "nV", "uV", "mV", "V"]
FILE_UNITS: Final[tuple[FileUnit, ...]] = get_args(FileUnit)
"""Units that a file may hold; nV, mV and V become uV when it is read."""
LengthUnit = Literal["mm", "cm", "m"]
LENGTH_UNITS: Final[tuple[LengthUnit, ...]] = get_args(LengthUnit)
Join = Literal["interpolated", "nearest"]
JOINS: Final[tuple[Join, ...]] = get_args(Join)
ClockRule = Literal["start", "estimate"]
CLOCK_RULES: Final[tuple[ClockRule, ...]] = get_args(ClockRule)


@dataclass(frozen=True, slots=True)
class LabelsConfig:
    """Labels in a second file."""

    file: Path
    """`{name}` in it stands for the name of the session without its ending; it then lies in the session's folder."""
    offset: float | ClockRule | None = None
    """Seconds to add to its times to get those of the EMG; `start`: both begin at once; `estimate`: found from the
    signal; None: one clock."""
    join: Join = "interpolated"
    """Whether labels between two are interpolated, or the nearest is taken at each EMG sample."""
    unit: LengthUnit | None = None
    """Of the points; None: told by the size of the hand."""
    rate: float | None = None
    """Labels per second, if the file has no times."""
    columns: str | None = None
    """What each column is, from the left, as in `t_ms,-,label`."""


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """Values that override those of the file; None leaves the file's value."""

    rate: float | None = None
    """Nominal samples per second."""
    mode: EmgMode | None = None
    unit: FileUnit | None = None
    hand: Side | None = None
    columns: str | None = None
    """What each column of a table is, from the left, as in `t,ch1-8,label`."""
    channels: str | None = None
    """Which eight of more channels, by their place from 1, as in `9-16` or `1,3,5,7,9,11,13,15`."""
    scale: float | None = None
    """By which the samples are multiplied; then they are in `unit`."""
    part: str | None = None
    """Which stream, array or group of a file of several."""
    labels: LabelsConfig | None = None
