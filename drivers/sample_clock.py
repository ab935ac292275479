"""Index and time of each sample, estimated from the arrival times of its bytes.

A radio delivers samples in notifications and bursts, late by a queueing delay that is never negative.
So true sample times lie on a line *under* the arrivals, and the line is fitted as a linear program:
below every arrival, as close to them as possible (Moon, Skelly, Towsley, "Estimation and removal of
clock skew from network delay measurements", INFOCOM 1999). The nominal rate is the prior of its slope.

The smallest delay of the link cannot be measured: times are those of the fastest delivery.

No library does this for a stream with losses (mne-lsl and liblsl smooth time stamps of complete streams), so it
is our own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Final

from drivers.clock_shift import shifted
from drivers.errors import DeviceLost

BIN_S: Final = 0.25
"""Seconds; of each such span only the earliest arrival takes part in the fit."""
BINS: Final = 120
"""Spans that the fit looks back on: 30 s."""
SETTLED_S: Final = 2.0
"""Seconds of arrivals before lateness counts as loss; before, it may as well be a slow crystal."""
PROOF_S: Final = 0.75
"""Seconds of lateness without an arrival on time after which samples count as lost rather than queued."""
PROOF_BURSTS: Final = 8
"""Late bursts that the same decision needs."""
BURST_S: Final = 0.002
"""Seconds between arrivals that belong to one burst."""
LATE: Final = 0.85
"""Fraction of the smallest possible loss that counts as late."""
AHEAD_S: Final = 2.0
"""Seconds by which times may run ahead of arrivals, besides those by which the first samples of a link were late."""
AHEAD: Final = 64
"""Samples by which they may run ahead at least, whatever their rate."""
RECENT: Final = 512
"""Arrivals from which the rate of samples that come too fast is measured."""
PACE: Final = 1.5
"""Times the rate at which samples come in a flood at least, whatever times they get."""
CREDIT_S: Final = 5.0
"""Seconds of samples that may have waited and come at once after a stall without being a flood."""
LEAST_S: Final = 1e-3
"""Seconds that a measurement of a rate takes at least."""
CHARACTERISTICS: Final = 4
"""Characteristics that carry EMG one after the other."""
TRUST: Final = 12
"""Notifications in order before their order is taken as evidence."""


class TooFast(DeviceLost):
    """Samples come faster than their rate allows, so that their times would run away into the future.

    Args:
        rate_hz: at which they come.
        nominal_hz: at which they should.
    """

    def __init__(self, rate_hz: float, nominal_hz: float) -> None:
        super().__init__(
            f"{rate_hz:.0f} samples a second come where {nominal_hz:g} were expected; check what sends them"
        )
        self.rate_hz, self.nominal_hz = rate_hz, nominal_hz


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where a run of consecutive samples belongs."""

    sample: int
    """Index of the first row."""
    t: float
    """Time of the first row, on the clock of the arrivals."""
    lost: int = 0
    """Samples taken to be lost just before."""
    gap: bool = False


class CharacteristicOrder:
    """The order of four characteristics that are used one after the other.

    A break in the order suggests lost notifications (how many, modulo four). It does not prove them, so it
    counts only after the order has been kept for a while.
    """

    def __init__(self) -> None:
        self._expected: int | None = None
        self._in_order = 0

    @property
    def trusted(self) -> bool:
        """Whether the order has been kept for long enough."""
        return self._in_order >= TRUST

    def missing(self, characteristic_index: int) -> int:
        """Notifications missing before this one, modulo four; 0 while the order is not trusted."""
        missing = 0 if self._expected is None else (characteristic_index - self._expected) % CHARACTERISTICS
        trusted = self.trusted
        self._expected = (characteristic_index + 1) % CHARACTERISTICS
        if missing:
            self._in_order = self._in_order - TRUST // 2 if trusted else 0
        self._in_order = min(self._in_order + 1, 2 * TRUST)
        return missing if trusted else 0

    def restart(self) -> None:
        """Start anew on a new link, where any characteristic may be first."""
        self._expected, self._in_order = None, 0


class _ArrivalFit:
    """The line of sample times: `offset + period * index`, at or below every arrival."""

    def __init__(self, period: float, tolerance: float) -> None:
        self.period = period
        self._nominal = period
        self._prior = period
        self._tolerance = tolerance
        self._stiffness_s = 0.3
        self._anchor: tuple[int, float] | None = None
        self._bins: deque[tuple[int, float]] = deque(maxlen=BINS)
        self._bin_end = 0.0

    @property
    def started(self) -> bool:
        return self._anchor is not None

    @property
    def baseline_s(self) -> float:
        return (self._bins[-1][0] - self._bins[0][0]) * self._nominal if self._bins else 0.0

    def at(self, index: int) -> float:
        assert self._anchor is not None
        return self._anchor[1] + (index - self._anchor[0]) * self.period

    def begin(self, index: int, arrival: float) -> None:
        """Start anew on a new link, which has other delays and the same crystal."""
        if self.baseline_s >= SETTLED_S:
            self._prior, self._stiffness_s = self.period, 2.0
        self._bins.clear()
        self._bins.append((index, arrival))
        self._anchor = (index, arrival)
        self._bin_end = arrival + BIN_S

    def add(self, index: int, arrival: float) -> None:
        if arrival < self.at(index):
            self._anchor = (index, arrival)
        if arrival >= self._bin_end:
            self._fit()
            self._bins.append((index, arrival))
            self._bin_end = arrival + BIN_S
            return
        lowest, at = self._bins[-1]
        if arrival - at < (index - lowest) * self.period:
            self._bins[-1] = (index, arrival)

    def shift(self, seconds: float) -> None:
        """Move it: the clock of the arrivals was anchored anew."""
        if self._anchor is not None:
            self._anchor = (self._anchor[0], self._anchor[1] + seconds)
        self._bins = deque(((index, arrival + seconds) for index, arrival in self._bins), maxlen=BINS)
        self._bin_end += seconds

    def drop_since(self, arrival: float) -> None:
        """Leave out what arrived from then on: its indices were wrong."""
        while len(self._bins) > 1 and self._bins[-1][1] >= arrival:
            self._bins.pop()

    def _fit(self) -> None:
        baseline = self.baseline_s
        if baseline <= 0.0:
            return
        weight = baseline**2 / (baseline**2 + self._stiffness_s**2)
        period = self._prior + (_slope_below(self._bins) - self._prior) * weight
        limit = self._nominal * self._tolerance
        self.period = min(max(period, self._nominal - limit), self._nominal + limit)
        self._anchor = min(self._bins, key=lambda point: point[1] - (point[0] - self._bins[0][0]) * self.period)


def _slope_below(points: deque[tuple[int, float]]) -> float:
    """Slope of the line below all points with the least sum of distances: the hull's edge at the mean."""
    hull: list[tuple[int, float]] = []
    for point in points:
        while len(hull) > 1 and _above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    mean = sum(x for x, _ in points) / len(points)
    for (x0, y0), (x1, y1) in pairwise(hull):
        if x1 >= mean:
            return (y1 - y0) / (x1 - x0)
    raise AssertionError("the mean lies within the hull")


def _above(a: tuple[int, float], b: tuple[int, float], c: tuple[int, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


@dataclass(slots=True)
class _Lateness:
    """A time in which everything arrives late, seconds."""

    since: float
    least: float
    latest: float
    bursts: int = 1


class SampleClock:
    """Index and time of every sample of one device, across its reconnects.

    Args:
        rate_hz: nominal rate, samples per second.
        loss_unit: samples that are lost together: those of a notification, or the range of a device's own
            counter (256 where it has 8 bits), which cannot show a loss of so many.
        tolerance: how far the true rate may be off, as a fraction.
        shifted: seconds by which the clock of the arrivals was anchored anew so far.

    Raises:
        ValueError: the rate or the loss unit is not positive.
    """

    def __init__(
        self, rate_hz: float, *, loss_unit: int, tolerance: float = 0.03, shifted: Callable[[], float] = shifted
    ) -> None:
        if not rate_hz > 0 or loss_unit < 1:
            raise ValueError(f"rate_hz and loss_unit must be positive, got {rate_hz} and {loss_unit}")
        self.lost = 0
        self._nominal_hz, self._tolerance = rate_hz, tolerance
        self._arrival_fit = _ArrivalFit(1.0 / rate_hz, tolerance)
        self._order = CharacteristicOrder()
        self._loss_unit = loss_unit
        self._missing_notifications = 0
        self._next = 0
        self._last_t = float("-inf")
        self._late: _Lateness | None = None
        self._new_link = True
        self._shifted, self._shifted_s = shifted, shifted()
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._opened: float | None = None
        self._late_start_s = CREDIT_S
        """Seconds that the first samples of this link may have been late."""
        self._excess = 0.0
        """Samples that have come beyond `PACE` times the rate; negative after a stall."""

    @property
    def rate_hz(self) -> float:
        """The fitted rate."""
        return 1.0 / self._arrival_fit.period

    def ahead_s(self, arrival: float) -> float:
        """Seconds by which the newest time is later than this; samples left out for so long let it catch up."""
        return max(0.0, self._last_t - arrival)

    def restart(self, opened: float | None = None) -> None:
        """Start anew on a new link: the next samples come after a gap, as long as the silence was.

        Args:
            opened: when the device was told to send, on the clock of the arrivals; None: not known. What arrives late
                at first, and then all at once, is no flood.
        """
        self._new_link, self._opened = True, opened

    def change_rate(self, rate_hz: float, *, loss_unit: int) -> None:
        """Go on with another nominal rate: indices continue, and times go on from the next arrival."""
        self._nominal_hz, self._loss_unit = rate_hz, loss_unit
        self._arrival_fit = _ArrivalFit(1.0 / rate_hz, self._tolerance)
        self._new_link = True

    def stamp(self, count: int, arrival: float, *, lost: int = 0, characteristic_index: int | None = None) -> Stamp:
        """Index and time of `count` consecutive samples that arrived together.

        Args:
            count: samples, at least 1.
            arrival: seconds; must never step back.
            lost: samples missing before these according to the device's own counter.
            characteristic_index: which of the four characteristics carried them (0..3), where there are four.

        Raises:
            TooFast: they come faster than the rate allows; on a new link (`restart`) it goes on.
        """
        if self._shifted() != self._shifted_s:
            self._follow_clock()
        if self._new_link:
            return self._first(count, arrival, characteristic_index)
        if characteristic_index is not None:
            missing = self._missing_notifications + self._order.missing(characteristic_index)
            self._missing_notifications = missing % CHARACTERISTICS if self._order.trusted else 0
        return self._stamp(count, arrival, lost + self._estimate(count, arrival, lost))

    def _follow_clock(self) -> None:
        """Move with a clock that was anchored anew: a new stretch begins, and nothing counts as lost for it."""
        moved_s, self._shifted_s = self._shifted() - self._shifted_s, self._shifted()
        self._arrival_fit.shift(moved_s)
        self._recent.clear()
        self._new_link = True

    def _first(self, count: int, arrival: float, characteristic_index: int | None) -> Stamp:
        self._new_link, self._late, self._missing_notifications = False, None, 0
        self._recent.clear()
        self._late_start_s = CREDIT_S if self._opened is None else min(max(0.0, arrival - self._opened), CREDIT_S)
        self._excess = -self._late_start_s * self._nominal_hz - count
        self._order.restart()
        if characteristic_index is not None:
            self._order.missing(characteristic_index)
        resumed = self._arrival_fit.started
        lost = self._silence(count, arrival) if resumed else 0
        self._arrival_fit.begin(self._next + lost + count - 1, arrival)
        stamp = self._stamp(count, arrival, lost)
        return Stamp(stamp.sample, stamp.t, stamp.lost, gap=resumed)

    def _silence(self, count: int, arrival: float) -> int:
        expected = self._arrival_fit.at(self._next + count - 1)
        return max(0, ceil((arrival - expected) / self._arrival_fit.period - 0.5))

    def _stamp(self, count: int, arrival: float, lost: int) -> Stamp:
        sample = self._next + lost
        flooded = self._floods(count, arrival)
        self._recent.append((sample, arrival))
        self._arrival_fit.add(sample + count - 1, arrival)
        self._next = sample + count
        self.lost += lost
        t = self._never_back(self._arrival_fit.at(sample), count, arrival, lost)
        last_t = t + (count - 1) * self._arrival_fit.period
        if flooded or last_t > arrival + max(AHEAD_S + self._late_start_s, AHEAD * self._arrival_fit.period):
            raise self._too_fast(arrival)
        self._last_t = last_t
        return Stamp(sample, t, lost, gap=lost > 0)

    def _floods(self, count: int, arrival: float) -> bool:
        """Whether more samples have come than `PACE` times the rate and the stall before them explain."""
        waited = arrival - self._recent[-1][1] if self._recent else 0.0
        self._excess = max(self._excess - PACE * self._nominal_hz * waited, -CREDIT_S * self._nominal_hz) + count
        return self._excess > max(AHEAD_S * self._nominal_hz, AHEAD)

    def _too_fast(self, arrival: float) -> TooFast:
        """Forget the line that such samples made, and tell."""
        enough = self._next - AHEAD_S * self._nominal_hz
        sample, since = next((point for point in reversed(self._recent) if point[0] <= enough), self._recent[0])
        rate_hz = (self._next - sample) / max(arrival - since, LEAST_S)
        self._arrival_fit = _ArrivalFit(1.0 / self._nominal_hz, self._tolerance)
        self._arrival_fit.begin(self._next - 1, arrival)
        return TooFast(rate_hz, self._nominal_hz)

    def _never_back(self, t: float, count: int, arrival: float, lost: int) -> float:
        """A corrected line may lie before times already given: go on slowly until it catches up."""
        period = self._arrival_fit.period
        slowest = self._last_t + 0.25 * period * (lost + 1)
        if t >= slowest:
            return t
        return max(min(slowest, arrival - (count - 1) * period), self._last_t)

    def _estimate(self, count: int, arrival: float, reported: int) -> int:
        """Samples lost before these, besides those that the device reported.

        The order of characteristics gives the number of missing notifications, modulo four; lateness confirms
        it at once, and gives the rest of the number when it lasts.
        """
        unit_s = self._loss_unit * self._arrival_fit.period
        late = arrival - self._arrival_fit.at(self._next + reported + count - 1)
        missing = self._missing_notifications
        if missing and missing - 0.25 <= late / unit_s < missing + CHARACTERISTICS - 0.25:
            units = missing
        else:
            units = self._units_proved_lost(late, arrival, unit_s)
        if units:
            self._missing_notifications, self._late = 0, None
        return units * self._loss_unit

    def _units_proved_lost(self, late: float, arrival: float, unit_s: float) -> int:
        missing = self._missing_notifications
        step = CHARACTERISTICS if self._order.trusted else 1
        if late < LATE * unit_s * (missing or step) or self._arrival_fit.baseline_s < SETTLED_S:
            self._late = None
            return 0
        lateness = self._lateness(late, arrival)
        if lateness.bursts < PROOF_BURSTS or arrival - lateness.since < PROOF_S:
            return 0
        self._arrival_fit.drop_since(lateness.since)
        more = round((lateness.least / unit_s - missing) / step)
        return missing + step * max(more, 0 if missing else 1)

    def _lateness(self, late: float, arrival: float) -> _Lateness:
        """The lateness that lasts until now, with this arrival."""
        lateness = self._late
        if lateness is None:
            lateness = self._late = _Lateness(arrival, late, arrival)
        lateness.bursts += arrival - lateness.latest > BURST_S
        lateness.least = min(lateness.least, late)
        lateness.latest = arrival
        return lateness
