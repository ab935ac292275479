"""Seconds by which the process clock was anchored anew, for what is dated by it: pure state, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class ClockShift:
    """A total that only grows."""

    seconds: float = 0.0


SHIFT: Final = ClockShift()
"""Of the clock of this process; `drivers.clock` writes it."""


def shifted() -> float:
    """Seconds by which the process clock was anchored anew so far."""
    return SHIFT.seconds
