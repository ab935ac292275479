"""Figures: distributions of times, and the limits that they are held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Times:
    """A distribution of durations, in milliseconds."""

    n: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: npt.ArrayLike) -> Times:
        """From durations in seconds; all zero where there are none."""
        ms = np.asarray(seconds, dtype=np.float64) * 1e3
        if not ms.size:
            return cls(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        p50, p95, p99 = np.percentile(ms, (50, 95, 99)).tolist()
        return cls(int(ms.size), float(ms.mean()), p50, p95, p99, float(ms.max()))


@dataclass(frozen=True, slots=True)
class Limit:
    """One figure and what it should be."""

    name: str
    value: float
    relation: Literal["<=", "<", ">=", "=="]
    limit: float
    unit: str = ""

    @property
    def ok(self) -> bool:
        return {
            "<=": self.value <= self.limit,
            "<": self.value < self.limit,
            ">=": self.value >= self.limit,
            "==": self.value == self.limit,
        }[self.relation]

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "value": self.value, "relation": self.relation, "limit": self.limit,
            "unit": self.unit, "ok": self.ok,
        }  # fmt: skip


def all_met(limits: Iterable[Limit]) -> bool:
    return all(limit.ok for limit in limits)
