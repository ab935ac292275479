"""The One Euro filter on poses: smooth while the hand rests, quick while it moves.

Casiez, Roussel, Vogel, "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012. A first-order low-pass whose cutoff grows with speed, `cutoff = min_cutoff + beta * speed`;
speed is each point's own, low-passed at `speed_cutoff`. Causal: a pose depends on the poses before it only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import MyocastError
from models.hand import POINTS, VALUES, Floats

Doubles = npt.NDArray[np.float64]

SPEED_CUTOFF_HZ: Final = 1.0
"""The paper's."""


class SmoothingError(MyocastError):
    """Settings of a filter that are no settings."""


@dataclass(frozen=True, slots=True)
class OneEuroSetting:
    """How much to smooth."""

    min_cutoff_hz: float
    """Of a hand that rests: lower takes more jitter away."""
    beta: float
    """Hz per mm/s: higher lags less while the hand moves."""

    def __post_init__(self) -> None:
        if not (0.0 < self.min_cutoff_hz < np.inf and 0.0 <= self.beta < np.inf):
            raise SmoothingError(
                f"smoothing {self.min_cutoff_hz:g},{self.beta:g}: expected a cutoff above 0 Hz and "
                "a beta of 0 or more, such as 2,0.02"
            )

    @classmethod
    def parse(cls, text: str) -> OneEuroSetting:
        """`MINCUTOFF,BETA` in Hz and Hz per mm/s.

        Raises:
            SmoothingError: not two numbers in range.
        """
        try:
            cutoff, beta = (float(part) for part in text.split(","))
        except ValueError:
            raise SmoothingError(f"smoothing {text!r}: expected MINCUTOFF,BETA such as 2,0.02") from None
        return cls(cutoff, beta)


class OneEuro:
    """One stream of poses. The first pose comes out as it went in."""

    def __init__(self, setting: OneEuroSetting) -> None:
        self._setting = setting
        self.reset()

    def reset(self) -> None:
        """Forget everything: after a gap, or for another hand."""
        self._pose: Doubles | None = None
        self._velocity: Doubles = np.zeros((POINTS, 3))
        self._t = 0.0

    def feed(self, pose: Floats, t: float) -> Floats:
        """One more pose.

        Args:
            pose: (63,) mm.
            t: its time, seconds; one that is not later than the one before is ignored.

        Returns:
            (63,) float32 mm.
        """
        x = np.asarray(pose, np.float64).reshape(POINTS, 3)
        if self._pose is None:
            self._pose, self._t = x, t
        elif t > self._t:
            self._step(x, t - self._t)
            self._t = t
        return np.asarray(self._pose.reshape(VALUES), np.float32)

    def _step(self, x: Doubles, dt: float) -> None:
        assert self._pose is not None
        self._velocity += _share(SPEED_CUTOFF_HZ, dt) * ((x - self._pose) / dt - self._velocity)
        speed = np.linalg.norm(self._velocity, axis=-1, keepdims=True)
        cutoff = self._setting.min_cutoff_hz + self._setting.beta * speed
        self._pose = self._pose + _share(cutoff, dt) * (x - self._pose)


def smooth(poses: Floats, rate_hz: float, setting: OneEuroSetting) -> Floats:
    """A whole run (n, 63) at a fixed rate, mm; rows that are not numbers stay so and start the filter afresh."""
    one = OneEuro(setting)
    out = np.full(poses.shape, np.nan, np.float32)
    for i, pose in enumerate(poses):
        if np.isfinite(pose).all():
            out[i] = one.feed(pose, i / rate_hz)
        else:
            one.reset()
    return out


def _share(cutoff_hz: float | Doubles, dt: float) -> float | Doubles:
    """Share of the new value that a first-order low-pass takes."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff_hz * dt))
