"""Nominal rate, sample indices and gaps from recorded times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float64Array, Int64Array

_REGULAR_SHARE: Final = 0.95
_REGULAR_WITHIN: Final = 0.25
_REGULAR_GAP: Final = 1.5
_NOMINAL_WITHIN: Final = 0.005
_OUTAGE: Final = 4.0
_MOSTLY: Final = 0.8
_SHORT_SHARE: Final = 0.1
_OUTAGE_PERIODS: Final = 20.0
_SPARSEST: Final = 3.0
CORRECTION_S: Final = 0.1
_LONGEST: Final = 1e9
_LEAST_STAMPS: Final = 3


@dataclass(frozen=True, slots=True)
class Timeline:
    """Times and indices of samples, in order."""

    t: Float64Array
    """(n,) seconds, never decreasing."""
    sample: Int64Array
    """(n,) index of each sample; it jumps over gaps."""
    rate_hz: float
    breaks: Int64Array | None
    """Rows before which the recorded time went back; later times are shifted to continue from there."""
    regular: bool
    """Whether times are equally spaced; otherwise they are arrival times, in bursts."""


def from_times(t: Float64Array, rate_hz: float | None, outage_s: float) -> Timeline:
    """Find rate and gaps in the times of samples.

    Args:
        t: (n,) seconds, n >= 1.
        rate_hz: nominal rate, or None to estimate it.
        outage_s: seconds that count as a gap where times are irregular; else one and a half periods do.

    Raises:
        ValueError: the rate is not given and cannot be estimated from `t`.
    """
    outage_s = max(outage_s, _REGULAR_GAP * _resolution(np.diff(t)))
    rate = rate_hz or estimate_rate(t, outage_s)
    t, breaks = ascending(t, 1.0 / rate)
    steps = np.diff(t) * rate
    regular = on_grid(steps)
    gap = steps > (_REGULAR_GAP if regular else outage_s * rate)
    jumps = np.where(gap, np.clip(np.rint(steps), 2, _LONGEST), 1).astype(np.int64)
    sample = np.concatenate(([0], np.cumsum(jumps)))
    return Timeline(t, sample, rate, breaks, regular)


def estimate_rate(t: Float64Array, outage_s: float) -> float:
    """Samples per second without outages, rounded to a whole number if within 0.5 % of one.

    Args:
        t: (n,) seconds.
        outage_s: seconds that count as a gap.

    Raises:
        ValueError: fewer than two times, or time does not advance.
    """
    steps = np.diff(t)
    steps = steps[steps >= 0]
    if not len(steps) or not steps.any():
        raise ValueError("time does not advance")
    if grid := _grid(steps):
        return _near_whole(1.0 / grid)
    median = float(np.median(steps))
    steady = steps[np.abs(steps - median) <= _REGULAR_WITHIN * median]
    if len(steady) < _MOSTLY * len(steps):
        steady = steps[steps <= max(outage_s, _OUTAGE * median)]
    return _near_whole(1.0 / float(steady.mean()) if steady.any() else _rate_of_bursts(steps))


def _rate_of_bursts(steps: Float64Array) -> float:
    """Samples per second from rise to rise, since the first and the last burst may be cut."""
    rises = np.flatnonzero(steps)
    if len(rises) < 2:
        return 1.0 / float(steps.mean())
    return float(rises[-1] - rises[0]) / float(steps[rises[0] + 1 :].sum())


def _resolution(steps: Float64Array) -> float:
    """Seconds between the stamps of a coarse clock, which many samples share; 0 if there is none."""
    rising = steps[steps > 0]
    if len(rising) < _LEAST_STAMPS or 2 * len(rising) > len(steps):
        return 0.0
    usual = float(np.median(rising))
    return usual if (np.abs(rising - usual) <= _REGULAR_WITHIN * usual).mean() >= _MOSTLY else 0.0


def on_grid(steps: Float64Array) -> bool:
    """Whether times lie on a grid, whatever share of its points is missing.

    Args:
        steps: (n,) differences of times in periods of the grid.
    """
    periods = np.rint(steps)
    on = (np.abs(steps - periods) < _REGULAR_WITHIN) & (periods >= 1)
    return bool(len(steps) == 0 or on.mean() >= _REGULAR_SHARE)


def _grid(steps: Float64Array) -> float | None:
    """The period, in seconds, of a grid with points missing that the steps (n,) lie on; None if there is none."""
    rising = steps[steps > 0]
    least = float(np.quantile(rising, _SHORT_SHARE))
    if least <= 0 or len(rising) < _REGULAR_SHARE * len(steps) or not on_grid(steps / least):
        return None
    if np.minimum(steps / least, _OUTAGE_PERIODS).mean() > _SPARSEST:
        return None  # Bursts: few of the points of so fine a grid are there.
    single = rising[np.abs(rising / least - 1.0) < _REGULAR_WITHIN]
    return float(single.mean())


def _near_whole(rate: float) -> float:
    near = round(rate)
    return float(near) if near and abs(rate - near) <= _NOMINAL_WITHIN * near else rate


def ascending(
    t: Float64Array, period: float, restarts: Int64Array | None = None
) -> tuple[Float64Array, Int64Array | None]:
    """Make times never decrease.

    At a small step back (up to 0.1 s: a clock that was corrected) the time is held; at a larger one (files joined
    end to end), and at any in the rows `restarts`, later times are shifted to one period after the last.

    Args:
        t: (n,) seconds.
        period: seconds from sample to sample.
        restarts: rows where the recording started again.

    Returns:
        The times (n,), and the rows where they were shifted, or None.
    """
    steps = np.diff(t)
    joins = np.flatnonzero(steps < -CORRECTION_S) + 1
    if restarts is not None and len(restarts):
        joins = np.union1d(joins, restarts[steps[restarts - 1] < 0])
    if len(joins):
        moved = np.zeros(len(t))
        moved[joins] = period - steps[joins - 1]
        t = t + np.cumsum(moved)
    if len(steps) and float(steps.min()) < 0:
        t = np.maximum.accumulate(t)
    return t, joins.astype(np.int64) if len(joins) else None
