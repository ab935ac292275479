"""Labels of one person's hand as a fit takes them: angles, bone lengths, and how late they are.

A camera's points tremble by millimetres. Bones measured between such points come out too long, and bends of short bones
are far off; so points are smoothed over a tenth of a second where they tremble, and the trembling is taken out of the
bones' lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.hand import POINTS
from models.kinematics import ANGLES, ROM, angles, measure
from models.recording import Recording

TREMBLING_MM: Final = 2.0
"""Noise of a point (SD per axis) from which on labels are smoothed."""
SMOOTHING_S: Final = 0.05
"""SD of the weights of neighbouring labels in time."""
NEIGHBOURS: Final = 4
"""Labels on either side that are averaged with one."""
APART_S: Final = 0.25
"""Labels further apart than this are not compared: between them the hand was not seen."""
OUTLIER: Final = 3.0
"""A bone that is so many times longer than usual was seen wrongly."""
_SECOND_DIFFERENCE: Final = 6.0
"""Variance of x[t-1] - 2 x[t] + x[t+1] where x is noise of variance 1."""
_MEDIAN_OF_SQUARE: Final = 0.4549
"""Median of the square of a standard normal number."""


@dataclass(frozen=True, slots=True)
class Labels:
    """One session's labels of a right hand, in the order of time."""

    t: Float64Array
    """(n,) seconds, on the clock of the samples."""
    angles: Float32Array
    """(n, 20) radians, NaN where an angle has no label."""
    joints: Float32Array | None
    """(n, 21, 3) mm as they were given, NaN where a label has no points; None where none has any."""

    @property
    def rate_hz(self) -> float:
        """Labels a second while the hand is seen."""
        steps = np.diff(self.t)
        steps = steps[(steps > 0) & (steps < APART_S)]
        return 1.0 / float(np.median(steps)) if len(steps) else 1.0


def labels_of(recording: Recording) -> Labels:
    """The labels of a right arm's session: its points as angles, and its labelled angles."""
    times, bent, points = [], [], []
    if recording.joints is not None and recording.label_t is not None:
        joints = recording.joints.reshape(-1, POINTS, 3)
        times.append(recording.label_t)
        bent.append(angles_of(recording.label_t, joints))
        points.append(joints)
    if recording.angles is not None and recording.angle_t is not None:
        times.append(recording.angle_t)
        bent.append(recording.angles)
        points.append(np.full((len(recording.angles), POINTS, 3), np.nan, np.float32))
    if not times:
        return Labels(np.zeros(0), np.zeros((0, len(ANGLES)), np.float32), None)
    t = np.concatenate(times)
    order = np.argsort(t, kind="stable")
    seen = np.concatenate(points)[order] if recording.joints is not None else None
    return Labels(t[order], np.concatenate(bent)[order], seen)


def bones_of(labels: Labels) -> Float32Array | None:
    """Bone lengths (20,) in mm of the labels' points, without what their noise adds; None without points."""
    if labels.joints is None:
        return None
    seen = np.isfinite(labels.joints).all(axis=(1, 2))
    if not seen.any():
        return None
    joints = labels.joints[seen]
    noise = noise_of(labels.t[seen], joints) ** 2
    near = np.where(np.arange(POINTS - 1) % 4 == 0, 0, np.arange(POINTS - 1))
    added = 3.0 * (noise[near] + noise[1:])
    squares = measure(joints).astype(np.float64) ** 2
    # Noise adds to the mean of the squares; a hand that was seen wrongly does not count.
    usual = squares <= OUTLIER**2 * np.median(squares, axis=0)
    square = (squares * usual).sum(axis=0) / usual.sum(axis=0)
    return np.asarray(np.sqrt(np.maximum(square - added, 0.25 * square)), np.float32)


def noise_of(t: Float64Array, joints: Float32Array) -> Float64Array:
    """How much each point trembles.

    Args:
        t: (n,) seconds.
        joints: (n, 21, 3) mm.

    Returns:
        (21,) SD per axis in mm, from the second differences of neighbouring labels.
    """
    if len(t) < 3:
        return np.zeros(POINTS)
    bend = joints[:-2] - 2.0 * joints[1:-1] + joints[2:]
    close = (t[2:] - t[:-2]) < APART_S
    if not close.any():
        return np.zeros(POINTS)
    square = np.median(np.moveaxis(bend[close], 1, 0).reshape(POINTS, -1).astype(np.float64) ** 2, axis=1)
    return np.asarray(np.sqrt(square / (_SECOND_DIFFERENCE * _MEDIAN_OF_SQUARE)))


def trembles(t: Float64Array, joints: Float32Array) -> bool:
    """Whether points (n, 21, 3) in mm tremble so much that they are smoothed before angles are made of them."""
    return float(np.median(noise_of(t, joints))) > TREMBLING_MM


def angles_of(t: Float64Array, joints: Float32Array, *, smoothed: bool | None = None) -> Float32Array:
    """Angles of points.

    Args:
        t: (n,) seconds, in order.
        joints: (n, 21, 3) mm, NaN where points are missing.
        smoothed: whether each is averaged with its neighbours in time; None: where they tremble.

    Returns:
        (n, 20) radians within the joints' ranges, NaN where points are missing.
    """
    seen = np.isfinite(joints).all(axis=(1, 2))
    out = np.full((len(t), len(ANGLES)), np.nan, np.float32)
    if not seen.any():
        return out
    clear = joints[seen]
    if trembles(t[seen], clear) if smoothed is None else smoothed:
        clear = _smooth(t[seen], clear)
    out[seen] = np.clip(angles(clear), ROM[:, 0], ROM[:, 1])
    return out


def _smooth(t: Float64Array, joints: Float32Array) -> Float32Array:
    """Weighted mean of each label and its neighbours in time."""
    total, weight = np.zeros(joints.shape), np.zeros((len(t), 1, 1))
    for offset in range(-NEIGHBOURS, NEIGHBOURS + 1):
        other = np.clip(np.arange(len(t)) + offset, 0, len(t) - 1)
        near = np.exp(-0.5 * ((t[other] - t) / SMOOTHING_S) ** 2)[:, None, None]
        total += near * joints[other]
        weight += near
    return np.asarray(total / weight, np.float32)
