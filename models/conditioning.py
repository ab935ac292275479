"""A signal of any band as a model expects it: without offset, within the band that a Myo sends, without mains.

A Myo samples at 200 Hz, so nothing above 100 Hz is in what a model learned; a board that samples faster shows more, and
its amplifier an offset and the mains, which the armband takes out by itself. All filters are causal, and their state is
kept over frames; they delay what lies between 30 and 80 Hz by 4 to 7 ms.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from models.arrays import BoolArray, Float32Array
from models.filters import Cascade, Section, high_pass, low_pass, notch
from models.hand import CHANNELS

LOWEST_HZ: Final = 10.0
"""Below lies the offset of an amplifier, and what a cable moves."""
HIGHEST_HZ: Final = 100.0
"""Half the rate of a Myo."""
NOTCH_WIDTH_HZ: Final = 4.0
MAINS_HZ: Final = (50.0, 60.0)
LISTEN_S: Final = 2.0
"""Seconds of signal in which mains are looked for, over and over until they are found."""
HUMS: Final = 6.0
"""Power density within 1 Hz of the mains against that 3 to 8 Hz beside it, from which a channel hums."""
HUMMING_CHANNELS: Final = 3
"""Channels that must hum: one alone is a bad contact, and no reason to take 50 Hz out of the others."""

Mains = Literal["auto", "50", "60", "off"]


class SignalConditioner:
    """Filters one source's samples, piece by piece.

    Args:
        rate_hz: samples per second.
        band: limit the band; without, the mains alone are taken out.
        mains: their frequency; `auto`: found from the signal, `off`: left in.
    """

    def __init__(self, rate_hz: float, *, band: bool = True, mains: Mains = "auto") -> None:
        self.mains_hz: float | None = None
        """The frequency that is taken out now."""
        self._rate_hz = rate_hz
        self._band = Cascade(_band(rate_hz), CHANNELS) if band else None
        self._notch: Cascade | None = None
        self._listener = MainsListener(rate_hz) if mains == "auto" else None
        self._last: Float32Array | None = None
        if mains in ("50", "60"):
            self._take_out(float(mains))

    def restart(self) -> None:
        """Begin anew after a gap: the offset may be another."""
        self._last = None

    def take(self, samples: Float32Array) -> Float32Array:
        """Filter the next samples, (n, 8) in and out."""
        if not len(samples):
            return samples
        if not np.isfinite(samples.sum()):
            samples = np.where(np.isfinite(samples), samples, 0.0 if self._last is None else self._last)
        if self._band is not None and self._last is None:
            self._band.settle(samples[0])
        self._last = samples[-1]
        if self._listener is not None:
            self._listen(self._listener, samples)
        out = samples if self._band is None else self._band.take(samples)
        return out if self._notch is None else self._notch.take(out)

    def _listen(self, listener: MainsListener, samples: Float32Array) -> None:
        listener.push(samples)
        if listener.found_hz is not None:
            self._listener = None
            self._take_out(listener.found_hz)

    def _take_out(self, mains_hz: float) -> None:
        self.mains_hz = mains_hz
        heard = min(1.25 * HIGHEST_HZ, 0.45 * self._rate_hz)
        tones = np.arange(mains_hz, heard, mains_hz).tolist()
        if tones:
            self._notch = Cascade([one for hz in tones for one in notch(hz, self._rate_hz, NOTCH_WIDTH_HZ)], CHANNELS)


def _band(rate_hz: float) -> list[Section]:
    """The band of a Myo, as far as a rate has it."""
    sections = high_pass(LOWEST_HZ, rate_hz)
    return sections + low_pass(HIGHEST_HZ, rate_hz) if rate_hz > 2.2 * HIGHEST_HZ else sections


class MainsListener:
    """Looks for the hum of the mains in a signal. `found_hz` is set once, for good."""

    def __init__(self, rate_hz: float) -> None:
        self.found_hz: float | None = None
        self._rate_hz = rate_hz
        self._parts: list[Float32Array] = []
        self._rows = 0

    def push(self, samples: Float32Array) -> None:
        """Take the next samples (n, 8) as they come from the source."""
        self._parts.append(samples)
        self._rows += len(samples)
        if self._rows >= LISTEN_S * self._rate_hz:
            heard = np.concatenate(self._parts)
            self._parts, self._rows = [], 0
            self.found_hz = mains_of(heard, self._rate_hz)


def mains_of(samples: Float32Array, rate_hz: float) -> float | None:
    """The frequency of the mains that hum in (n, channels) samples, or None."""
    x = samples - samples.mean(axis=0)
    power = np.abs(np.fft.rfft(x * np.hanning(len(x))[:, None], axis=0)) ** 2
    hz = np.fft.rfftfreq(len(x), 1.0 / rate_hz)
    ratios = {mains: _ratio(power, np.abs(hz - mains)) for mains in MAINS_HZ if mains + 8.0 < rate_hz / 2}
    loud = {mains: int((ratio > HUMS).sum()) for mains, ratio in ratios.items()}
    best = max(loud, key=lambda mains: (loud[mains], float(np.median(ratios[mains]))), default=None)
    return best if best is not None and loud[best] >= HUMMING_CHANNELS else None


def _ratio(power: Float32Array, away_hz: Float32Array) -> Float32Array:
    """(channels,) power density near a frequency against that beside it."""
    near: BoolArray = away_hz <= 1.0
    beside: BoolArray = (away_hz >= 3.0) & (away_hz <= 8.0)
    floor = np.finfo(np.float64).tiny
    return np.asarray(power[near].mean(axis=0) / (power[beside].mean(axis=0) + floor))
