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

from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.articulation import JOINT_ANGLES, LEVERS_MM, WIDTH, Articulation, within_half_a_turn
from models.filter_config import OneEuroConfig
from models.hand import Side
from models.kinematics import DIGITS

SPEED_CUTOFF_HZ: Final = 1.0
"""The paper's."""


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
