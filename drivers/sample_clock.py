"""When each sample was taken, rebuilt from when its bytes arrived.

A radio delivers samples in notifications and bursts: late by a queueing delay that is never negative.
So true sample times lie on a line *under* the arrivals, and the line is fitted as a linear program:
below every arrival, as close to them as possible (Moon, Skelly, Towsley, "Estimation and removal of
clock skew from network delay measurements", INFOCOM 1999). The nominal rate is the prior of its slope.

What cannot be seen is the smallest delay of the link: times are those of the fastest delivery.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Final

BIN_S: Final = 0.25
"""Only the earliest arrival of each such span takes part in the fit."""
BINS: Final = 120
SETTLED_S: Final = 2.0
"""Baseline below which a late arrival may as well be a slow crystal: it proves no loss."""
PROOF_S: Final = 0.75
"""Samples that stay late for so long are not queued somewhere: samples before them are lost."""
PROOF_BURSTS: Final = 8
BURST_S: Final = 0.002
LATE: Final = 0.85
"""Fraction of the smallest possible loss that counts as late."""
TURNS: Final = 4
TRUST: Final = 12
"""Turns in order before the rotation is believed."""


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


class Rotation:
    """Whose turn it is among four characteristics that are used one after the other.

    A broken rotation hints at lost notifications (how many, modulo four); it is no proof, so it is
    believed only after it has been kept for a while.
    """

    def __init__(self) -> None:
        self.breaks = 0
        self._next: int | None = None
        self._kept = 0

    @property
    def trusted(self) -> bool:
        return self._kept >= TRUST

    def missing(self, turn: int) -> int:
        """Notifications missing before this one, modulo four; 0 while the rotation is not trusted."""
        missing = 0 if self._next is None else (turn - self._next) % TURNS
        trusted = self.trusted
        self._next = (turn + 1) % TURNS
        if missing:
            self.breaks += 1
            self._kept = self._kept - TRUST // 2 if trusted else 0
        self._kept = min(self._kept + 1, 2 * TRUST)
        return missing if trusted else 0

    def forget(self) -> None:
        """The link is new: the next turn may be any."""
        self._next, self._kept = None, 0


class _Line:
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
        """A new link: other delays, the same crystal."""
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

    def drop_since(self, arrival: float) -> None:
        """Forget what arrived from then on: it was counted wrongly."""
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
    """A spell in which everything is late."""

    since: float
    least: float
    latest: float
    bursts: int = 1


class SampleClock:
    """Index and time of every sample of one device, across its reconnects.

    Args:
        rate_hz: nominal rate, samples per second.
        quantum: samples that are lost together: those of a notification, or what a device's own
            counter cannot tell apart (256 where it has 8 bits).
        tolerance: how far the true rate may be off, as a fraction.
        least_s: lateness below it never counts as loss (links that deliver in coarse lumps).

    Raises:
        ValueError: the rate or the quantum is not positive.
    """

    def __init__(self, rate_hz: float, *, quantum: int, tolerance: float = 0.03, least_s: float = 0.0) -> None:
        if not rate_hz > 0 or quantum < 1:
            raise ValueError(f"rate_hz and quantum must be positive, got {rate_hz} and {quantum}")
        self.lost = 0
        self._line = _Line(1.0 / rate_hz, tolerance)
        self._rotation = Rotation()
        self._quantum = quantum
        self._least_s = least_s
        self._owed = 0
        self._next = 0
        self._last_t = float("-inf")
        self._late: _Lateness | None = None
        self._new_link = True

    @property
    def rate_hz(self) -> float:
        """The fitted rate."""
        return 1.0 / self._line.period

    @property
    def rotation_breaks(self) -> int:
        return self._rotation.breaks

    def restart(self) -> None:
        """The link is gone: what comes next comes after a gap, as long as the silence was."""
        self._new_link = True

    def stamp(self, count: int, arrival: float, *, lost: int = 0, turn: int | None = None) -> Stamp:
        """Index and time of `count` consecutive samples that arrived together.

        Args:
            count: samples, at least 1.
            arrival: seconds; must never step back.
            lost: samples that the device's own counter says are missing before these.
            turn: which of the four characteristics brought them (0..3), where there are four.
        """
        if self._new_link:
            return self._first(count, arrival, turn)
        if turn is not None:
            missing = self._rotation.missing(turn)
            self._owed = (self._owed + missing) % TURNS if self._rotation.trusted else 0
        return self._place(count, arrival, lost + self._estimate(count, arrival, lost))

    def _first(self, count: int, arrival: float, turn: int | None) -> Stamp:
        self._new_link, self._late, self._owed = False, None, 0
        self._rotation.forget()
        if turn is not None:
            self._rotation.missing(turn)
        resumed = self._line.started
        lost = self._silence(count, arrival) if resumed else 0
        self._line.begin(self._next + lost + count - 1, arrival)
        stamp = self._place(count, arrival, lost)
        return Stamp(stamp.sample, stamp.t, stamp.lost, gap=resumed)

    def _silence(self, count: int, arrival: float) -> int:
        expected = self._line.at(self._next + count - 1)
        return max(0, ceil((arrival - expected) / self._line.period - 0.5))

    def _place(self, count: int, arrival: float, lost: int) -> Stamp:
        sample = self._next + lost
        self._line.add(sample + count - 1, arrival)
        self._next = sample + count
        self.lost += lost
        t = self._never_back(self._line.at(sample), count, arrival, lost)
        self._last_t = t + (count - 1) * self._line.period
        return Stamp(sample, t, lost, gap=lost > 0)

    def _never_back(self, t: float, count: int, arrival: float, lost: int) -> float:
        """A corrected line may lie before times already given: go on slowly until it catches up."""
        period = self._line.period
        slowest = self._last_t + 0.25 * period * (lost + 1)
        if t >= slowest:
            return t
        return max(min(slowest, arrival - (count - 1) * period), self._last_t)

    def _estimate(self, count: int, arrival: float, told: int) -> int:
        """Samples lost before these, besides those told of.

        The rotation says how many notifications, modulo four; lateness says that they are missing indeed
        (at once), and how many more (when it stays).
        """
        quantum_s = self._quantum * self._line.period
        late = arrival - self._line.at(self._next + told + count - 1)
        if self._owed and self._owed - 0.25 <= late / quantum_s < self._owed + TURNS - 0.25:
            quanta = self._owed
        else:
            quanta = self._proof(late, arrival, quantum_s)
        if quanta:
            self._owed, self._late = 0, None
        return quanta * self._quantum

    def _proof(self, late: float, arrival: float, quantum_s: float) -> int:
        step = TURNS if self._rotation.trusted else 1
        least_s = max(LATE * quantum_s * (self._owed or step), self._least_s)
        if late < least_s or self._line.baseline_s < SETTLED_S:
            self._late = None
            return 0
        spell = self._note(late, arrival)
        if spell.bursts < PROOF_BURSTS or arrival - spell.since < PROOF_S:
            return 0
        self._line.drop_since(spell.since)
        more = round((spell.least / quantum_s - self._owed) / step)
        return self._owed + step * max(more, 0 if self._owed else 1)

    def _note(self, late: float, arrival: float) -> _Lateness:
        spell = self._late
        if spell is None:
            spell = self._late = _Lateness(arrival, late, arrival)
        spell.bursts += arrival - spell.latest > BURST_S
        spell.least = min(spell.least, late)
        spell.latest = arrival
        return spell
