"""What smoothing after the model buys in jerk, and what it costs in lag and error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

import numpy as np

from models.architectures.base import STEP_HZ
from models.filter_config import OneEuroConfig
from models.hand import FINGERS, POINTS
from models.kinematics import angles
from models.metrics.pose_error import MAX_LAG_S, EvaluatedSegment, by_user, lag_ms, over_users
from models.smoothing import smooth

MOST_JERK: Final = 3.0
"""Fingertip jerk over the truth's that a served hand may have; more is seen as trembling."""
KEYS: Final = ("mpjpe_mm", "fingertip_mm", "jerk_m_s3", "true_jerk_m_s3", "lag_ms")


def smoothed(runs: Sequence[EvaluatedSegment], config: OneEuroConfig | None) -> dict[str, float]:
    """Figures over users after a filter; None = without a filter.

    Jerk is that of the fingertips at 50 poses a second (`metrics.jerk`); its ratio is to the truth's. The added lag
    is by how much the smoothed joint angles must be moved earlier to agree best with the raw ones, median over runs.
    """
    made = runs if config is None else [replace(r, pose=smooth(r.pose, STEP_HZ, config)) for r in runs]
    figures = over_users(by_user(made))
    row = asdict(config) if config else {}
    row |= {key: figures[key] for key in KEYS if key in figures}
    for finger in FINGERS:
        keys = (f"{finger}_mm", f"angle_{finger}_deg", f"jerk_{finger}", f"lag_{finger}_ms")
        row |= {key: figures[key] for key in keys if key in figures}
    if "jerk_m_s3" in figures:
        row["jerk_ratio"] = figures["jerk_m_s3"] / max(figures["true_jerk_m_s3"], 1e-9)
        row["added_lag_ms"] = 0.0 if config is None else added_lag_ms(runs, made)
    return row


def best_filter(rows: Sequence[Mapping[str, float]]) -> int:
    """Which filter to recommend: of those with little jerk the one with the lag nearest to 0, else that of least jerk.

    Args:
        rows: what `smoothed` found for each, at least one.

    Returns:
        Its index.
    """
    calm = [i for i, row in enumerate(rows) if row.get("jerk_ratio", np.inf) <= MOST_JERK]
    if calm:
        return min(calm, key=lambda i: abs(rows[i]["lag_ms"]))
    return min(range(len(rows)), key=lambda i: rows[i].get("jerk_ratio", np.inf))


def recommendation(
    config: OneEuroConfig, raw: Mapping[str, float], served: Mapping[str, float]
) -> tuple[dict[str, float], float | None]:
    """What a model file says of its filter and its lag: `smoothing` and `lag_ms` of its metadata.

    Args:
        config: the filter.
        raw: what `smoothed` found without a filter.
        served: what it found with this one.
    """
    if "lag_ms" not in raw or "lag_ms" not in served:
        return asdict(config), None
    lag_ms = round(raw["lag_ms"], 1)
    return asdict(config) | {"lag_ms": round(served["lag_ms"] - lag_ms, 1)}, lag_ms


def added_lag_ms(before: Sequence[EvaluatedSegment], after: Sequence[EvaluatedSegment]) -> float:
    """Median over runs of the lag of one set of joint angles behind another, ms (cross-correlation)."""
    lags = []
    for raw, late in zip(before, after, strict=True):
        if raw.valid.sum() > 2 * MAX_LAG_S * STEP_HZ:
            a, b = (angles(run.pose[run.valid].reshape(-1, POINTS, 3)).astype(np.float64) for run in (raw, late))
            lags.append(lag_ms(a, b))
    return float(np.median(lags)) if lags else 0.0
