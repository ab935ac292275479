"""How late labels of the hand are behind the EMG.

A tracker has a clock and delays of its own. Yet muscles move the hand: how strong the channels are tells, in part, how
the joints are bent, and it tells most when both are brought to the same time. So the strengths of the channels and the
angles of the labels are smoothed alike (without a delay of either), slow changes are taken out, and the lag is where
the strengths explain the angles best. The hand follows the muscles by a delay that is about the same for everybody;
that much later than the strengths, labels are on time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np

from models.arrays import BoolArray, Float32Array, Float64Array
from models.hand import CHANNELS, POINTS, Side, mirror
from models.kinematics import ANGLES, angles

GRID_HZ: Final = 25.0
"""Steps a second in which lags are tried, too; between them a parabola tells. What is smoothed so has no more in it."""
SMOOTHING_S: Final = 0.1
"""SD of the weights that smooth strengths and angles."""
SLOW_S: Final = 1.0
"""SD of the weights of the slow changes that are taken out of both."""
BEHIND_S: Final = {"raw": 0.142, "filtered": 0.142, "envelope": 0.1}
"""Seconds by which labels on time come after the strengths of the channels, by the mode of the EMG.

`tools/measure_label_lag.py` measures it on synthetic people."""
LIVE_SPAN_S: Final = 180.0
"""Seconds of signal and labels that a live estimate looks at, the newest."""
LEAST_S: Final = 15.0
"""Seconds of labels from which there is an estimate."""
GAP_S: Final = 0.25
"""Labels further apart than this are not joined: between them the hand was not seen."""
LEAST_MOVEMENT_RAD: Final = np.deg2rad(2.0)
"""A joint that moves less (SD) tells nothing."""
LEAST_EXPLAINED: Final = 0.03
"""Share of the angles' variance that the strengths must explain at the lag."""
BLOCKS: Final = 6
"""Parts of the time; each is left out once to tell the standard error."""
COARSE_STEPS: Final = 2
"""Steps of the grid between the lags that are tried first where the range is wide."""
LEAST_AHEAD: Final = 0.2
"""Share by which the best of these must explain more than any that is more than a second away."""
_RIDGE: Final = 1e-3
_COLUMN: Final = {name: column for column, name in enumerate(ANGLES)}


@dataclass(frozen=True, slots=True)
class LagRange:
    """Lags that can be, seconds."""

    least_s: float
    most_s: float
    largest_error_s: float
    """Standard error beyond which a lag is not known."""


CLOCKS: Final = LagRange(-0.14, 0.34, 0.045)
"""Of trackers and cameras: 100 ms early to 300 ms late, and what people differ by."""
REACTION: Final = LagRange(-0.9, 0.1, 0.06)
"""Of targets that a person follows: labels are early by the reaction time."""


@dataclass(frozen=True, slots=True)
class Lag:
    """An estimate."""

    seconds: float
    """By which labels are later than what they show; negative: earlier."""
    error_s: float
    """Its standard error."""
    explained: float
    """Share of the angles' variance that the strengths of the channels explain at that lag, 0..1."""


@dataclass(slots=True)
class LagData:
    """Signal and labels of one stretch of time, at the rates at which they came."""

    emg_t: Float64Array
    """(n,) seconds."""
    emg: Float32Array
    """(n, 8) in any unit."""
    label_t: Float64Array
    """(m,) seconds, in order, on any clock within the range of the lag."""
    angles: Float32Array
    """(m, 20) radians, NaN where an angle has no label."""
    emg_mode: str = "raw"
    range: LagRange = CLOCKS

    def estimate(self) -> Lag | None:
        """Find the lag; None where it cannot be told."""
        if len(self.label_t) < 3 or len(self.emg_t) < GRID_HZ or self.label_t[-1] - self.label_t[0] < LEAST_S:
            return None
        first = int(np.floor(self.emg_t[0] * GRID_HZ))
        grid = (first + np.arange(int(np.ceil(self.emg_t[-1] * GRID_HZ)) - first + 1)) / GRID_HZ
        strength, heard = _strength(grid, self.emg_t, self.emg, self.emg_mode)
        behind = BEHIND_S.get(self.emg_mode, BEHIND_S["raw"])
        # One step more on both sides, so that a parabola can be laid through the best.
        low = int(np.floor((self.range.least_s + behind) * GRID_HZ)) - 1
        high = int(np.ceil((self.range.most_s + behind) * GRID_HZ)) + 1
        wide = (first + np.arange(low, len(grid) + high)) / GRID_HZ
        bent, seen = _angles_on(wide, self.label_t, self.angles)
        if bent is None:
            return None
        sums = [
            _sums(strength, bent[k : k + len(grid)], heard & seen[k : k + len(grid)]) for k in range(high - low + 1)
        ]
        if min(float(one.rows.sum()) for one in sums) < LEAST_S * GRID_HZ:
            return None
        found = [one.explained() for one in sums]
        place = _peak([likely for likely, _ in found])
        explained = found[round(place)][1]
        others = [_peak([one.explained(without=block)[0] for one in sums]) for block in range(BLOCKS)]
        error_s = float(np.sqrt((BLOCKS - 1) * np.var(others))) / GRID_HZ
        seconds = (low + place) / GRID_HZ - behind
        inside = self.range.least_s <= seconds <= self.range.most_s
        if not inside or explained < LEAST_EXPLAINED or error_s > self.range.largest_error_s:
            return None
        return Lag(seconds, error_s, explained)


def estimate_offset(data: LagData, reach_s: float = 10.0) -> Lag | None:
    """Find a lag of up to `reach_s` seconds either way: coarsely first, then as `LagData.estimate` does.

    None where it cannot be told, also where two lags that are far apart explain about as much.
    """
    if len(data.label_t) < 3 or len(data.emg_t) < GRID_HZ:
        return None
    first = int(np.floor(data.emg_t[0] * GRID_HZ))
    grid = (first + np.arange(int(np.ceil(data.emg_t[-1] * GRID_HZ)) - first + 1)) / GRID_HZ
    strength, heard = _strength(grid, data.emg_t, data.emg, data.emg_mode)
    reach = int(reach_s * GRID_HZ)
    wide = (first + np.arange(-reach, len(grid) + reach)) / GRID_HZ
    bent, seen = _angles_on(wide, data.label_t, data.angles)
    if bent is None:
        return None
    tried: list[tuple[float, int]] = []
    for step in range(-reach, reach + 1, COARSE_STEPS):
        part = slice(reach + step, reach + step + len(grid))
        sums = _sums(strength, bent[part], heard & seen[part])
        if float(sums.rows.sum()) >= LEAST_S * GRID_HZ:
            tried.append((sums.explained()[0], step))
    if not tried:
        return None
    best, place = max(tried)
    far = [likely for likely, step in tried if abs(step - place) > GRID_HZ]
    if far and best - max(far) < LEAST_AHEAD * max(best, 1e-9):
        return None
    behind = BEHIND_S.get(data.emg_mode, BEHIND_S["raw"])
    coarse = place / GRID_HZ - behind
    fine = LagData(data.emg_t, data.emg, data.label_t - coarse, data.angles, data.emg_mode).estimate()
    return None if fine is None else Lag(fine.seconds + coarse, fine.error_s, fine.explained)


class LagEstimator:
    """Collects what comes, and lets the lag be estimated from the newest of it.

    To add is cheap; arrays are made only when an estimate is, on whatever thread that happens.

    Args:
        rate_hz: samples per second.
        emg_mode: mode of the EMG.
        lags: that can be.
    """

    def __init__(self, rate_hz: float, emg_mode: str, lags: LagRange = CLOCKS) -> None:
        self.rate_hz, self.emg_mode, self._lags = rate_hz, emg_mode, lags
        self._frames: deque[tuple[float, Float32Array]] = deque()
        self._labels: deque[_Label] = deque()

    def fits(self, rate_hz: float, emg_mode: str) -> bool:
        """Whether it collects this kind of signal."""
        return (self.rate_hz, self.emg_mode) == (rate_hz, emg_mode)

    def add_emg(self, t: float, samples: Float32Array) -> None:
        """Add consecutive samples (n, 8); `t` is the time of the first."""
        self._frames.append((t, samples))
        while t - self._frames[0][0] > LIVE_SPAN_S:
            self._frames.popleft()

    def add_label(self, t: float, joints: Float32Array | None, bent: Mapping[str, float], worn: Side) -> None:
        """Add a label.

        Args:
            t: seconds.
            joints: (63,) mm, frame `hand`, of the hand `worn`; None where there are angles.
            bent: degrees by the names of `ANGLES`.
        """
        newest_t = self._frames[-1][0] if self._frames else t
        if abs(t - newest_t) > LIVE_SPAN_S:
            return  # of another clock
        self._labels.append(_Label(t, joints if joints is None or worn == "right" else mirror(joints), bent))
        while max(t, newest_t) - self._labels[0].t > LIVE_SPAN_S:
            self._labels.popleft()

    def collected(self) -> Callable[[], LagData]:
        """Return a function that makes arrays of what has come by now; it may be called on another thread."""
        return partial(_arrays, tuple(self._frames), tuple(self._labels), self.rate_hz, self.emg_mode, self._lags)


@dataclass(frozen=True, slots=True, eq=False)
class _Label:
    """A label of a right hand."""

    t: float
    joints: Float32Array | None
    bent: Mapping[str, float]


def _arrays(
    frames: Sequence[tuple[float, Float32Array]],
    labels: Sequence[_Label],
    rate_hz: float,
    emg_mode: str,
    lags: LagRange,
) -> LagData:
    rows = np.array([len(samples) for _, samples in frames], dtype=np.int64)
    within = np.arange(int(rows.sum())) - np.repeat(np.cumsum(rows) - rows, rows)
    emg = np.concatenate([samples for _, samples in frames]) if frames else np.zeros((0, CHANNELS), np.float32)
    ordered = sorted(labels, key=lambda label: label.t)
    bent = np.full((len(ordered), len(ANGLES)), np.nan, np.float32)
    seen = [k for k, label in enumerate(ordered) if label.joints is not None]
    if seen:
        bent[seen] = angles(np.array([ordered[k].joints for k in seen]).reshape(-1, POINTS, 3))
    for k, label in enumerate(ordered):
        for name, degrees in label.bent.items():
            bent[k, _COLUMN[name]] = np.deg2rad(degrees)
    return LagData(
        np.repeat(np.array([t for t, _ in frames]), rows) + within / rate_hz,
        emg,
        np.array([label.t for label in ordered]),
        bent,
        emg_mode,
        lags,
    )


@dataclass(slots=True)
class _Sums:
    """Sums of products at one lag, one for each block of time."""

    rows: Float64Array
    """(b,)"""
    xx: Float64Array
    """(b, f, f)"""
    xy: Float64Array
    """(b, f, a)"""
    yy: Float64Array
    """(b, a)"""

    def explained(self, without: int | None = None) -> tuple[float, float]:
        """How much a ridge explains: log likelihood of the angles (mean over them), and mean share of their variance.

        Args:
            without: block of time that is left out.
        """
        kept = np.arange(len(self.rows)) != (-1 if without is None else without)
        rows, xx = float(self.rows[kept].sum()), self.xx[kept].sum(axis=0)
        xy, yy = self.xy[kept].sum(axis=0), self.yy[kept].sum(axis=0)
        weights = np.linalg.solve(xx + _RIDGE * rows * np.eye(len(xx)), xy)
        share = (weights * xy).sum(axis=0) / np.maximum(yy, 1e-12)
        return float(-0.5 * np.log(np.maximum(1.0 - share, 1e-6)).mean()), float(share.mean())


def _sums(x: Float64Array, y: Float64Array, used: BoolArray) -> _Sums:
    edges = np.linspace(0, len(x), BLOCKS + 1).astype(int)
    parts = [(x[a:b][used[a:b]], y[a:b][used[a:b]]) for a, b in pairwise(edges.tolist())]
    return _Sums(
        np.array([len(one) for one, _ in parts], np.float64),
        np.array([one.T @ one for one, _ in parts]),
        np.array([one.T @ other for one, other in parts]),
        np.array([(other**2).sum(axis=0) for _, other in parts]),
    )


def _peak(values: Sequence[float]) -> float:
    """Place of the greatest of evenly spaced values, with a parabola through its neighbours."""
    best = int(np.clip(np.argmax(values), 1, len(values) - 2))
    before, at, after = values[best - 1 : best + 2]
    bend = before - 2.0 * at + after
    offset = float(np.clip(0.5 * (before - after) / bend, -1.0, 1.0)) if bend < 0 else 0.0
    return best + offset


def _strength(grid: Float64Array, t: Float64Array, emg: Float32Array, emg_mode: str) -> tuple[Float64Array, BoolArray]:
    """Strength of each channel and its rate of change on a grid (g, 16), standardised, and where it is known (g,)."""
    values = emg.astype(np.float64)
    if emg_mode != "envelope":
        values = np.abs(values - values.mean(axis=0))
    place = np.rint((t - grid[0]) * GRID_HZ).astype(int)
    count = np.bincount(place, minlength=len(grid))[: len(grid)]
    total = np.stack([np.bincount(place, column, len(grid))[: len(grid)] for column in values.T], axis=1)
    known = count > 0
    root = np.sqrt(np.maximum(total, 0.0) / np.maximum(count, 1)[:, None])
    x = _band(root, known)
    both = np.concatenate([x, np.gradient(x, axis=0)], axis=1)
    return both / np.maximum(both[known].std(axis=0), 1e-12), known


def _angles_on(grid: Float64Array, t: Float64Array, bent: Float32Array) -> tuple[Float64Array | None, BoolArray]:
    """Angles that move on a grid (g, a), and where the hand was seen (g,); None where nothing moves."""
    order = np.argsort(t, kind="stable")
    t, bent = t[order], bent[order]
    after = np.clip(np.searchsorted(t, grid), 1, len(t) - 1)
    seen = (grid >= t[0]) & (grid <= t[-1]) & (t[after] - t[after - 1] < GAP_S)
    columns = []
    for column in bent.T:
        known = np.isfinite(column)
        if known.mean() > 0.5:
            smooth = _band(np.interp(grid, t[known], column[known])[:, None], seen)[:, 0]
            if seen.any() and smooth[seen].std() > LEAST_MOVEMENT_RAD:
                columns.append(smooth / smooth[seen].std())
    return (np.stack(columns, axis=1) if columns else None), seen


def _band(values: Float64Array, known: BoolArray) -> Float64Array:
    """Values (g, c) smoothed, without their slow changes; what is not known counts nothing."""
    fast, slow = _smooth(values, known, SMOOTHING_S), _smooth(values, known, SLOW_S)
    return fast - slow


def _smooth(values: Float64Array, known: BoolArray, sd_s: float) -> Float64Array:
    reach = int(np.ceil(3.0 * sd_s * GRID_HZ))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (sd_s * GRID_HZ)) ** 2)
    share = known.astype(np.float64)
    padded = np.pad(share, reach)
    weight = np.convolve(padded, weights, "valid")
    columns = [np.convolve(np.pad(column * share, reach), weights, "valid") for column in values.T]
    return np.asarray(np.stack(columns, axis=1) / np.maximum(weight, 1e-9)[:, None])
