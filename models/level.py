"""How strong a signal is, and the factor that brings it to the level that a model learned at.

A source in volts, or with a converter of its own, has another level than the armband that a model was trained on.
Until the wearer has followed cues (`models.alignment`), the factor comes from the signal itself: levels of a quarter
of a second over the last three minutes, of which the weak ones are taken for rest and the strong ones for movement. As
long as they hardly differ, nobody has moved yet, and all of them count as rest. One grip is a small share of three
minutes, and the factor moves by a few percent a second at most, so it does not follow what the hand does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log
from typing import Final

import numpy as np
import numpy.typing as npt

from models.alignment import REST, Template
from models.arrays import Float32Array

BLOCK_S: Final = 0.25
"""Seconds of which one level is told, and before which there is none."""
HISTORY_S: Final = 180.0
"""Seconds of levels that count."""
WEAK: Final = 0.10
STRONG: Final = 0.90
"""Quantiles of the levels that stand for rest and for movement."""
NOBODY_MOVED: Final = 1.5
"""Up to this ratio of strong to weak levels all of them count as rest."""
MOVED: Final = 4.0
"""From this ratio on the strong ones alone tell the factor: what an electrode shows at rest is mostly its own noise."""
SETTLING_S: Final = 10.0
"""Seconds in which the factor moves freely."""
FASTEST: Final = 0.05
"""Share by which it moves in a second afterwards."""


@dataclass(frozen=True, slots=True)
class ModelLevel:
    """The level of a model's own armband."""

    rest: float
    moving: float

    @classmethod
    def of(cls, template: Template) -> ModelLevel:
        """Of the cues that a model file carries."""
        moving = [log(level_of(level)) for cue, level in template.levels.items() if cue != REST]
        return cls(level_of(template.levels[REST]), exp(sum(moving) / len(moving)))


def level_of(channels: npt.ArrayLike) -> float:
    """One level of eight: their mean without the strongest and the weakest, which one bad contact may be."""
    ordered = np.sort(np.asarray(channels, np.float64))
    return float(ordered[1:-1].mean())


def overall_gain(levels: Mapping[str, npt.ArrayLike], template: Template) -> float:
    """The factor that brings the cues of a wearer to those of a template, over all channels and movements."""
    cues = [cue for cue in levels if cue in template.levels and cue != REST]
    pairs = [(level_of(levels[cue]), level_of(template.levels[cue])) for cue in cues]
    ratios = [log(wanted / found) for found, wanted in pairs if found > 0 and wanted > 0]
    return exp(sum(ratios) / len(ratios)) if ratios else 1.0


class RunningGain:
    """The factor by which a signal must be multiplied, from its own level so far.

    Args:
        rate_hz: samples per second.
        model: the level to bring it to.
    """

    def __init__(self, rate_hz: float, model: ModelLevel) -> None:
        self.gain: float | None = None
        """None before the first quarter of a second, and while no channel shows anything."""
        self.model = model
        """The level to bring it to."""
        self._rows = max(1, round(BLOCK_S * rate_hz))
        self._levels: deque[float] = deque(maxlen=round(HISTORY_S / BLOCK_S))
        self._sum = np.zeros(0)
        self._count = 0
        self._told = 0

    def push(self, samples: Float32Array) -> None:
        """Take the next samples (n, 8), without an offset."""
        rectified = np.abs(samples).astype(np.float64)
        while len(rectified):
            part, rectified = rectified[: self._rows - self._count], rectified[self._rows - self._count :]
            self._sum = part.sum(axis=0) + (self._sum if self._count else 0.0)
            self._count += len(part)
            if self._count == self._rows:
                self._add_level(level_of(self._sum / self._rows))
                self._count = 0

    def forget(self) -> None:
        """Forget the levels so far, which were another signal's; the gain stays until the next one."""
        self._levels.clear()
        self._told = self._count = 0

    def _add_level(self, level: float) -> None:
        if not 0.0 < level < float("inf"):
            return
        self._levels.append(log(level))
        self._told += 1
        wanted = self._wanted()
        if self.gain is None or self._told * BLOCK_S <= SETTLING_S:
            self.gain = exp(wanted)
        else:
            most = FASTEST * BLOCK_S
            self.gain *= exp(min(max(wanted - log(self.gain), -most), most))

    def _wanted(self) -> float:
        """Logarithm of the factor that all levels together ask for."""
        weak, strong = np.quantile(self._levels, [WEAK, STRONG]).tolist()
        moved = (strong - weak - log(NOBODY_MOVED)) / (log(MOVED) - log(NOBODY_MOVED))
        share = min(max(moved, 0.0), 1.0)
        return float((1.0 - share) * (log(self.model.rest) - weak) + share * (log(self.model.moving) - strong))
