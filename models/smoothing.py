"""The One Euro filter on poses: smooth while the hand rests, quick while it moves.

Casiez, Roussel, Vogel, "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012. A first-order low-pass whose cutoff grows with speed, `cutoff = min_cutoff + beta * speed`;
speed is each point's own, low-passed at `speed_cutoff`. Causal: a pose depends on the poses before it only.

A first-order low-pass takes least from what is fastest, and jerk is all in there. So there may be more than one, each
behind the other with the same cutoff: for the same lag, two take away much more of the jerk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.errors import MyocastError
from models.hand import POINTS, VALUES

SPEED_CUTOFF_HZ: Final = 1.0
"""The paper's."""


class SmoothingError(MyocastError):
    """Settings of a filter that are no settings."""


@dataclass(frozen=True, slots=True)
class OneEuroConfig:
    """How much to smooth."""

    min_cutoff_hz: float
    """Of a hand that rests: lower takes more jitter away."""
    beta: float
    """Hz per mm/s: higher lags less while the hand moves."""
    stages: int = 1
    """Low-passes one behind the other; 1 is the paper's filter."""

    def __post_init__(self) -> None:
        if not (0.0 < self.min_cutoff_hz < np.inf and 0.0 <= self.beta < np.inf and self.stages in range(1, 5)):
            raise SmoothingError(
                f"smoothing {self.min_cutoff_hz:g},{self.beta:g},{self.stages}: expected a cutoff above 0 Hz, "
                "a beta of 0 or more and 1 to 4 stages, such as 2,0.02 or 2,0.02,2"
            )

    @classmethod
    def parse(cls, text: str) -> OneEuroConfig:
        """`MINCUTOFF,BETA` in Hz and Hz per mm/s, or `MINCUTOFF,BETA,STAGES`.

        Raises:
            SmoothingError: not such numbers, or not in range.
        """
        cutoff, _, rest = text.partition(",")
        beta, comma, stages = rest.partition(",")
        try:
            return cls(float(cutoff), float(beta), int(stages) if comma else 1)
        except ValueError:
            raise SmoothingError(
                f"smoothing {text!r}: expected MINCUTOFF,BETA or MINCUTOFF,BETA,STAGES such as 2,0.02 or 2,0.02,2"
            ) from None


class OneEuro:
    """One stream of poses. The first pose comes out as it went in."""

    def __init__(self, config: OneEuroConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget everything: after a gap, or for another hand."""
        self._passes: Float64Array | None = None
        self._velocity: Float64Array = np.zeros((POINTS, 3))
        self._t = 0.0

    def feed(self, pose: Float32Array, t: float) -> Float32Array:
        """One more pose.

        Args:
            pose: (63,) mm.
            t: its time, seconds; one that is not later than the one before is ignored.

        Returns:
            (63,) float32 mm.
        """
        x = np.asarray(pose, np.float64).reshape(POINTS, 3)
        if self._passes is None:
            self._passes, self._t = np.repeat(x[None], self._config.stages, axis=0), t
        elif t > self._t:
            self._step(self._passes, x, t - self._t)
            self._t = t
        return np.asarray(self._passes[-1].reshape(VALUES), np.float32)

    def _step(self, passes: Float64Array, x: Float64Array, dt: float) -> None:
        self._velocity += _share(SPEED_CUTOFF_HZ, dt) * ((x - passes[0]) / dt - self._velocity)
        speed = np.linalg.norm(self._velocity, axis=-1, keepdims=True)
        share = _share(self._config.min_cutoff_hz + self._config.beta * speed, dt)
        for one in passes:
            one += share * (x - one)
            x = one


def smooth(poses: Float32Array, rate_hz: float, config: OneEuroConfig) -> Float32Array:
    """A whole run (n, 63) at a fixed rate, mm; rows that are not numbers stay so and start the filter afresh."""
    one = OneEuro(config)
    out = np.full(poses.shape, np.nan, np.float32)
    for i, pose in enumerate(poses):
        if np.isfinite(pose).all():
            out[i] = one.feed(pose, i / rate_hz)
        else:
            one.reset()
    return out


def _share(cutoff_hz: float | Float64Array, dt: float) -> float | Float64Array:
    """Share of the new value that a first-order low-pass takes."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff_hz * dt))
