"""Distributions of durations, and figures with their limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
        return {**asdict(self), "ok": self.ok}
