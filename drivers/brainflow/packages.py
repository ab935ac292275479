"""Losses by the numbers of packages. No I/O.

Boards count their packages, but not alike: by one or by two, from 0 to 127, 255 or further, or two packages with one
number. So a counter is believed only after it has risen by the same step for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float64Array

PROOF: Final = 64
"""Packages that must follow each other by the same step before the numbers are believed."""
_RANGES: Final = (128, 256, 65_536, 2**32)
_MOST_LOST: Final = 1000


@dataclass(frozen=True, slots=True)
class PackageRun:
    """Consecutive packages without a loss."""

    start: int
    stop: int
    lost: int
    """Packages missing before the first."""


class PackageNumbers:
    """Finds losses in the numbers of packages as they arrive."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._step = 0.0
        self._proved = 0
        self._largest = 0.0

    @property
    def believed(self) -> bool:
        """Whether the numbers have been regular for long enough."""
        return self._proved >= PROOF

    def restart(self) -> None:
        """Start anew on a new link, where the number may be any."""
        self._last = None

    def runs(self, numbers: Float64Array) -> Iterator[PackageRun]:
        """Cut packages (n,) where some are missing."""
        start, lost_before = 0, 0
        for place, number in enumerate(numbers.tolist()):
            lost = self._lost(number)
            if lost:
                if place > start:
                    yield PackageRun(start, place, lost_before)
                start, lost_before = place, lost
        if len(numbers):
            yield PackageRun(start, len(numbers), lost_before)

    def _lost(self, number: float) -> int:
        last, self._last = self._last, number
        if not np.isfinite(number) or last is None:
            return 0
        self._largest = max(self._largest, number)
        count = next((size for size in _RANGES if size > self._largest), 0)
        step = (number - last) % count if count else 0.0
        if step == self._step and step > 0:
            self._proved = min(self._proved + 1, 2 * PROOF)
            return 0
        if not self.believed:
            self._step, self._proved = step, 0
            return 0
        if step and step % self._step == 0 and step / self._step <= _MOST_LOST:
            return int(step / self._step) - 1
        # Something else than a loss: doubt grows with every such step.
        self._proved -= PROOF // 4
        return 0
