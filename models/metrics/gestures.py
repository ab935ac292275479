"""Errors gesture by gesture, and which of them a network never saw.

A session with markers says which movement the hand was asked for and when it began; from there to the next
marker, the way to the pose included, time belongs to that gesture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Required, TypedDict

import numpy as np

from models.architectures.base import STEP_HZ
from models.arrays import Float32Array, Int64Array
from models.metrics.pose_error import EvaluatedSegment, by_user, mpjpe_by_user, over_users
from models.recording import Recording

UNNAMED: Final = -1


class GestureRow(TypedDict, total=False):
    """Errors over the time of one gesture, mean over users."""

    gesture: Required[str]
    seconds: Required[float]
    mpjpe_mm: Required[float]
    mean_pose_mpjpe_mm: float
    """Of the mean pose of the training data, on the same rows."""
    user_mean_mpjpe_mm: float
    """Of each user's own mean pose, on the same rows."""
    skill: float
    fingertip_mm: float
    trained: bool | None
    """Whether the network was trained on it; None = not known."""


def label_by_markers(recording: Recording, names: list[str]) -> Recording:
    """The recording with its gestures as class labels: positions in `names`, which grows; -1 where there is none."""
    if recording.joints is None or not recording.markers:
        return recording
    for marker in recording.markers:
        if marker.label not in names:
            names.append(marker.label)
    began = np.array([marker.t for marker in recording.markers])
    labels = np.array([UNNAMED, *(names.index(marker.label) for marker in recording.markers)])
    return replace(recording, classes=labels[np.searchsorted(began, recording.t, side="right")])


def by_gesture(
    runs: Sequence[EvaluatedSegment],
    classes: Sequence[Int64Array],
    names: Sequence[str],
    mean: Float32Array | None,
    own: Mapping[str, Float32Array],
    unseen: frozenset[str] | None,
) -> list[GestureRow]:
    """One row per gesture, worst first: mean over users, with both constant hands beside it.

    Args:
        runs: evaluated segments.
        classes: (n,) of each run, positions in `names`.
        names: of the gestures.
        mean: (63,) mean pose of the training data, if known.
        own: each user's mean pose (63,) over all evaluated rows.
        unseen: gestures that the network was not trained on; None = not known.
    """
    rows: list[GestureRow] = []
    for number, name in enumerate(names):
        parts = [replace(run, valid=run.valid & (label == number)) for run, label in zip(runs, classes, strict=True)]
        parts = [run for run in parts if run.valid.any()]
        if parts:
            rows.append(_row(name, parts, mean, own) | {"trained": None if unseen is None else name not in unseen})
    return sorted(rows, key=lambda row: -row["mpjpe_mm"])


def _row(
    name: str, runs: Sequence[EvaluatedSegment], mean: Float32Array | None, own: Mapping[str, Float32Array]
) -> GestureRow:
    figures = over_users(by_user(runs, mean))
    constant = [replace(run, pose=np.broadcast_to(own[run.user], run.pose.shape)) for run in runs]
    seconds = sum(int(run.valid.sum()) for run in runs) / STEP_HZ
    row = GestureRow(gesture=name, seconds=seconds, mpjpe_mm=figures["mpjpe_mm"])
    if mean is not None:
        row["mean_pose_mpjpe_mm"] = figures["mean_pose_mpjpe_mm"]
    row["user_mean_mpjpe_mm"] = float(np.mean(list(mpjpe_by_user(constant).values())))
    if mean is not None:
        row["skill"] = figures["skill"]
    row["fingertip_mm"] = figures["fingertip_mm"]
    return row


def gestures_left_out(manifest: Path | None) -> tuple[frozenset[str] | None, str]:
    """Gestures that a training left out of all its data, from its manifest; and the same as text for the report.

    Recorded files do not say which gestures they hold, so with any of them in the data it is not known.
    """
    if manifest is None or not manifest.exists():
        return None, "which gestures the network was trained on is not known: no manifest of its training was found"
    try:
        content = json.loads(manifest.read_text())
        data = content["data"]
        recipes = [item.get("synthetic") for item in data]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, f"which gestures the network was trained on is not known: {manifest.name} cannot be read"
    if not recipes or None in recipes:
        return None, "which gestures the network was trained on is not known: its data holds recorded files"
    unseen = frozenset.intersection(*(frozenset(recipe.get("leave_out", ())) for recipe in recipes))
    names = ", ".join(sorted(unseen))
    return unseen, f"the network was trained without {names}" if unseen else "the network was trained on all gestures"
