"""Causal filters whose state is kept from one piece of signal to the next: band limits, and notches for mains.

Second-order sections by the bilinear transform (Robert Bristow-Johnson's audio EQ cookbook). A cascade is run as
matrices over a whole piece at once, because a piece of a live signal is short: one product in place of a loop over its
samples. (scipy, which would do the same in C, is not among what serving needs.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array

PIECE: Final = 64
"""Samples that are filtered at a time at most."""
BUTTERWORTH_2: Final = (0.70711,)
BUTTERWORTH_4: Final = (0.54120, 1.30656)
"""Quality of the sections of a Butterworth filter of that order."""


@dataclass(frozen=True, slots=True)
class Section:
    """`y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] - a1 y[n-1] - a2 y[n-2]`."""

    b0: float
    b1: float
    b2: float
    a1: float
    a2: float


def high_pass(hz: float, rate_hz: float) -> list[Section]:
    """Second order, 3 dB down at `hz`."""
    return [_section(hz, rate_hz, q, "high") for q in BUTTERWORTH_2]


def low_pass(hz: float, rate_hz: float) -> list[Section]:
    """Fourth order, 3 dB down at `hz`."""
    return [_section(hz, rate_hz, q, "low") for q in BUTTERWORTH_4]


def notch(hz: float, rate_hz: float, width_hz: float) -> list[Section]:
    """Nothing of `hz` passes; 3 dB down at half of `width_hz` on both sides."""
    return [_section(hz, rate_hz, hz / width_hz, "notch")]


def _section(hz: float, rate_hz: float, quality: float, kind: str) -> Section:
    angle = 2.0 * pi * hz / rate_hz
    c, alpha = cos(angle), sin(angle) / (2.0 * quality)
    numerators = {
        "low": ((1.0 - c) / 2.0, 1.0 - c, (1.0 - c) / 2.0),
        "high": ((1.0 + c) / 2.0, -(1.0 + c), (1.0 + c) / 2.0),
        "notch": (1.0, -2.0 * c, 1.0),
    }
    b0, b1, b2 = numerators[kind]
    a0 = 1.0 + alpha
    return Section(b0 / a0, b1 / a0, b2 / a0, -2.0 * c / a0, (1.0 - alpha) / a0)


class Cascade:
    """Sections one after the other, on several channels.

    Args:
        sections: at least one.
        channels: columns of the signal.
    """

    def __init__(self, sections: Sequence[Section], channels: int) -> None:
        self._channels = channels
        self._step, self._enter, self._leave, self._through = _state_space(sections)
        self._state: Float64Array = np.zeros((len(self._step), channels))
        self._pieces: dict[int, tuple[Float64Array, Float64Array, Float64Array, Float64Array]] = {}

    def settle(self, first: Float32Array) -> None:
        """Begin as if the signal had always been `first` (channels,), so that an offset makes no step."""
        at_rest = np.linalg.solve(np.eye(len(self._step)) - self._step, self._enter)
        self._state = np.asarray(at_rest[:, None] * np.asarray(first, np.float64), np.float64)

    def take(self, x: Float32Array) -> Float32Array:
        """Filter the next samples: (n, channels) in and out, at least one."""
        if len(x) <= PIECE:
            return self._take(x)
        return np.concatenate([self._take(x[start : start + PIECE]) for start in range(0, len(x), PIECE)])

    def _take(self, x: Float32Array) -> Float32Array:
        response, memory, advance, enter = self._pieces.get(len(x)) or self._piece(len(x))
        y = response @ x + memory @ self._state
        self._state = advance @ self._state + enter @ x
        return np.asarray(y, np.float32)

    def _piece(self, n: int) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
        """The cascade over n samples: response (n, n), memory (n, s), advance (s, s), enter (s, n)."""
        powers = [np.eye(len(self._step))]
        for _ in range(n):
            powers.append(self._step @ powers[-1])
        memory = np.array([self._leave @ power for power in powers[:n]])
        impulse = np.concatenate([[self._through], memory[: n - 1] @ self._enter])
        age = np.subtract.outer(np.arange(n), np.arange(n))
        response = np.where(age >= 0, impulse[np.maximum(age, 0)], 0.0)
        enter = np.stack([powers[n - 1 - i] @ self._enter for i in range(n)], axis=1)
        self._pieces[n] = response, memory, powers[n], enter
        return self._pieces[n]


def _state_space(sections: Sequence[Section]) -> tuple[Float64Array, Float64Array, Float64Array, float]:
    """`s' = A s + b x`, `y = c s + d x` of the cascade: A, b, c, d."""
    size = 2 * len(sections)
    step, enter, leave, through = np.zeros((size, size)), np.zeros(size), np.zeros(size), 1.0
    for number, section in enumerate(sections):
        here = slice(2 * number, 2 * number + 2)
        gain = np.array([section.b1 - section.a1 * section.b0, section.b2 - section.a2 * section.b0])
        # What comes in is the output of the sections before: leave @ s + through * x.
        step[here] += np.outer(gain, leave)
        step[here, here] += np.array([[-section.a1, 1.0], [-section.a2, 0.0]])
        enter[here] = gain * through
        leave = section.b0 * leave
        leave[2 * number] += 1.0
        through *= section.b0
    return step, enter, leave, through
