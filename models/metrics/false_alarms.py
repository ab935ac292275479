"""How often a hand on the screen does what nobody did: closes, or pinches, without the wearer's.

An application that acts on a closing hand acts on each of these. So they are counted by the hour, over time in which
the wearer is known not to close the hand (recorded people at rest and in wrist gestures) or where the true hand is
known (synthetic people, who type, walk and carry).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import maximum_filter1d

from models.architectures.base import STEP_HZ
from models.arrays import BoolArray, Float32Array
from models.hand import POINTS, TIPS
from models.metrics.hand_closure import CLOSED

OPEN: Final = 0.35
"""Closure below which a closed hand counts as open again."""
PINCHED_MM: Final = 20.0
"""Tips of thumb and index finger that are closer than this pinch."""
APART_MM: Final = 32.0
"""Beyond which they do not any more."""
LEAST_S: Final = 0.1
"""Shorter ones are none: an application waits that long."""
AROUND_S: Final = 0.5
"""So much earlier or later than the true hand's is not false."""


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Counts over some time without intent."""

    seconds: float = 0.0
    closures: int = 0
    pinches: int = 0
    closed_s: float = 0.0
    """Time in which the hand was closed, in all."""

    def __add__(self, other: FalseAlarms) -> FalseAlarms:
        return FalseAlarms(
            self.seconds + other.seconds,
            self.closures + other.closures,
            self.pinches + other.pinches,
            self.closed_s + other.closed_s,
        )

    def row(self) -> dict[str, float]:
        """Hours, and both an hour; the share of time closed."""
        hours = self.seconds / 3600.0
        per_hour = 1.0 / max(hours, 1e-9)
        return {
            "hours": hours,
            "closures_per_hour": self.closures * per_hour,
            "pinches_per_hour": self.pinches * per_hour,
            "closed": self.closed_s / max(self.seconds, 1e-9),
        }


def pinch_mm(pose: Float32Array) -> Float32Array:
    """(n,) distance between the tips of thumb and index finger of poses (n, 63), mm."""
    points = pose.reshape(-1, POINTS, 3)
    return np.asarray(np.linalg.norm(points[:, TIPS[0]] - points[:, TIPS[1]], axis=-1), np.float32)


def events(on: BoolArray, off: BoolArray) -> list[slice]:
    """Runs of time that begin where `on` (n,) is true and last until `off` (n,) is, as slices of at least `LEAST_S`."""
    found, start = [], -1
    for at in np.flatnonzero(on | off):
        if start < 0 and on[at]:
            start = int(at)
        elif start >= 0 and off[at]:
            found.append(slice(start, int(at)))
            start = -1
    if start >= 0:
        found.append(slice(start, len(on)))
    return [one for one in found if one.stop - one.start >= LEAST_S * STEP_HZ]


def false_alarms(
    closure: Float32Array,
    pinch: Float32Array,
    valid: BoolArray,
    true_closure: Float32Array | None = None,
    true_pinch: Float32Array | None = None,
) -> FalseAlarms:
    """Count in one run without gaps.

    Args:
        closure: (n,) of the model's hand, 50 a second.
        pinch: (n,) mm between its tips, as `pinch_mm` gives it.
        valid: (n,) time without intent, or in which the truth is known.
        true_closure: (n,) of the true hand; None where it is known not to close.
        true_pinch: (n,) of the true hand; None where it is known not to pinch.
    """
    counts = valid if true_closure is None else valid & ~_near(true_closure > OPEN)
    shut = closure > CLOSED
    closures = sum(bool(counts[one.start]) for one in events(shut, closure < OPEN))
    # The tips of a fist are close together, too.
    free = counts & ~_near(shut)
    if true_pinch is not None:
        free &= ~_near(true_pinch < APART_MM)
    pinches = sum(bool(free[one.start]) for one in events(pinch < PINCHED_MM, pinch > APART_MM))
    return FalseAlarms(float(counts.sum()) / STEP_HZ, closures, pinches, float((shut & counts).sum()) / STEP_HZ)


def total(parts: Iterable[FalseAlarms]) -> FalseAlarms:
    """All together."""
    return sum(parts, FalseAlarms())


def _near(on: BoolArray) -> BoolArray:
    """(n,) true within `AROUND_S` of where it is."""
    size = 2 * round(AROUND_S * STEP_HZ) + 1
    return np.asarray(maximum_filter1d(on.astype(np.uint8), size, mode="nearest"), bool)
