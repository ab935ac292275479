"""What one person's labels teach: the head, and how well it does on seconds that it has not seen.

Labels are treated as `myocast calibrate` treats those of a session: points that tremble are smoothed, their noise is
taken out of the bones' lengths. All of that is found anew each time a share of labels was added; in between, what is
new is summed up with what was found last. How late labels are is told from outside (`service.arm.live_labels`).
Nothing in it knows a clock, a thread or a socket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypedDict

import numpy as np
import numpy.typing as npt

from drivers.events import Label
from models.arrays import BoolArray, Float32Array
from models.hand import POINTS, Side, mirror
from models.kinematics import ANGLES, points
from models.label_lag import CLOCKS
from models.onnx_file import BONES, CONFIDENCE_PERSONAL, FEATURE_MEAN, FEATURE_SCALE, PERSONAL
from models.personal import PersonalStatistics, apply, standardise
from models.personal_confidence import confidence_weights
from models.personal_labels import NEIGHBOURS, Labels, angles_of, bones_of, trembles
from models.personal_pairs import (
    Pairs,
    PersonalSession,
    Weighting,
    add_weighted,
    pairs_of,
    weighting_of,
)
from models.spec import ModelError
from service.engine.pose import Hidden

BLOCK_S: Final = 2.0
"""Seconds of labels that are held back or learned from together."""
EVERY: Final = 5
"""One block of so many is held back."""
MAX_HELD: Final = 2000
"""Labels that are evaluated, at most."""
GROWTH: Final = 1.15
"""Weights, trembling and bones are found anew when there are so many times the labels of the last time."""
CONFIDENCE_GROWTH: Final = 1.5
"""The same for what the confidence goes by, which takes longer to find and changes less."""
WAIT_S: Final = -CLOCKS.least_s + 0.1
"""Seconds of EMG after a label that there must be before it is learned from, so that it can turn out to be early."""
SAME_S: Final = 0.005
"""A lag of labels that changes by less is the same."""
ROWS_HZ: Final = 100.0
"""Rows a second that are kept at most."""
MAX_ROWS: Final = 60_000
"""Rows that are kept, 70 MB of the shipped models: of what is older, the sums."""


class Error(TypedDict):
    """How far poses are from the labels."""

    angle_mae_deg: float | None
    """Mean over the labelled angles, degrees."""
    mpjpe_mm: float | None
    """Mean distance of the 21 points, where there are points."""


def unknown() -> Error:
    """The error before any label was held back."""
    return {"angle_mae_deg": None, "mpjpe_mm": None}


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What the network computed at one moment."""

    t: float
    hidden: Hidden


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One label, of a right hand."""

    t: float
    angles: Float32Array
    """(20,) radians, NaN where there is no label, or where points tell them."""
    joints: Float32Array | None
    """(21, 3) mm."""


def target(label: Label, worn: Side) -> Target:
    """A label as of a right hand; `worn` is the hand that its points belong to."""
    known = np.full(len(ANGLES), np.nan, np.float32)
    if label.joints is None:
        for name, degrees in label.angles.items():
            known[ANGLES.index(name)] = np.deg2rad(degrees)
        return Target(label.t, known, None)
    right = label.joints if worn == "right" else mirror(label.joints)
    return Target(label.t, known, right.reshape(POINTS, 3))


class Growing:
    """An array (n, ...) that rows are added to at its end."""

    def __init__(self, *shape: int, dtype: npt.DTypeLike = np.float32) -> None:
        self._data = np.zeros((1024, *shape), dtype)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    @property
    def rows(self) -> npt.NDArray[Any]:
        """All rows; valid until the next are added."""
        return self._data[: self._n]

    def add(self, rows: npt.ArrayLike) -> None:
        more = np.asarray(rows)
        while self._n + len(more) > len(self._data):
            self._data = np.concatenate([self._data, np.zeros_like(self._data)])
        self._data[self._n : self._n + len(more)] = more
        self._n += len(more)

    def drop(self, kept: BoolArray) -> None:
        """Keep only some of the rows."""
        left = self.rows[kept]
        self._data[: len(left)], self._n = left, len(left)


@dataclass(slots=True)
class _FoundHead:
    """What was found of the labels up to a moment."""

    labels: int = 0
    """How many there were."""
    until: float = -np.inf
    """Time of the newest of them."""
    smoothed: bool = False
    weighting: Weighting = field(default_factory=Weighting)
    head: Float32Array | None = None
    """By which the weights are told; None: labels count the same."""


@dataclass(slots=True)
class _ScoredHead:
    """Labels that are held back, beside what the network computed at their moments."""

    x: Float32Array
    shipped: Float32Array
    angles: Float32Array
    joints: Float32Array
    """(n, 21, 3) mm, NaN where there are none."""

    def __add__(self, other: _ScoredHead) -> _ScoredHead:
        both = ((getattr(self, key), getattr(other, key)) for key in ("x", "shipped", "angles", "joints"))
        return _ScoredHead(*map(np.concatenate, both))

    def newest(self, n: int) -> _ScoredHead:
        return _ScoredHead(self.x[-n:], self.shipped[-n:], self.angles[-n:], self.joints[-n:])


@dataclass(slots=True)
class _Summed:
    """A part of the labels: sums of what is learned from, sums of what is held back, and that itself."""

    learned: PersonalStatistics
    held: PersonalStatistics
    judged: _ScoredHead

    def __add__(self, other: _Summed) -> _Summed:
        learned, held = PersonalStatistics(self.learned.features), PersonalStatistics(self.learned.features)
        for part in (self, other):
            learned.merge(part.learned)
            held.merge(part.held)
        return _Summed(learned, held, self.judged + other.judged)


class PersonalFit:
    """The head that a person's labels give, on top of the one that the model file has.

    Args:
        values: initializers of the model file by name.
        ahead_s: how far ahead the model aims.
    """

    def __init__(self, values: Mapping[str, Float32Array], ahead_s: float = 0.0) -> None:
        for key in (FEATURE_MEAN, FEATURE_SCALE, PERSONAL, BONES):
            if key not in values:
                raise ModelError(f"the model has no `{key}` initializer to learn with; export it again")
        self.values, self._ahead_s = values, ahead_s
        self.seconds = 0.0
        """Seconds of labels so far."""
        self.labels = 0
        self.before: Error = unknown()
        self.after: Error = unknown()
        self.head: Float32Array | None = None
        """(features + 1, 20) from all labels; None before the first."""
        self.bones: Float32Array | None = None
        """(20,) mm, of the labels' hand; None where none had points."""
        self.confidence: Float32Array | None = None
        """(features + 2, 1), what the confidence goes by; None where there is no measure, or not yet."""
        self._width = len(values[FEATURE_MEAN])
        self._t, self._x, self._shipped = Growing(dtype=np.float64), Growing(self._width), Growing(len(ANGLES))
        self._expected, self._measured_labels = Growing(), 0
        self._label_t, self._angles = Growing(dtype=np.float64), Growing(len(ANGLES))
        self._joints = Growing(POINTS, 3)
        self._waiting: list[Target] = []
        self._late_s = 0.0
        self._found = _FoundHead()
        self._past, self._summed = self._nothing(), self._nothing()

    def learn(self, rows: Sequence[Row], targets: Sequence[Target], *, late_s: float = 0.0, last: bool = False) -> None:
        """Add what the network computed and labels, and solve and evaluate again.

        Args:
            rows: in the order of time, after those of earlier calls.
            targets: labels; those after which there are not enough rows yet wait for the next call.
            late_s: seconds by which all labels are late, as far as that is known.
            last: no rows come after these: no label waits, and weights, trembling and bones are found anew.
        """
        if abs(late_s - self._late_s) > SAME_S:
            self._late_s = late_s
            self._found = replace(self._found, labels=0)
        self._add_rows(rows)
        self._waiting += targets
        ready = self._take_ready(last)
        self._add_targets(ready)
        if not len(self._label_t) or not len(self._t) or not (ready or last):
            return
        session = self._session()
        new = self._nothing()
        if last or len(self._label_t) >= GROWTH * self._found.labels:
            self._find(session)
            self._find_confidence(session, last)
            self._summed = self._sum(session, 0)
        else:
            new = self._sum(session, int(np.searchsorted(session.labels.t, self._found.until, side="right")))
        total = self._past + self._summed + new
        everything = PersonalStatistics(self._width)
        everything.merge(total.learned)
        everything.merge(total.held)
        self.labels, self.seconds = everything.rows, everything.seconds
        if everything.rows:
            self.head = self.values[PERSONAL] + everything.solve()
            self._evaluate(total)
        if len(self._t) > MAX_ROWS:
            self._fold(session)

    def _add_rows(self, rows: Sequence[Row]) -> None:
        kept, newest = [], float(self._t.rows[-1]) if len(self._t) else -np.inf
        for row in rows:
            if row.t - newest >= 0.9 / ROWS_HZ:
                kept.append(row)
                newest = row.t
        if kept:
            features = np.stack([row.hidden.features for row in kept])
            self._t.add([row.t for row in kept])
            self._x.add(standardise(features, self.values[FEATURE_MEAN], self.values[FEATURE_SCALE]))
            self._shipped.add(np.stack([row.hidden.angles for row in kept]))
            self._expected.add([np.nan if row.hidden.expected is None else row.hidden.expected for row in kept])

    def _take_ready(self, last: bool) -> list[Target]:
        """Labels with enough rows after them."""
        until = np.inf if last else (float(self._t.rows[-1]) if len(self._t) else -np.inf) - WAIT_S
        until += self._late_s
        ready = [one for one in self._waiting if one.t <= until]
        self._waiting = [one for one in self._waiting if one.t > until]
        return ready

    def _add_targets(self, targets: Sequence[Target]) -> None:
        if targets:
            nothing = np.full((POINTS, 3), np.nan, np.float32)
            self._label_t.add([one.t for one in targets])
            self._angles.add(np.stack([one.angles for one in targets]))
            self._joints.add(np.stack([nothing if one.joints is None else one.joints for one in targets]))

    def _session(self) -> PersonalSession:
        """Everything that is kept, with labels as they came, in the order of time."""
        order = np.argsort(self._label_t.rows, kind="stable")
        t = self._label_t.rows[order] - self._late_s
        labels = Labels(t, self._angles.rows[order], self._joints.rows[order])
        told = self._expected.rows
        measured = CONFIDENCE_PERSONAL in self.values and bool(np.isfinite(told).all())
        return PersonalSession(
            "live",
            labels,
            self._t.rows,
            self._x.rows,
            self._shipped.rows,
            expected=told if measured else None,
            ahead_s=self._ahead_s,
        )

    def _find(self, session: PersonalSession) -> None:
        """Find anew whether labels tremble, what they count, and the bones."""
        labels = session.labels
        assert labels.joints is not None
        seen = np.isfinite(labels.joints).all(axis=(1, 2))
        smoothed = bool(seen.any()) and trembles(labels.t[seen], labels.joints[seen])
        self.bones = bones_of(labels) if seen.any() else self.bones
        bent = replace(session, labels=_with_angles(labels, smoothed))
        self._found = _FoundHead(len(labels.t), float(labels.t[-1]), smoothed)
        pairs = pairs_of(bent, self.values[PERSONAL])
        if len(pairs.x):
            self._found.weighting, self._found.head = weighting_of([pairs])

    def _find_confidence(self, session: PersonalSession, last: bool) -> None:
        """Find what the confidence goes by, from the labels that are kept."""
        labels = len(session.labels.t)
        if session.expected is None or not (last or labels >= CONFIDENCE_GROWTH * self._measured_labels):
            return
        self._measured_labels = labels
        bent = replace(session, labels=_with_angles(session.labels, self._found.smoothed))
        self.confidence = confidence_weights([bent], self.values[PERSONAL])

    def _sum(self, session: PersonalSession, first: int, until: float = np.inf) -> _Summed:
        """Sum up the labels from number `first` on and before a moment."""
        # Those before them are there to be averaged with.
        before = max(first - NEIGHBOURS, 0)
        stop = int(np.searchsorted(session.labels.t, until))
        labels = _with_angles(_part(session.labels, before, stop), self._found.smoothed)
        if first >= stop:
            return self._nothing()
        pairs = pairs_of(replace(session, labels=labels), self.values[PERSONAL])
        mine = np.arange(len(labels.t)) >= first - before
        held = (labels.t // BLOCK_S).astype(int) % EVERY == EVERY - 1
        found = self._nothing()
        rate_hz, reference = session.labels.rate_hz, self._found.head
        for statistics, chosen in ((found.learned, mine & ~held), (found.held, mine & held)):
            some = replace(_some(pairs, chosen[pairs.known]), rate_hz=rate_hz)
            if reference is not None:
                add_weighted(statistics, some, self._found.weighting, reference)
        assert labels.joints is not None
        judged = mine & held & pairs.known
        rows = (mine & held)[pairs.known]
        found.judged = _ScoredHead(pairs.x[rows], pairs.shipped[rows], labels.angles[judged], labels.joints[judged])
        return found

    def _nothing(self) -> _Summed:
        width = self._width
        empty = _ScoredHead(
            np.zeros((0, width), np.float32),
            np.zeros((0, len(ANGLES)), np.float32),
            np.zeros((0, len(ANGLES)), np.float32),
            np.zeros((0, POINTS, 3), np.float32),
        )
        return _Summed(PersonalStatistics(width), PersonalStatistics(width), empty)

    def _fold(self, session: PersonalSession) -> None:
        """Keep of the older half only its sums."""
        middle = float(self._t.rows[len(self._t) // 2])
        self._past = self._past + self._sum(session, 0, middle)
        kept = self._label_t.rows - self._late_s >= middle
        for array in (self._label_t, self._angles, self._joints):
            array.drop(kept)
        recent = self._t.rows >= middle - CLOCKS.most_s - WAIT_S
        for array in (self._t, self._x, self._shipped, self._expected):
            array.drop(recent)
        # The next labels are summed up with all that is left.
        self._found, self._measured_labels = replace(self._found, labels=0), 0

    def _evaluate(self, total: _Summed) -> None:
        """Compare with the seconds held back: as it was, and as learned from the others."""
        if not len(total.judged.x):
            return
        judged = total.judged.newest(MAX_HELD)
        base, file_bones = self.values[PERSONAL], self.values[BONES]
        self.before = _error(judged, base, file_bones)
        self.after = _error(judged, base + total.learned.solve(), file_bones if self.bones is None else self.bones)


def _with_angles(labels: Labels, smoothed: bool) -> Labels:
    """Labels with the angles of their points."""
    assert labels.joints is not None
    bent = angles_of(labels.t, labels.joints, smoothed=smoothed)
    return replace(labels, angles=np.where(np.isfinite(bent), bent, labels.angles))


def _some(pairs: Pairs, chosen: BoolArray) -> Pairs:
    """Some of the labels that have EMG."""
    return replace(
        pairs,
        x=pairs.x[chosen],
        shipped=pairs.shipped[chosen],
        residual=pairs.residual[chosen],
        speed=pairs.speed[chosen],
    )


def _part(labels: Labels, first: int, stop: int) -> Labels:
    joints = None if labels.joints is None else labels.joints[first:stop]
    return Labels(labels.t[first:stop], labels.angles[first:stop], joints)


def _error(judged: _ScoredHead, head: Float32Array, bones: Float32Array) -> Error:
    given = apply(judged.x, judged.shipped, head)
    with_points = np.isfinite(judged.joints).all(axis=(1, 2))
    apart = np.abs(given - judged.angles)
    angle = float(np.rad2deg(np.nanmean(apart))) if np.isfinite(apart).any() else None
    mpjpe = None
    if with_points.any():
        away = points(given[with_points], bones) - judged.joints[with_points]
        mpjpe = float(np.linalg.norm(away, axis=-1).mean())
    return {
        "angle_mae_deg": None if angle is None else round(angle, 2),
        "mpjpe_mm": None if mpjpe is None else round(mpjpe, 2),
    }
