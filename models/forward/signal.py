"""The signal itself: noise with the spectrum of an armband's EMG, slow random drive, envelopes."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.forward.variants import Variant
from models.hand import CHANNELS

SPECTRUM_RATE_HZ: Final = 200.0
ENVELOPE_RATE_HZ: Final = 50.0
ENVELOPE_S: Final = 0.050
NOTCH_WIDTH_HZ: Final = 5.0
ENVELOPE_GAIN: Final = 16.0
"""The 50 Hz mode counts finer than the raw one: at rest 15-25 where raw has 1-1.7, at most 1,900 where
raw has 127."""


def power(variant: Variant, hz: Float64Array, rate_hz: float) -> Float64Array:
    """Power density (k,) of the carrier at the frequencies `hz` (k,), sampled at `rate_hz`.

    Below 200 Hz the table is folded at the new Nyquist frequency; above, it falls off beyond 100 Hz
    as surface EMG does.
    """
    total = _table(variant, hz)
    fold = rate_hz
    while rate_hz < SPECTRUM_RATE_HZ and fold - rate_hz / 2 < SPECTRUM_RATE_HZ / 2:
        total = total + _aliased(variant, fold - hz) + _aliased(variant, fold + hz)
        fold += rate_hz
    return total


def _aliased(variant: Variant, hz: Float64Array) -> Float64Array:
    return np.where(hz <= SPECTRUM_RATE_HZ / 2, _table(variant, hz), 0.0)


def _table(variant: Variant, hz: Float64Array) -> Float64Array:
    inside = np.interp(hz, variant.spectrum_hz, variant.spectrum)
    return np.asarray(inside * np.exp(-np.maximum(hz - SPECTRUM_RATE_HZ / 2, 0.0) / 60.0))


def shaping_taps(variant: Variant, rate_hz: float) -> Float64Array:
    """A linear-phase filter (taps,) that gives white noise the carrier's spectrum and unit variance."""
    count = 2 * round(0.32 * rate_hz) + 1
    grid = 8 * count
    hz = np.arange(grid // 2 + 1, dtype=np.float64) * rate_hz / grid
    amplitude = np.sqrt(power(variant, hz, rate_hz))
    taps = np.roll(np.fft.irfft(amplitude, grid), count // 2)[:count] * np.hanning(count + 2)[1:-1]
    return np.asarray(taps / np.sqrt(np.sum(taps**2)))


class Carrier:
    """Unit-variance noise of the right colour for a number of sources, one block after another."""

    def __init__(self, variant: Variant, rate_hz: float, sources: int, rng: np.random.Generator, block: int) -> None:
        taps = shaping_taps(variant, rate_hz)
        self._rng, self._block = rng, block
        self._size = 1 << (block + len(taps) - 2).bit_length()
        self._response = np.fft.rfft(taps.astype(np.float32), self._size)[:, None].astype(np.complex64)
        self._tail = rng.standard_normal((len(taps) - 1, sources), dtype=np.float32)

    def take(self) -> Float32Array:
        """The next (block, sources)."""
        fresh = self._rng.standard_normal((self._block, self._tail.shape[1]), dtype=np.float32)
        white = np.concatenate([self._tail, fresh])
        lead = len(self._tail)
        self._tail = white[-lead:]
        coloured = np.fft.irfft(np.fft.rfft(white, self._size, axis=0) * self._response, self._size, axis=0)
        return np.asarray(coloured[lead : lead + self._block], dtype=np.float32)


class Drift:
    """Slow log-normal factors (mean 1), linear between knots, one block after another."""

    def __init__(self, log_sd: float, hz: float, columns: int, rng: np.random.Generator) -> None:
        self._sd, self._hz, self._rng = log_sd * 1.22, hz, rng
        self._first = 0
        self._knots = rng.standard_normal((2, columns), dtype=np.float32)

    def at(self, t: Float64Array) -> Float32Array:
        """Factors at the times `t` (ascending, and never before those of the last call): (n, columns)."""
        place = t * self._hz
        low, high = int(place[0]), int(place[-1]) + 2
        missing = high + 1 - (self._first + len(self._knots))
        if missing > 0:
            self._knots = np.concatenate(
                [self._knots, self._rng.standard_normal((missing, self._knots.shape[1]), dtype=np.float32)]
            )
        self._knots, self._first = self._knots[low - self._first :], low
        index = place.astype(np.int64) - low
        weight = (place - np.floor(place)).astype(np.float32)[:, None]
        mixed = self._knots[index] * (1.0 - weight) + self._knots[index + 1] * weight
        return np.asarray(np.exp(self._sd * mixed - 0.5 * (self._sd / 1.22) ** 2), dtype=np.float32)


class Notch:
    """The armband's own filter against hum: two zeros on the unit circle and two poles close by. Causal."""

    def __init__(self, hz: float, rate_hz: float, block: int, channels: int = CHANNELS) -> None:
        angle = 2.0 * np.pi * hz / rate_hz
        radius = 1.0 - np.pi * NOTCH_WIDTH_HZ / rate_hz
        a = np.array([2.0 * radius * np.cos(angle), -(radius**2)])
        b = np.array([1.0, -2.0 * np.cos(angle), 1.0])
        self._response, self._memory, self._advance, self._enter = _state_space(b, a, block)
        self._state = np.zeros((2, channels))

    def take(self, x: Float64Array) -> Float64Array:
        """The next block, (block, 8) in and out."""
        y = self._response @ x + self._memory @ self._state
        self._state = self._advance @ self._state + self._enter @ x
        return np.asarray(y)


def _state_space(
    b: Float64Array, a: Float64Array, block: int
) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
    """A second-order filter y = b x + a y as matrices over a whole block: response, memory, advance, enter."""
    step, drive = np.array([[a[0], 1.0], [a[1], 0.0]]), np.array([b[1] + a[0] * b[0], b[2] + a[1] * b[0]])
    powers = [np.eye(2)]
    for _ in range(block):
        powers.append(step @ powers[-1])
    memory = np.array([power[0] for power in powers[:block]])
    impulse = np.concatenate([b[:1], memory[: block - 1] @ drive])
    age = np.arange(block)[:, None] - np.arange(block)[None, :]
    response = np.where(age >= 0, impulse[np.maximum(age, 0)], 0.0)
    enter = np.stack([powers[block - 1 - i] @ drive for i in range(block)], axis=1)
    return response, memory, powers[block], enter


class Envelope:
    """What the 50 Hz mode of an armband sends, made from its raw mode: rectified, smoothed, thinned. Causal."""

    def __init__(self, rate_hz: float = SPECTRUM_RATE_HZ, channels: int = CHANNELS) -> None:
        self._keep = np.exp(-1.0 / (ENVELOPE_S * rate_hz))
        self._step = max(1, round(rate_hz / ENVELOPE_RATE_HZ))
        self._state = np.zeros(channels)
        self._seen = 0

    def feed(self, raw: Float32Array) -> Float32Array:
        """Take (n, channels) raw samples, give the (about n / step, channels) envelopes that fall due."""
        smooth = np.empty(raw.shape)
        rectified = np.abs(raw).astype(np.float64)
        for start in range(0, len(raw), 64):
            part = rectified[start : start + 64]
            age = np.arange(len(part))
            decay = np.tril(self._keep ** np.maximum(age[:, None] - age[None, :], 0))
            smooth[start : start + 64] = (1.0 - self._keep) * (decay @ part) + np.outer(
                self._keep ** (age + 1), self._state
            )
            self._state = smooth[min(start + 64, len(raw)) - 1].copy()
        due = smooth[(-self._seen - 1) % self._step :: self._step]
        self._seen += len(raw)
        return np.rint(ENVELOPE_GAIN * due).astype(np.float32)
