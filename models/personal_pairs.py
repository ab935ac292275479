"""Labels of one person beside what the network computes at their times: what `myocast calibrate` and a live fit share.

Labels are points or angles at moments of their own, and may come from another clock than the EMG. Rows are what the
network computes, so many a second. Both are brought together here, and summed up for the closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models.arrays import BoolArray, Float32Array, Float64Array
from models.kinematics import ANGLES
from models.label_lag import LagData
from models.personal import PersonalStatistics
from models.personal_labels import Labels
from models.recording import Recording

LATE_S: Final = 0.05
"""A label whose newest row is older than this has none: samples were lost there."""
SPEED_S: Final = 0.0501
"""Seconds before and after a label that tell how fast the hand moves."""
STILL: Final = 0.25
"""What a label of a still hand counts; that of a hand of usual speed counts half more, that of a fast one 1 more."""
ROUNDS: Final = 2
"""How often weights are told from a head that was found with the weights before."""
_TINY: Final = 1e-6


@dataclass(frozen=True, slots=True)
class PersonalSession:
    """One session's labels beside what the network computes."""

    name: str
    labels: Labels
    t: Float64Array
    """(n,) times of the rows below, in order."""
    x: Float32Array
    """(n, f) standardised features."""
    shipped: Float32Array
    """(n, 20) the network's angles, radians."""
    pose: Float32Array | None = None
    """(n, 21, 3) mm, the pose of the model as it is, where it is kept."""
    expected: Float32Array | None = None
    """(n,) errors that the shipped head expects; None where the model has no measure for its confidence."""
    heard: Recording | None = None
    """The EMG at the model's rate, by which it is told how late the labels are; None where that is known."""
    ahead_s: float = 0.0
    """How far ahead the model aims (`ModelSpec.ahead_s`): a row is learned with the label of so many seconds later."""

    def rows(self, t: Float64Array) -> npt.NDArray[np.intp]:
        """The newest row at each time, or -1 where there was no EMG at that time."""
        row = np.searchsorted(self.t, t + 1e-6) - 1
        late = t - self.t[np.maximum(row, 0)] > LATE_S
        return np.where((row < 0) | late, -1, row)

    def at(self, t: Float64Array) -> tuple[BoolArray, Float32Array, Float32Array]:
        """What the network computed at moments: between the rows before and after, linearly.

        Args:
            t: (m,) seconds.

        Returns:
            (m,) where there was EMG; and for those k moments (k, f) standardised features and (k, 20) shipped angles.
        """
        row = self.rows(t)
        known = row >= 0
        before = row[known]
        after = np.minimum(before + 1, len(self.t) - 1)
        step = self.t[after] - self.t[before]
        near = (step > 0) & (step <= LATE_S)
        share = np.where(near, (t[known] - self.t[before]) / np.where(near, step, 1.0), 0.0)
        weight = np.clip(share, 0.0, 1.0)[:, None].astype(np.float32)
        return (
            known,
            (1 - weight) * self.x[before] + weight * self.x[after],
            (1 - weight) * self.shipped[before] + weight * self.shipped[after],
        )


def lag_of(session: PersonalSession) -> float:
    """Seconds by which a session's labels are late (negative: early); 0 where that cannot be told.

    Args:
        session: with its EMG and labels, which may come from different clocks.
    """
    heard = session.heard
    if heard is None or not len(session.labels.t):
        return 0.0
    lag = LagData(heard.t, heard.emg, session.labels.t, session.labels.angles, heard.emg_mode).estimate()
    return 0.0 if lag is None else lag.seconds


def earlier(session: PersonalSession, seconds: float) -> PersonalSession:
    """The same session with its labels brought forward by their lag."""
    return replace(session, labels=replace(session.labels, t=session.labels.t - seconds))


def part_of(session: PersonalSession, start: float, stop: float) -> PersonalSession:
    """The labels between two shares of a session's time, from `start` on and before `stop`; 1 is after the last."""
    labels = session.labels
    if not len(labels.t):
        return session
    first, length = labels.t[0], labels.t[-1] - labels.t[0]
    share = (labels.t - first) / max(length, 1e-9)
    kept = (share >= start) & ((share < stop) | (stop >= 1.0))
    joints = None if labels.joints is None else labels.joints[kept]
    return replace(session, labels=Labels(labels.t[kept], labels.angles[kept], joints))


def statistics_of(sessions: Sequence[PersonalSession], head: Float32Array) -> PersonalStatistics:
    """Sums of all sessions for a fit on top of a head, all labels counting the same.

    Args:
        sessions: what is learned from.
        head: (f + 1, 20) of the model that is fitted further.
    """
    total = PersonalStatistics(len(head) - 1)
    for session in sessions:
        pairs = pairs_of(session, head)
        total.add(pairs.x, pairs.residual, rate_hz=session.labels.rate_hz)
    return total


@dataclass(frozen=True, slots=True)
class Pairs:
    """Labels beside what the network computed at their moments."""

    known: BoolArray
    """(m,) which of the session's labels have EMG; the n rows below are theirs."""
    x: Float32Array
    """(n, f) standardised features."""
    shipped: Float32Array
    """(n, 20) the network's angles, radians."""
    residual: Float32Array
    """(n, 20) label minus the angle of the model that is fitted further, radians; NaN where there is no label."""
    speed: Float64Array
    """(n,) mean speed of the labelled angles, radians a second; NaN where a label stands alone."""
    rate_hz: float


def pairs_of(session: PersonalSession, head: Float32Array) -> Pairs:
    """A session's labels beside what the network computed; `head` is that of the model that is fitted further."""
    labels = session.labels
    known, x, shipped = session.at(labels.t - session.ahead_s)
    residual = np.asarray(labels.angles[known] - (shipped + x @ head[:-1] + head[-1]), np.float32)
    return Pairs(known, x, shipped, residual, speed_of(labels)[known], labels.rate_hz)


def speed_of(labels: Labels) -> Float64Array:
    """(n,) mean speed of the labelled angles around each label, radians a second; NaN where it stands alone."""
    before = np.searchsorted(labels.t, labels.t - SPEED_S)
    after = np.searchsorted(labels.t, labels.t + SPEED_S, side="right") - 1
    apart = np.abs(labels.angles[after] - labels.angles[before]).astype(np.float64)
    count = np.isfinite(apart).sum(axis=1)
    took = labels.t[after] - labels.t[before]
    known = (count > 0) & (took > 0)
    mean = np.nansum(apart, axis=1) / np.maximum(count, 1)
    return np.where(known, mean / np.where(known, took, 1.0), np.nan)


@dataclass(frozen=True, slots=True)
class Weighting:
    """What each label counts.

    A hand that holds still says the same many times over, so labels of a moving one count more. What the head leaves
    far off says little about it (the label is wrong, or the movement is one that the arm does not show), so it counts
    less: as in a fit of absolute errors, but smooth.
    """

    usual_speed: float = 1.0
    """Radians a second."""
    usual_error: float = np.inf
    """Root mean square over the angles of a label, the median over labels, radians."""
    mean: float = 1.0
    """Of the weights before they are divided by it."""

    def weights(self, pairs: Pairs, found: Float32Array) -> Float64Array:
        """(n,) of labels, by how far a head leaves them off; `found` is added to that of the residuals."""
        return self._plain(pairs, found) / self.mean

    def _plain(self, pairs: Pairs, found: Float32Array | None) -> Float64Array:
        speed = np.where(np.isfinite(pairs.speed), pairs.speed, self.usual_speed)
        moving = STILL + speed / (self.usual_speed + speed)
        if found is None or not np.isfinite(self.usual_error):
            return np.asarray(moving, np.float64)
        return np.asarray(moving / np.sqrt(1.0 + (_left(pairs, found) / self.usual_error) ** 2), np.float64)

    @classmethod
    def of(cls, parts: Sequence[Pairs], found: Float32Array | None) -> Weighting:
        """The weighting that a set of labels asks for after a head was found, or None before the first."""
        speed = np.concatenate([pairs.speed for pairs in parts])
        usual = float(np.nanmean(speed)) if np.isfinite(speed).any() else 0.0
        some = cls(usual_speed=max(usual, _TINY))
        if found is not None:
            error = float(np.median(np.concatenate([_left(pairs, found) for pairs in parts])))
            some = replace(some, usual_error=max(error, _TINY))
        weights = np.concatenate([some._plain(pairs, found) for pairs in parts])
        return replace(some, mean=float(weights.mean()) if len(weights) else 1.0)


def _left(pairs: Pairs, found: Float32Array) -> Float64Array:
    """(n,) root mean square over the angles of what a head leaves of the residuals, radians."""
    square = np.asarray(pairs.residual - (pairs.x @ found[:-1] + found[-1]), np.float64) ** 2
    count = np.isfinite(square).sum(axis=1)
    return np.asarray(np.sqrt(np.nansum(square, axis=1) / np.maximum(count, 1)), np.float64)


def weighting_of(parts: Sequence[Pairs]) -> tuple[Weighting, Float32Array]:
    """The weighting of labels, and the head by which it is told; `add_weighted` with both gives the sums of the fit."""
    width = parts[0].x.shape[1]
    found = np.zeros((width + 1, len(ANGLES)), np.float32)
    weighting = Weighting.of(parts, None)
    for _ in range(ROUNDS):
        total = PersonalStatistics(width)
        for pairs in parts:
            add_weighted(total, pairs, weighting, found)
        found = total.solve()
        weighting = Weighting.of(parts, found)
    return weighting, found


def add_weighted(total: PersonalStatistics, pairs: Pairs, weighting: Weighting, found: Float32Array) -> None:
    """Add labels to sums with the weights that they have after a head was found."""
    total.add(pairs.x, pairs.residual, rate_hz=pairs.rate_hz, weight=weighting.weights(pairs, found))


def weighted_statistics_of(sessions: Sequence[PersonalSession], head: Float32Array) -> PersonalStatistics:
    """Sums of all sessions for the fit on top of a head; the arguments are those of `statistics_of`."""
    parts = [pairs for session in sessions if len((pairs := pairs_of(session, head)).x)]
    total = PersonalStatistics(len(head) - 1)
    if parts:
        weighting, found = weighting_of(parts)
        for pairs in parts:
            add_weighted(total, pairs, weighting, found)
    return total
