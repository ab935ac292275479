"""Values that a user gives for a session file which lacks them or has them wrong."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.events import EmgMode, Unit
from models.hand import Side


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """Values that override those of the file; None leaves the file's value."""

    rate: float | None = None
    """Nominal samples per second."""
    mode: EmgMode | None = None
    unit: Unit | None = None
    hand: Side | None = None
