"""What else is in an armband's samples: noise, hum, movement artefacts, clipping, losses on the air."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import BoolArray, Float32Array, Float64Array
from models.forward.person import Donning
from models.hand import CHANNELS

LOWEST: Final = -128.0
HIGHEST: Final = 127.0
PACKET: Final = 2
"""Samples in one notification of the radio."""


@dataclass(frozen=True, slots=True)
class _Artefact:
    start: float
    length: float
    hz: float
    amplitude: Float64Array


class Disturbance:
    """Noise, hum and artefacts of one donning, one block after another, in counts."""

    def __init__(self, donning: Donning, rng: np.random.Generator, hum: bool) -> None:
        self._donning, self._rng, self._hum = donning, rng, hum
        self._phase = rng.uniform(0.0, 2.0 * np.pi)
        self._artefacts: list[_Artefact] = []

    def at(self, t: Float64Array) -> Float64Array:
        """The next block, at the times `t` (n,): (n, 8)."""
        out = self._donning.noise * self._rng.standard_normal((len(t), CHANNELS))
        if self._hum:
            wave = np.sin(2.0 * np.pi * self._donning.mains_hz * t + self._phase)
            out += wave[:, None] * self._donning.mains
        self._begin(float(t[0]), float(t[-1]))
        for one in self._artefacts:
            age = t - one.start
            window = np.where((age >= 0.0) & (age <= one.length), np.sin(np.pi * age / one.length) ** 2, 0.0)
            out += (window * np.sin(2.0 * np.pi * one.hz * age))[:, None] * one.amplitude
        return out

    def _begin(self, first: float, last: float) -> None:
        rng = self._rng
        self._artefacts = [one for one in self._artefacts if one.start + one.length >= first]
        for _ in range(rng.poisson(self._donning.artefacts_hz * (last - first))):
            pattern = rng.lognormal(2.0, 0.6) * rng.uniform(-1.0, 1.0, CHANNELS) ** 3
            start = rng.uniform(first, last)
            self._artefacts.append(_Artefact(start, rng.uniform(0.15, 0.6), rng.uniform(3.0, 12.0), pattern))


class Radio:
    """Loses packets, and now and then delivers the one before again in place of one."""

    def __init__(self, donning: Donning, rng: np.random.Generator, losses: bool) -> None:
        self._rate = donning.losses_hz if losses else 0.0
        self._rng = rng

    def carry(self, emg: Float32Array, seconds: float) -> tuple[Float32Array, BoolArray]:
        """What arrives of a block (n, 8), n even: the samples as received, and which of them were."""
        kept = np.ones(len(emg), dtype=np.bool_)
        events = self._rng.poisson(self._rate * seconds) if self._rate else 0
        for _ in range(events):
            packets = len(emg) // PACKET
            first = int(self._rng.integers(1, packets))
            if self._rng.random() < 0.3:
                at = first * PACKET
                emg[at : at + PACKET] = emg[at - PACKET : at]
            else:
                count = int(self._rng.integers(1, 5))
                kept[first * PACKET : (first + count) * PACKET] = False
        return emg, kept


def digitise(emg: Float64Array) -> Float32Array:
    """Round (n, 8) to counts and clip to eight bits."""
    return np.clip(np.rint(emg), LOWEST, HIGHEST).astype(np.float32)
