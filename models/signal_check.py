"""The quality of each channel: contact, clipping, hum, noise, copies. Numbers in, words and advice out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from models.arrays import BoolArray, Float32Array, Float64Array

State = Literal["good", "flat", "railed", "noisy", "hum", "copy"]

FLAT_SHARE: Final = 0.02
"""A channel that varies less than this share of the middle channel is flat."""
RAIL_ADC: Final = 127.0
"""Largest number that a Myo sends."""
RAIL_SHARE: Final = 0.02
"""Share of samples at the largest or smallest value from which a channel is railed."""
RAIL_SIGMA: Final = 3.0
"""Robust SDs from the median that such a value has at least; weak integers repeat their extremes, too."""
MAINS_HZ: Final = (50.0, 60.0)
MAINS_WIDTH_HZ: Final = 1.0
HUM_SHARE: Final = 0.5
"""Share of a channel's power within the mains' frequencies from which it hums."""
NOISE_FACTOR: Final = 5.0
"""The quietest moments of a noisy channel are this many times louder than those of the middle channel."""
COPY_CORRELATION: Final = 0.9995
BLOCK_S: Final = 0.25
SHORTEST_S: Final = 1.0
"""Seconds of signal that a verdict needs."""

_HINTS: Final[dict[State, str]] = {
    "good": "",
    "flat": "no signal; press the electrode onto the skin, or moisten it",
    "railed": "the signal is clipped; lower the gain, or let the electrode settle",
    "noisy": "much louder than the others at rest; clean and moisten the skin, and tighten the band",
    "hum": "interference from the mains; move away from chargers and cables, or unplug the computer's",
    "copy": "shows what channel {other} shows; check the cables and the electrodes",
}


@dataclass(frozen=True, slots=True)
class ChannelCheck:
    """The verdict on one channel."""

    channel: int
    """From 1."""
    state: State
    rms: float
    """Of the signal without its mean, in its unit."""
    hint: str
    """What to do; empty where it is good."""


def check_signal(emg: Float32Array, rate_hz: float, *, unit: str = "adc", emg_mode: str = "raw") -> list[ChannelCheck]:
    """Judge each channel.

    Args:
        emg: (n, channels), at least `SHORTEST_S` of it, in `unit`.
        rate_hz: samples per second.
        unit: `adc` or `uV`.
        emg_mode: `raw`, `filtered` or `envelope`; an envelope has no hum.

    Raises:
        ValueError: less than `SHORTEST_S`.
    """
    if len(emg) < SHORTEST_S * rate_hz:
        raise ValueError(f"expected at least {SHORTEST_S:g} s of signal, got {len(emg) / rate_hz:.2f} s")
    x = np.asarray(emg, np.float64)
    moving = x - x.mean(axis=0)
    rms = np.sqrt((moving**2).mean(axis=0))
    flat = (np.ptp(x, axis=0) == 0) | (rms < FLAT_SHARE * np.median(rms))
    railed = _railed(x, unit)
    hums = _hums(moving, rate_hz) if emg_mode == "raw" else np.zeros(len(rms), bool)
    noisy = _noisy(moving, round(BLOCK_S * rate_hz))
    copied = _copies(moving, rms, flat)
    checks = []
    for index in range(x.shape[1]):
        verdicts: tuple[tuple[State, bool], ...] = (
            ("railed", bool(railed[index])),
            ("flat", bool(flat[index])),
            ("copy", index in copied),
            ("hum", bool(hums[index])),
            ("noisy", bool(noisy[index])),
        )
        state: State = next((name for name, found in verdicts if found), "good")
        hint = _HINTS[state].format(other=copied.get(index, 0) + 1)
        checks.append(ChannelCheck(index + 1, state, round(float(rms[index]), 2), hint))
    return checks


def _railed(x: Float64Array, unit: str) -> BoolArray:
    middle = np.median(x, axis=0)
    sigma = np.maximum(1.4826 * np.median(np.abs(x - middle), axis=0), 0.5)
    at_end = np.zeros(x.shape[1])
    for end in (x.min(axis=0), x.max(axis=0)):
        far = np.abs(end - middle) > RAIL_SIGMA * sigma
        at_end += np.where(far, (x == end).mean(axis=0), 0.0)
    stuck = (np.ptp(x, axis=0) == 0) & (np.abs(middle) >= RAIL_ADC) & (unit == "adc")
    return np.asarray((at_end > RAIL_SHARE) | stuck)


def _hums(moving: Float64Array, rate_hz: float) -> BoolArray:
    power = np.abs(np.fft.rfft(moving * np.hanning(len(moving))[:, None], axis=0)) ** 2
    frequency = np.fft.rfftfreq(len(moving), 1.0 / rate_hz)
    total = power.sum(axis=0) + np.finfo(np.float64).tiny
    found = np.zeros(moving.shape[1], bool)
    for mains in MAINS_HZ:
        harmonics = np.arange(mains, rate_hz / 2, mains)
        near = (np.abs(frequency[:, None] - harmonics) <= MAINS_WIDTH_HZ).any(axis=1)
        found |= power[near].sum(axis=0) > HUM_SHARE * total
    return found


def _noisy(moving: Float64Array, rows: int) -> BoolArray:
    blocks = moving[: len(moving) // rows * rows].reshape(-1, rows, moving.shape[1])
    quiet = np.sqrt((blocks**2).mean(axis=1)).min(axis=0)
    return np.asarray(quiet > NOISE_FACTOR * np.maximum(np.median(quiet), np.finfo(np.float64).tiny))


def _copies(moving: Float64Array, rms: Float64Array, flat: BoolArray) -> dict[int, int]:
    """Channel -> the earlier one that it copies."""
    size = np.where(rms > 0, rms, 1.0)
    correlation = (moving / size).T @ (moving / size) / len(moving)
    found: dict[int, int] = {}
    for index in range(1, moving.shape[1]):
        for other in range(index):
            if not flat[index] and not flat[other] and correlation[index, other] > COPY_CORRELATION:
                found.setdefault(index, other)
    return found
