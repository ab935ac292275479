"""What a user says of a file that does not say it itself; what is said here wins."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.events import EmgMode, Unit
from models.hand import Side


@dataclass(frozen=True, slots=True)
class Options:
    rate: float | None = None
    mode: EmgMode | None = None
    unit: Unit | None = None
    hand: Side | None = None
