"""A head for one person, fitted in closed form on that person's labels.

A streaming model file (docs/protocol.md) adds `[clip(standardised features), 1] . personal` to the angles of its
network. Here `personal` is found: the ridge solution for what the labels leave of the shipped angles, pulled towards
zero, that is, towards the shipped model, by a constant number of observations, so that little data changes little.
The whole head is then shortened a little: on the next donning, and on the next movements, less of what was learned
holds than on the labels, and nobody shall be worse off than with the shipped model.
The sums it is solved from grow while the person moves and can be added over sessions and days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from models.arrays import BoolArray, Float32Array, Float64Array
from models.kinematics import ANGLES, ROM

FEATURE_LIMIT: Final = 3.0
"""Standardised features are clipped to this many scales, on both sides."""
LABEL_HZ: Final = 50.0
"""Rate at which the pull is counted: labels that come at another rate weigh as much as this many a second."""
PULL: Final = 2000.0
"""Observations at `LABEL_HZ` (40 s of labels) by which every weight is pulled towards the shipped model's."""
BIAS_PULL: Final = 300.0
"""The same for the mean, which is known much sooner."""
SHORTENING: Final = 1000.0
"""Observations by which the whole head is shortened: after 60 s of labels it counts 3/4, after 180 s 9/10."""
MAX_SUBSETS: Final = len(ANGLES)
"""Subsets of angles whose sums are kept apart; more are kept angle by angle. Each takes half a megabyte."""


def standardise(features: npt.ArrayLike, mean: npt.ArrayLike, scale: npt.ArrayLike) -> Float32Array:
    """Bring features to mean 0 and scale 1 and clip them, as the graph does.

    Args:
        features: (n, f) the model's output `features`.
        mean: (f,) its initializer `feature_mean`.
        scale: (f,) its initializer `feature_scale`.

    Returns:
        (n, f) float32 within ± `FEATURE_LIMIT`.
    """
    scaled = (np.asarray(features, np.float32) - np.asarray(mean)) / np.asarray(scale)
    return np.asarray(np.clip(scaled, -FEATURE_LIMIT, FEATURE_LIMIT), np.float32)


def apply(x: Float32Array, shipped: Float32Array, personal: npt.ArrayLike) -> Float32Array:
    """Give the angles of a personal model, as its graph does.

    Args:
        x: (n, f) standardised features.
        shipped: (n, 20) the model's output `angles`, radians.
        personal: (f + 1, 20) the head.

    Returns:
        (n, 20) float32 radians, within the joints' ranges.
    """
    head = np.asarray(personal, np.float32)
    return np.asarray(np.clip(shipped + x @ head[:-1] + head[-1], ROM[:, 0], ROM[:, 1]), np.float32)


@dataclass(slots=True)
class _Sums:
    """Sums over the rows that have the same angles labelled."""

    weight: float
    x: Float64Array
    """(f,)"""
    y: Float64Array
    """(20,)"""
    xx: Float64Array
    """(f, f)"""
    xy: Float64Array
    """(f, 20)"""


@dataclass(slots=True)
class PersonalStatistics:
    """What is known of one person: sums of features and of what the labels leave of the shipped angles."""

    features: int
    rows: int = 0
    """Labelled rows in it."""
    _sums: dict[bytes, _Sums] = field(default_factory=dict)
    """By subset of labelled angles."""

    @property
    def seconds(self) -> float:
        """How much is labelled, in seconds of the best-known angle."""
        return max((total.weight for _, total in self._by_columns()), default=0.0) / LABEL_HZ

    def add(
        self,
        x: Float32Array,
        residual: npt.ArrayLike,
        *,
        rate_hz: float = LABEL_HZ,
        weight: Float64Array | None = None,
    ) -> None:
        """Add labelled rows.

        Args:
            x: (n, f) standardised features.
            residual: (n, 20) label minus shipped angle, radians; NaN where an angle has no label.
            rate_hz: how many labels there are a second.
            weight: (n,) what each counts, 1 on average; None: all the same.
        """
        rest = np.asarray(residual, np.float64)
        counts = np.full(len(rest), LABEL_HZ / rate_hz) * (1.0 if weight is None else weight)
        known = np.isfinite(rest)
        subset = known @ (1 << np.arange(len(ANGLES)))
        for number in np.unique(subset[subset > 0]):
            rows = subset == number
            mask = known[int(np.argmax(rows))]
            self._add(x[rows].astype(np.float64), np.where(mask, rest[rows], 0.0), mask, counts[rows])
            self.rows += int(rows.sum())

    def _add(self, x: Float64Array, y: Float64Array, mask: BoolArray, weight: Float64Array) -> None:
        weighted = x * weight[:, None]
        part = _Sums(float(weight.sum()), weighted.sum(axis=0), weight @ y, weighted.T @ x, weighted.T @ y)
        self._put(mask.tobytes(), part)

    def _put(self, mask: bytes, part: _Sums) -> None:
        self._sums[mask] = _plus(self._sums.get(mask), part)
        if len(self._sums) > MAX_SUBSETS:
            several, self._sums = self._sums, {}
            for old, total in several.items():
                for angle in np.flatnonzero(np.frombuffer(old, bool)):
                    alone = (np.arange(len(ANGLES)) == angle).tobytes()
                    self._sums[alone] = _plus(self._sums.get(alone), total)

    def merge(self, other: PersonalStatistics) -> None:
        """Add another session's sums to these."""
        for mask, part in other._sums.items():
            self._put(mask, part)
        self.rows += other.rows

    def solve(self, pull: float = PULL) -> Float32Array:
        """Find the head.

        Args:
            pull: observations by which weights are pulled towards the shipped model.

        Returns:
            (f + 1, 20) float32, the bias last; zeros for angles without any label.
        """
        head = np.zeros((self.features + 1, len(ANGLES)))
        for columns, total in self._by_columns():
            mean_x, mean_y = total.x / total.weight, total.y[columns] / (total.weight + BIAS_PULL)
            xx = total.xx - total.weight * np.outer(mean_x, mean_x)
            xy = total.xy[:, columns] - np.outer(total.x, total.y[columns]) / total.weight
            weights = np.linalg.solve(xx + pull * np.eye(self.features), xy)
            share = total.weight / (total.weight + SHORTENING)
            head[:-1, columns] = share * weights
            head[-1, columns] = share * (mean_y - mean_x @ weights)
        return head.astype(np.float32)

    def _by_columns(self) -> Iterator[tuple[npt.NDArray[np.intp], _Sums]]:
        """Angles that were labelled in the same rows, and the sums over those rows."""
        masks = {mask: np.frombuffer(mask, bool) for mask in self._sums}
        columns: dict[tuple[bytes, ...], list[int]] = {}
        for angle in range(len(ANGLES)):
            columns.setdefault(tuple(mask for mask, known in masks.items() if known[angle]), []).append(angle)
        for group, angles in columns.items():
            total: _Sums | None = None
            for mask in group:
                total = _plus(total, self._sums[mask])
            if total is not None:
                yield np.array(angles), total


def _plus(one: _Sums | None, other: _Sums) -> _Sums:
    if one is None:
        return other
    return _Sums(one.weight + other.weight, one.x + other.x, one.y + other.y, one.xx + other.xx, one.xy + other.xy)
