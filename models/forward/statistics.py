"""What an armband's samples look like in numbers: the same figures for real and for synthetic recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.forward.nuisance import HIGHEST
from models.hand import CHANNELS
from models.recording import Recording

SEGMENT_S: Final = 4.0
SETTLE_S: Final = 1.0
FREQUENCIES_HZ: Final = (5.0, 20.0, 40.0, 70.0, 90.0)
_FFT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures over many segments of some seconds each."""

    segments: int
    channel_rms: tuple[float, float, float]
    """5th, 50th and 95th percentile over segments and channels, counts."""
    strongest_rms: float
    """Median over segments of the strongest channel's rms."""
    weakest_to_strongest: float
    """Median ratio."""
    correlation: tuple[float, float, float, float]
    """Median correlation of rectified channels at ring distances 1 to 4."""
    kurtosis: tuple[float, float, float]
    """10th, 50th and 90th percentile over segments and channels (Gaussian: 3)."""
    spectrum: tuple[float, ...]
    """Power at `FREQUENCIES_HZ` relative to its maximum, median over segments."""
    notch: float
    """The same at the deepest point between 45 and 65 Hz."""
    clipped: float
    """Share of samples at the end of the range."""
    variation: tuple[float, float, float]
    """10th, 50th and 90th percentile of SD / mean of the strongest channel's rms over 100 ms."""


def of(segments: Iterable[Float32Array], rate_hz: float) -> Statistics:
    """Measure segments of (n, 8) raw counts.

    Raises:
        ValueError: no segment, or one shorter than a second.
    """
    parts = [_one(np.asarray(segment, dtype=np.float64), rate_hz) for segment in segments]
    if not parts:
        raise ValueError("statistics need at least one segment")
    rms, power = np.array([part.rms for part in parts]), np.array([part.power for part in parts])
    spectrum = np.median(power / power.sum(axis=1, keepdims=True), axis=0)
    hz = np.fft.rfftfreq(round(rate_hz * _FFT_S), 1.0 / rate_hz)
    smooth = np.convolve(spectrum, np.ones(5) / 5, mode="same")
    return Statistics(
        segments=len(parts),
        channel_rms=_percentiles(rms, (5, 50, 95)),
        strongest_rms=float(np.median(rms.max(axis=1))),
        weakest_to_strongest=float(np.median(rms.min(axis=1) / rms.max(axis=1))),
        correlation=_ring([part.correlation for part in parts]),
        kurtosis=_percentiles(np.array([part.kurtosis for part in parts]), (10, 50, 90)),
        spectrum=tuple(float(np.interp(f, hz, smooth) / smooth.max()) for f in FREQUENCIES_HZ),
        notch=float(spectrum[(hz >= 45.0) & (hz <= 65.0)].min() / smooth.max()),
        clipped=float(np.mean([part.clipped for part in parts])),
        variation=_percentiles(np.array([part.variation for part in parts]), (10, 50, 90)),
    )


def held(recording: Recording, classes: Iterable[int]) -> Iterator[Float32Array]:
    """Segments (n, 8) of a recording in which one of the class labels lasts, without their first second."""
    if recording.classes is None:
        return
    wanted, settle = set(classes), round(SETTLE_S * recording.rate_hz)
    edges = [0, *(np.flatnonzero(np.diff(recording.classes)) + 1).tolist(), len(recording)]
    for start, stop in pairwise(edges):
        if int(recording.classes[start]) in wanted and stop - start >= 3 * settle:
            yield recording.emg[start + settle : stop]


def marked(recording: Recording, labels: Iterable[str]) -> Iterator[Float32Array]:
    """Segments (n, 8) from a marker with one of the labels to the next marker, without their first second."""
    wanted, settle = set(labels), round(SETTLE_S * recording.rate_hz)
    starts = np.searchsorted(recording.t, [marker.t for marker in recording.markers])
    for marker, start, stop in zip(recording.markers, starts, [*starts[1:], len(recording)], strict=False):
        if marker.label in wanted and stop - start >= 3 * settle:
            yield recording.emg[start + settle : stop]


def equal_parts(recording: Recording, seconds: float = SEGMENT_S) -> Iterator[Float32Array]:
    """A recording cut into pieces (n, 8) of equal length."""
    rows = round(seconds * recording.rate_hz)
    for start in range(0, len(recording) - rows + 1, rows):
        yield recording.emg[start : start + rows]


@dataclass(frozen=True, slots=True)
class _Part:
    rms: Float64Array
    correlation: Float64Array
    kurtosis: Float64Array
    power: Float64Array
    clipped: float
    variation: float


def _one(emg: Float64Array, rate_hz: float) -> _Part:
    centred = emg - emg.mean(axis=0)
    rms = np.sqrt(np.mean(emg**2, axis=0))
    spread = np.maximum(np.mean(centred**2, axis=0), 1e-9)
    rows = max(1, round(0.1 * rate_hz))
    short = np.sqrt(np.mean(emg[: len(emg) // rows * rows].reshape(-1, rows, CHANNELS) ** 2, axis=1))[:, rms.argmax()]
    return _Part(
        rms=rms,
        correlation=_ring_correlation(np.abs(emg)),
        kurtosis=np.mean(centred**4, axis=0) / spread**2,
        power=_power(centred, rate_hz),
        clipped=float(np.mean(np.abs(emg) >= HIGHEST)),
        variation=float(short.std() / max(float(short.mean()), 1e-9)),
    )


def _ring_correlation(rectified: Float64Array) -> Float64Array:
    c = np.corrcoef(rectified + 1e-9 * np.arange(len(rectified))[:, None], rowvar=False)
    here = np.arange(CHANNELS)
    return np.array([np.mean(c[here, (here + distance) % CHANNELS]) for distance in range(1, 5)])


def _power(centred: Float64Array, rate_hz: float) -> Float64Array:
    """Welch's estimate, all channels together."""
    rows = round(rate_hz * _FFT_S)
    if len(centred) < rows:
        raise ValueError(f"a segment must be at least {_FFT_S:g} s long")
    window = np.hanning(rows)[:, None]
    starts = range(0, len(centred) - rows + 1, max(1, rows // 2))
    parts = [np.abs(np.fft.rfft(centred[i : i + rows] * window, axis=0)) ** 2 for i in starts]
    return np.asarray(np.sum(parts, axis=(0, 2)), dtype=np.float64)


def _ring(correlations: list[Float64Array]) -> tuple[float, float, float, float]:
    first, second, third, fourth = np.median(correlations, axis=0).tolist()
    return first, second, third, fourth


def _percentiles(values: Float64Array, at: tuple[int, int, int]) -> tuple[float, float, float]:
    low, middle, high = np.percentile(values, at).tolist()
    return low, middle, high
