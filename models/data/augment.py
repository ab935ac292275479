"""Augmentation: changes of the signal that do not depend on the hand (rotation, gains, noise, losses)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from models.alignment import rolls
from models.arrays import BoolArray, Float32Array
from models.hand import CHANNELS


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much of each; all zero = none."""

    roll: float = 0.6
    """Turns by up to this many channels, uniformly."""
    gain: float = 0.2
    """SD of the logarithm of the common gain."""
    channel_gain: float = 0.1
    """SD of the logarithm of each channel's gain."""
    channel_loss: float = 0.02
    """Probability that a channel is silent."""
    noise: float = 0.5
    """SD of added noise, in counts of raw EMG."""
    align: float = 0.0
    """Share of runs with a measured pose whose band is aligned to the template first, where that is known."""
    align_asked: float = 0.0
    """The same for runs with a commanded pose."""
    aligned_roll: float = 0.6
    """How far those are turned; the others by `roll`."""
    packet_loss: float = 0.002
    """Probability that a packet of two raw samples repeats the one before it."""

    def mixes(self, count: int, rng: np.random.Generator, aligned: BoolArray | None = None) -> Float32Array:
        """(count, 8, 8) matrices for envelopes as row vectors; `aligned` (count,) marks the aligned bands."""
        if not (self.roll or self.gain or self.channel_gain or self.channel_loss):
            return np.tile(np.eye(CHANNELS, dtype=np.float32), (count, 1, 1))
        widest = self.roll if aligned is None else np.where(aligned, self.aligned_roll, self.roll)
        turns = rng.uniform(-1.0, 1.0, count) * widest
        gains = np.exp(
            self.gain * rng.standard_normal((count, 1)) + self.channel_gain * rng.standard_normal((count, CHANNELS))
        )
        gains *= rng.random((count, CHANNELS)) >= self.channel_loss
        return np.asarray(rolls(turns) * gains[:, None, :], np.float32)

    def spoil(self, emg: Float32Array, rng: np.random.Generator) -> Float32Array:
        """Noise and lost packets on raw EMG (batch, n, 8); a new array."""
        out = emg + np.asarray(self.noise * rng.standard_normal(emg.shape), np.float32) if self.noise else emg.copy()
        if self.packet_loss:
            lost = np.argwhere(rng.random((len(emg), emg.shape[1] // 2)) < self.packet_loss)
            for row, packet in lost[lost[:, 1] > 0]:
                out[row, 2 * packet : 2 * packet + 2] = out[row, 2 * packet - 2 : 2 * packet]
        return out


NONE = Augmentation(**dict.fromkeys((part.name for part in fields(Augmentation)), 0.0))
