"""What one person's labels teach: the head, and how well it does on seconds that it has not seen.

Nothing in it knows a clock, a thread or a socket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypedDict

import numpy as np

from drivers.events import Label
from models.arrays import Float32Array, Float64Array
from models.hand import POINTS, Side, mirror
from models.kinematics import ANGLES, angles, measure, points
from models.onnx_file import BONES, FEATURE_MEAN, FEATURE_SCALE, PERSONAL
from models.personal import PersonalStatistics, apply, standardise
from models.spec import ModelError
from service.engine.pose import Hidden

BLOCK_S: Final = 2.0
"""Seconds of labels that are held back or learned from together."""
EVERY: Final = 5
"""One block of so many is held back."""
MAX_HELD: Final = 6000
"""Labels that are evaluated at most, the newest."""
MAX_BONES: Final = 500
"""Labels whose bones are measured at most."""


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
class Lesson:
    """One label and what the network computed at that moment."""

    t: float
    hidden: Hidden
    angles: Float64Array
    """(20,) radians, NaN where there is no label."""
    joints: Float32Array | None
    """(21, 3) mm, a right hand's."""


def lesson(label: Label, hidden: Hidden, worn: Side) -> Lesson:
    """Pair a label with what the network computed; `worn` is the hand that the label's points belong to."""
    known = np.full(len(ANGLES), np.nan)
    if label.joints is None:
        for name, degrees in label.angles.items():
            known[ANGLES.index(name)] = np.deg2rad(degrees)
        return Lesson(label.t, hidden, known, None)
    right = label.joints if worn == "right" else mirror(label.joints)
    joints = right.reshape(POINTS, 3)
    return Lesson(label.t, hidden, angles(joints[None])[0].astype(np.float64), joints)


@dataclass(slots=True)
class _Rows:
    """Lessons as arrays."""

    x: Float32Array
    shipped: Float32Array
    angles: Float64Array
    joints: Float32Array
    """(n, 21, 3), NaN where there are none."""


@dataclass(slots=True)
class PersonalFit:
    """The head that a person's labels give, on top of the one that the model file has.

    Args:
        values: initializers of the model file by name.
    """

    values: Mapping[str, Float32Array]
    seconds: float = 0.0
    """Seconds of labels so far."""
    labels: int = 0
    before: Error = field(default_factory=unknown)
    after: Error = field(default_factory=unknown)
    head: Float32Array | None = None
    """(features + 1, 20) from all labels; None before the first."""
    bones: Float32Array | None = None
    """(20,) mm, of the labels' hand; None where none had points."""
    _learned: PersonalStatistics = field(init=False)
    _held: PersonalStatistics = field(init=False)
    _evaluated: list[_Rows] = field(default_factory=list)
    _bones: list[Float32Array] = field(default_factory=list)
    _last_t: float | None = None

    def __post_init__(self) -> None:
        for key in (FEATURE_MEAN, FEATURE_SCALE, PERSONAL, BONES):
            if key not in self.values:
                raise ModelError(f"the model has no `{key}` initializer to learn with; export it again")
        width = len(self.values[FEATURE_MEAN])
        self._learned, self._held = PersonalStatistics(width), PersonalStatistics(width)

    def learn(self, lessons: Sequence[Lesson]) -> None:
        """Add labels, in the order of time, and solve and evaluate again."""
        if not lessons:
            return
        rate_hz = self._count(lessons)
        held = np.array([int(one.t // BLOCK_S) % EVERY == EVERY - 1 for one in lessons])
        for statistics, mine in ((self._learned, ~held), (self._held, held)):
            chosen = [one for one, yes in zip(lessons, mine, strict=True) if yes]
            if chosen:
                rows = self._rows(chosen)
                statistics.add(rows.x, rows.angles - self._base(rows), rate_hz=rate_hz)
                if statistics is self._held:
                    self._evaluated.append(rows)
        self._measure(lessons)
        self.head = self._solve()
        self._evaluate()

    def _count(self, lessons: Sequence[Lesson]) -> float:
        """Count labels; return how many there are a second."""
        times = [one.t for one in lessons] if self._last_t is None else [self._last_t, *(one.t for one in lessons)]
        steps = np.diff(times)
        step = float(np.clip(np.median(steps), 1 / 120.0, 0.2)) if len(steps) else 0.05
        self._last_t = lessons[-1].t
        self.labels += len(lessons)
        self.seconds += len(lessons) * step
        return 1.0 / step

    def _rows(self, lessons: Sequence[Lesson]) -> _Rows:
        features = np.stack([one.hidden.features for one in lessons])
        nothing = np.full((POINTS, 3), np.nan, np.float32)
        return _Rows(
            standardise(features, self.values[FEATURE_MEAN], self.values[FEATURE_SCALE]),
            np.stack([one.hidden.angles for one in lessons]),
            np.stack([one.angles for one in lessons]),
            np.stack([nothing if one.joints is None else one.joints for one in lessons]),
        )

    def _base(self, rows: _Rows) -> Float64Array:
        head = self.values[PERSONAL].astype(np.float64)
        return np.asarray(rows.shipped + rows.x @ head[:-1] + head[-1], np.float64)

    def _measure(self, lessons: Sequence[Lesson]) -> None:
        seen = [one.joints for one in lessons if one.joints is not None]
        if not seen:
            return
        self._bones = [*self._bones, *measure(np.stack(seen))][-MAX_BONES:]
        self.bones = np.median(np.stack(self._bones), axis=0).astype(np.float32)

    def _solve(self) -> Float32Array:
        everything = PersonalStatistics(self._learned.features)
        everything.merge(self._learned)
        everything.merge(self._held)
        return self.values[PERSONAL] + everything.solve()

    def _evaluate(self) -> None:
        """Compare with the seconds held back: as it was, and as learned from the others."""
        while len(self._evaluated) > 1 and sum(len(rows.x) for rows in self._evaluated[1:]) >= MAX_HELD:
            del self._evaluated[0]
        if not self._evaluated:
            return
        parts = zip(*((one.x, one.shipped, one.angles, one.joints) for one in self._evaluated), strict=True)
        rows = _Rows(*(np.concatenate(part) for part in parts))
        base, file_bones = self.values[PERSONAL], self.values[BONES]
        self.before = _error(rows, base, file_bones)
        self.after = _error(rows, base + self._learned.solve(), file_bones if self.bones is None else self.bones)


def _error(rows: _Rows, head: Float32Array, bones: Float32Array) -> Error:
    given = apply(rows.x, rows.shipped, head)
    with_points = np.isfinite(rows.joints).all(axis=(1, 2))
    apart = np.abs(given - rows.angles)
    angle = float(np.rad2deg(np.nanmean(apart))) if np.isfinite(apart).any() else None
    mpjpe = None
    if with_points.any():
        away = points(given[with_points], bones) - rows.joints[with_points]
        mpjpe = float(np.linalg.norm(away, axis=-1).mean())
    return {
        "angle_mae_deg": None if angle is None else round(angle, 2),
        "mpjpe_mm": None if mpjpe is None else round(mpjpe, 2),
    }
