"""The One Euro filter on poses: smooth while the hand rests, quick while it moves.

Casiez, Roussel, Vogel, "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012. A first-order low-pass whose cutoff grows with speed, `cutoff = min_cutoff + beta * speed`, the
speed itself low-passed at `SPEED_CUTOFF_HZ`. Causal: a pose depends on the poses before it only.

It filters joint angles, so that bones keep their lengths. The joints of a digit have one cutoff, that of how fast the
angles move its tip (each by its distance from the tip, `articulation.LEVERS_MM`), so that they stay together.

A first-order low-pass takes least from what is fastest, and jerk is all in there. So there may be more than one, each
behind the other with the same cutoff: for the same lag, two take away much more of the jerk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.articulation import JOINT_ANGLES, LEVERS_MM, WIDTH, Articulation, within_half_a_turn
from models.errors import MyocastError
from models.hand import Side
from models.kinematics import DIGITS

NAME: Final = "one_euro"
"""What `hello` calls it."""
SPEED_CUTOFF_HZ: Final = 1.0
"""The paper's."""
MAX_STAGES: Final = 4
LARGEST: Final = 1e6
"""Hz, and Hz per mm/s: more than any hand needs, and little enough to calculate with."""
MOVING_MM_S: Final = 250.0
"""Speed of a fingertip in everyday movement, by which the lag of a filter is told that nobody has measured."""


class SmoothingError(MyocastError):
    """Settings of a filter that are no settings."""


@dataclass(frozen=True, slots=True)
class OneEuroConfig:
    """How much to smooth."""

    min_cutoff_hz: float
    """Of a hand that rests: lower takes more jitter away."""
    beta: float
    """Hz per mm/s of a fingertip: higher lags less while the hand moves."""
    stages: int = 1
    """Low-passes one behind the other; 1 is the paper's filter."""

    def __post_init__(self) -> None:
        numbers = 0.0 < self.min_cutoff_hz <= LARGEST and 0.0 <= self.beta <= LARGEST
        if not (numbers and self.stages in range(1, MAX_STAGES + 1)):
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

    @classmethod
    def of(cls, values: Mapping[str, object]) -> OneEuroConfig:
        """What a model file says.

        Raises:
            SmoothingError: it has other keys, or values that are no settings.
        """
        numbers = [values.get("min_cutoff_hz"), values.get("beta"), values.get("stages", 1)]
        if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
            raise SmoothingError(f"smoothing {dict(values)}: expected numbers for min_cutoff_hz, beta and stages")
        cutoff, beta, stages = (float(number) for number in numbers if isinstance(number, int | float))
        if not stages.is_integer():
            raise SmoothingError(f"smoothing {dict(values)}: expected a whole number of stages")
        return cls(cutoff, beta, int(stages))

    @property
    def text(self) -> str:
        """As it is typed: `7,0.01,3`."""
        return f"{self.min_cutoff_hz:g},{self.beta:g},{self.stages}"

    @property
    def moving_lag_ms(self) -> float:
        """Delay of a hand that moves at `MOVING_MM_S`, ms; each low-pass of cutoff f delays by 1 / 2πf."""
        cutoff_hz = self.min_cutoff_hz + self.beta * MOVING_MM_S
        return 1000.0 * self.stages / (2.0 * np.pi * cutoff_hz)


DEFAULT_FILTER: Final = OneEuroConfig(10.0, 0.01, 3)
"""Recommended for networks that tremble; found in `docs/results/models.md`."""


class OneEuro:
    """One stream of poses. The first pose comes out as it went in."""

    def __init__(self, config: OneEuroConfig) -> None:
        self.config = config
        self._hand = Articulation()
        self._passes = np.zeros((config.stages, WIDTH, DIGITS))
        self._begun = False
        self._t = 0.0
        self._side: Side = "right"
        self._velocity = np.zeros((JOINT_ANGLES, DIGITS))
        self._step = np.zeros((WIDTH, DIGITS))
        self._angles = self._step[:JOINT_ANGLES]
        self._scratch = np.zeros((JOINT_ANGLES, DIGITS))
        self._share, self._over = np.zeros(DIGITS), np.zeros(DIGITS)

    def reset(self) -> None:
        """Forget everything: after a gap, or for another hand."""
        self._begun = False

    def feed(self, pose: Float32Array, t: float, hand: Side = "right") -> Float32Array:
        """One more pose.

        Args:
            pose: (63,) mm, frame `hand`, finite.
            t: its time, seconds; one that is not later than the one before is ignored.
            hand: which hand it is. Another one than before begins anew.

        Returns:
            (63,) float32 mm, a new array.
        """
        if not self._begun or hand != self._side:
            return self._begin(pose, t, hand)
        if t > self._t:
            self._advance(self._hand.read(pose, hand), t - self._t)
            self._t = t
        return self._hand.write(self._passes[-1], hand)

    def go_on_from(self, other: OneEuro) -> None:
        """Take over where another filter is, so that the next pose follows on the last one that it gave."""
        self._begun, self._t, self._side = other._begun, other._t, other._side
        self._velocity[:] = other._velocity
        self._passes[:] = other._passes if other.config.stages == self.config.stages else other._passes[-1]

    def _begin(self, pose: Float32Array, t: float, hand: Side) -> Float32Array:
        self._passes[:] = self._hand.read(pose, hand)
        self._velocity[:] = 0.0
        self._begun, self._t, self._side = True, t, hand
        return pose.astype(np.float32)

    def _advance(self, values: Float64Array, dt: float) -> None:
        step, velocity, scratch, share = self._step, self._velocity, self._scratch, self._share
        np.subtract(values, self._passes[0], out=step)
        within_half_a_turn(self._angles, scratch)
        np.multiply(self._angles, 1.0 / dt, out=scratch)
        scratch -= velocity
        scratch *= _share(SPEED_CUTOFF_HZ, dt)
        velocity += scratch
        np.multiply(velocity, LEVERS_MM, out=scratch)
        scratch *= scratch
        np.add.reduce(scratch, axis=0, out=share)
        np.sqrt(share, out=share)
        # The share of the new value that a first-order low-pass takes: x / (1 + x), x = 2 pi cutoff dt.
        share *= 2.0 * np.pi * dt * self.config.beta
        share += 2.0 * np.pi * dt * self.config.min_cutoff_hz
        np.add(share, 1.0, out=self._over)
        share /= self._over
        before = self._passes[0]
        step *= share
        before += step
        for one in self._passes[1:]:
            np.subtract(before, one, out=step)
            step *= share
            one += step
            before = one


def smooth(poses: Float32Array, rate_hz: float, config: OneEuroConfig, hand: Side = "right") -> Float32Array:
    """A whole run (n, 63) at a fixed rate, mm; rows that are not numbers stay so and start the filter afresh."""
    one = OneEuro(config)
    out = np.full(poses.shape, np.nan, np.float32)
    for i, pose in enumerate(poses):
        if np.isfinite(pose).all():
            out[i] = one.feed(pose, i / rate_hz, hand)
        else:
            one.reset()
    return out


def _share(cutoff_hz: float, dt: float) -> float:
    x = 2.0 * np.pi * cutoff_hz * dt
    return x / (1.0 + x)
