"""Errors of poses, named as the field names them. All positions in mm, frame `hand`.

A user's figures come from all evaluated poses of that user; a table's figure is the mean over users, and its spread
the standard deviation over users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.metrics import r2_score

from models.architectures.base import STEP_HZ
from models.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from models.hand import FINGERS, POINTS, TIPS
from models.kinematics import angles, measure, points

MAX_LAG_S: Final = 0.5
MOST_ROWS: Final = 20_000
"""Rows of a user that angles are told from."""
SPREAD: Final = ("mpjpe_mm", "skill", "r2", "rmse_mm", "fingertip_mm", "fingertip_p90_mm", "angle_mae_deg")
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True)
class EvaluatedSegment:
    """One run of true poses, 50 per second, and a predictor's poses for it."""

    truth: Float32Array
    """(n, 63)"""
    pose: Float32Array
    """(n, 63)"""
    valid: BoolArray
    """(n,) which rows count."""
    user: str = ""
    session: str = ""

    def rows(self) -> tuple[Float32Array, Float32Array]:
        """(m, 21, 3) truth and pose of what counts."""
        return self.truth[self.valid].reshape(-1, POINTS, 3), self.pose[self.valid].reshape(-1, POINTS, 3)


def distances(truth: Float32Array, pose: Float32Array) -> Float32Array:
    """(n, 20) distance of every point that is not the wrist."""
    difference = truth.reshape(-1, POINTS, 3)[:, 1:] - pose.reshape(-1, POINTS, 3)[:, 1:]
    return np.asarray(np.linalg.norm(difference, axis=-1), np.float32)


def mpjpe(truth: Float32Array, pose: Float32Array) -> float:
    """Mean per-joint position error, mm, of poses (n, 63) over the 20 points that are not the wrist."""
    return float(distances(truth, pose).mean())


def rmse(truth: Float32Array, pose: Float32Array) -> float:
    """Root mean square error per coordinate, mm, of poses (n, 63), over the 60 coordinates that are not the wrist's."""
    difference = (truth.reshape(-1, POINTS, 3) - pose.reshape(-1, POINTS, 3))[:, 1:].astype(np.float64)
    return float(np.sqrt(np.mean(difference**2)))


def r2(truth: Float32Array, pose: Float32Array) -> float:
    """Share of the variance explained, over the 60 coordinates that are not the wrist's.

    Args:
        truth: (n, 63) mm.
        pose: (n, 63) mm.

    Returns:
        1 - SSE / SST against the mean of each column of the truth, columns weighted by their variance.
    """
    t, p = (a.reshape(len(a), -1)[:, 3:].astype(np.float64) for a in (truth, pose))
    # As one column around its means: `variance_weighted` would drop the errors of coordinates that never move.
    centre = t.mean(axis=0)
    return float(r2_score((t - centre).ravel(), (p - centre).ravel()))


def summary(runs: Sequence[EvaluatedSegment], mean_pose: Float32Array | None = None) -> dict[str, float]:
    """All figures over one user's, or any set of, runs.

    Args:
        runs: at least one with rows that count.
        mean_pose: (63,) of the training data, for `skill`.
    """
    truth = np.concatenate([run.rows()[0] for run in runs])
    pose = np.concatenate([run.rows()[1] for run in runs])
    each = distances(truth, pose)
    tips = each[:, [tip - 1 for tip in TIPS]]
    off = angle_errors(truth, pose)
    figures = {
        "mpjpe_mm": float(each.mean()),
        "rmse_mm": rmse(truth, pose),
        "fingertip_mm": float(tips.mean()),
        "fingertip_p90_mm": float(np.percentile(tips, 90)),
        "mpjpe_own_bones_mm": mpjpe_own_bones(truth, pose),
        "angle_mae_deg": float(off.mean()),
        "r2": r2(truth, pose),
        "bone_cv": bone_variation(pose),
        "seconds": len(truth) / STEP_HZ,
    }
    for i, finger in enumerate(FINGERS):
        part = slice(4 * i, 4 * i + 4)
        figures |= {f"{finger}_mm": float(each[:, part].mean()), f"angle_{finger}_deg": float(off[:, part].mean())}
    figures |= jerk_and_lag(runs)
    if mean_pose is not None:
        constant = mpjpe(truth, np.broadcast_to(mean_pose, (len(truth), len(mean_pose))))
        figures |= {"mean_pose_mpjpe_mm": constant, "skill": 1.0 - figures["mpjpe_mm"] / max(constant, _TINY)}
    return figures


def angle_errors(truth: Float32Array, pose: Float32Array, most: int = MOST_ROWS) -> Float64Array:
    """(m, 20) absolute errors of joint angles of poses (n, 63), degrees, on at most `most` evenly spaced rows."""
    rows = _spaced(len(truth), most)
    difference = angles(truth.reshape(-1, POINTS, 3)[rows]) - angles(pose.reshape(-1, POINTS, 3)[rows])
    return np.asarray(np.degrees(np.abs(np.angle(np.exp(1j * difference)))), np.float64)


def mpjpe_own_bones(truth: Float32Array, pose: Float32Array, most: int = MOST_ROWS) -> float:
    """MPJPE, mm, of the angles of poses (n, 63) in a hand with the bone lengths of the truth (n, 63).

    The size of a hand is not in its EMG: where nobody tells it, the model's own bones are an average hand's, and that
    alone costs several mm. On at most `most` evenly spaced rows.
    """
    rows = _spaced(len(truth), most)
    known = truth.reshape(-1, POINTS, 3)[rows]
    return mpjpe(known, points(angles(pose.reshape(-1, POINTS, 3)[rows]), measure(known).mean(axis=0)))


def _spaced(count: int, most: int) -> Int64Array:
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def bone_variation(pose: Float32Array) -> float:
    """How much the bones of poses (n, 63) change their length: SD over mean, averaged over the 20 bones."""
    lengths = measure(pose.reshape(-1, POINTS, 3))
    return float((lengths.std(axis=0) / np.maximum(lengths.mean(axis=0), _TINY)).mean())


def jerk_and_lag(runs: Iterable[EvaluatedSegment]) -> dict[str, float]:
    """Fingertip jerk against the truth's, and how late the poses are."""
    jerks, lags = [], []
    for run in runs:
        if run.valid.sum() > 2 * MAX_LAG_S * STEP_HZ:
            truth, pose = (tip_positions(a[run.valid]) for a in (run.truth, run.pose))
            parts = [slice(None), *(slice(3 * i, 3 * i + 3) for i in range(len(FINGERS)))]
            jerks.append([(jerk(pose[:, part]), jerk(truth[:, part])) for part in parts])
            lags.append([lag_ms(truth[:, part], pose[:, part]) for part in parts])
    if not jerks:
        return {}
    (mine, true), *fingers = np.mean(jerks, axis=0)
    lag, *finger_lags = np.median(lags, axis=0)
    figures = {"jerk_m_s3": float(mine), "true_jerk_m_s3": float(true), "lag_ms": float(lag)}
    for finger, (its, truth), late in zip(FINGERS, fingers, finger_lags, strict=True):
        figures |= {f"jerk_{finger}": float(its / max(truth, _TINY)), f"lag_{finger}_ms": float(late)}
    return figures


def tip_positions(poses: Float32Array) -> Float64Array:
    """(n, 15) fingertips."""
    return poses.reshape(-1, POINTS, 3)[:, TIPS].reshape(len(poses), -1).astype(np.float64)


def jerk(tips: Float64Array) -> float:
    """Root mean square third difference of fingertips (n, 15) or fewer (n, 3 k) in mm, as m/s³ at 50 poses a second.

    A third difference grows with the cube of the rate: figures of other rates cannot be compared with it, so poses
    are evaluated at 50 Hz whatever the device's rate.
    """
    third = np.diff(tips, n=3, axis=0)
    third = third.reshape(len(third), -1, 3)
    return float(np.sqrt(np.mean(np.sum(third**2, axis=-1))) * STEP_HZ**3 / 1000.0)


def lag_ms(truth: Float64Array, pose: Float64Array) -> float:
    """By how many ms `pose` (n, k) must be moved earlier to agree best with `truth` (n, k), by cross-correlation."""
    t, p = truth - truth.mean(axis=0), pose - pose.mean(axis=0)
    most = round(MAX_LAG_S * STEP_HZ)
    scores = [float(np.sum(t[most:-most] * p[most + k : len(p) - most + k])) for k in range(-most, most + 1)]
    best = int(np.argmax(scores))
    if 0 < best < len(scores) - 1:
        left, middle, right = scores[best - 1 : best + 2]
        bend = left - 2 * middle + right
        return float((best - most + (0.5 * (left - right) / bend if bend else 0.0)) * 1000.0 / STEP_HZ)
    return float((best - most) * 1000.0 / STEP_HZ)


def by_user(runs: Sequence[EvaluatedSegment], mean_pose: Float32Array | None = None) -> dict[str, dict[str, float]]:
    """Figures of every user; `mean_pose` (63,) mm is that of the training data."""
    users = sorted({run.user for run in runs if run.valid.any()})
    return {user: summary([run for run in runs if run.user == user and run.valid.any()], mean_pose) for user in users}


def mpjpe_by_user(runs: Sequence[EvaluatedSegment]) -> dict[str, float]:
    """MPJPE of every user, and nothing else."""
    users = sorted({run.user for run in runs if run.valid.any()})
    mine = {user: [run.rows() for run in runs if run.user == user and run.valid.any()] for user in users}
    return {
        user: mpjpe(np.concatenate([t for t, _ in rows]), np.concatenate([p for _, p in rows]))
        for user, rows in mine.items()
    }


def over_users(figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean over users, and the SD of the main figures (`…_sd`)."""
    keys = list(dict.fromkeys(key for user in figures.values() for key in user))
    values = {key: [user[key] for user in figures.values() if key in user] for key in keys}
    out = {key: float(np.mean(v)) for key, v in values.items()}
    out |= {f"{key}_sd": float(np.std(values[key])) for key in SPREAD if key in values}
    return out | {"users": float(len(figures))}
