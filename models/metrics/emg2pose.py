"""Errors as the benchmark of emg2pose tells them, so that tables can be read side by side.

Salter et al., "emg2pose: A Large and Diverse Benchmark for Surface Electromyographic Hand Pose Estimation", NeurIPS
2024 (arXiv 2412.02725): trajectories of 5 s; the mean absolute error of 20 joint angles, and the distance of landmarks
in a hand of default size for both; means over the trajectories of a user, then mean and SD over users. Here all 20
points that are not the wrist are landmarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from models.architectures.base import STEP_HZ
from models.arrays import Float32Array
from models.hand import POINTS
from models.kinematics import angles, bones, points
from models.metrics.pose_error import EvaluatedSegment

TRAJECTORY_S: Final = 5.0


def rows(runs: Sequence[EvaluatedSegment], mean_pose: Float32Array | None) -> list[dict[str, str | float]]:
    """Figures of the model and, where it is known, of a constant mean pose (63,) mm: the benchmark's static hand."""
    out = [_row("model", runs, None)]
    if mean_pose is not None:
        out.append(_row("static mean pose", runs, mean_pose))
    return [row for row in out if row["trajectories"]]


def _row(name: str, runs: Sequence[EvaluatedSegment], constant: Float32Array | None) -> dict[str, str | float]:
    users: dict[str, list[tuple[float, float]]] = {}
    for run in runs:
        users.setdefault(run.user, []).extend(_trajectories(run, constant))
    means = np.array([np.mean(found, axis=0) for found in users.values() if found]).reshape(-1, 2)
    (angle, landmark), (angle_sd, landmark_sd) = (
        (means.mean(axis=0), means.std(axis=0)) if len(means) else (np.zeros(2), np.zeros(2))
    )
    return {
        "name": name,
        "users": len(means),
        "trajectories": sum(map(len, users.values())),
        "angle_deg": float(angle),
        "angle_deg_sd": float(angle_sd),
        "landmark_mm": float(landmark),
        "landmark_mm_sd": float(landmark_sd),
    }


def _trajectories(run: EvaluatedSegment, constant: Float32Array | None) -> Iterator[tuple[float, float]]:
    """Errors of each whole trajectory: degrees and mm."""
    truth, pose = run.rows()
    if constant is not None:
        pose = np.broadcast_to(constant.reshape(POINTS, 3), truth.shape)
    length, default = round(TRAJECTORY_S * STEP_HZ), bones()
    for start in range(0, len(truth) - length + 1, length):
        part = slice(start, start + length)
        bent, true = angles(pose[part]), angles(truth[part])
        apart = np.linalg.norm(points(bent, default) - points(true, default), axis=-1)[:, 1:]
        off = np.abs(np.angle(np.exp(1j * (bent - true))))
        yield float(np.degrees(off).mean()), float(apart.mean())
