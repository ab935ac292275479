"""What a network has to beat: a still hand, a linear fit, trees, the nearest neighbour.

All but the still hand read the same features: logarithms of running averages of 0.06, 0.3, 1 and 4 s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from models.architectures.base import Setting
from models.arrays import Float32Array
from models.data.features import bank
from models.data.segments import DataError, Segment
from models.hand import VALUES
from models.metrics.predict import Predictor, constant

TAUS: Final = (0.06, 0.3, 1.0, 4.0)
FLOOR: Final = 0.5
MOST: Final = 20_000
"""Rows that a baseline is fitted on at most, evenly spaced."""


def mean_pose(tracks: Sequence[Segment]) -> Float32Array:
    """(63,) mean of everything that counts.

    Raises:
        DataError: no pose anywhere.
    """
    poses = [track.pose[track.weight > 0] for track in tracks]
    count = sum(len(pose) for pose in poses)
    if not count:
        raise DataError("no pose in the data; give sessions with ground truth")
    return np.asarray(sum(pose.sum(axis=0, dtype=np.float64) for pose in poses) / count, np.float32)


def still(tracks: Sequence[Segment], setting: Setting) -> Predictor:
    """The mean pose of the training data, always."""
    return constant(mean_pose(tracks))


def users_own(tracks: Sequence[Segment]) -> Predictor:
    """Each judged user's own mean pose: what knowing his hand and habits alone would give."""
    means = {user: mean_pose([t for t in tracks if t.user == user]) for user in {t.user for t in tracks}}
    return lambda track: np.broadcast_to(means[track.user], (track.steps, VALUES)).astype(np.float32)


def features(track: Segment, setting: Setting) -> Float32Array:
    """(steps, 32) at the last sample of each step."""
    rows = bank(track.emg, setting.rate_hz, TAUS)[setting.decimation - 1 :: setting.decimation]
    return np.asarray(np.log(rows + FLOOR).reshape(len(rows), -1), np.float32)


def ridge(tracks: Sequence[Segment], setting: Setting) -> Predictor:
    """Linear least squares with a penalty chosen by cross-validation."""
    from sklearn.linear_model import RidgeCV

    return _fitted(RidgeCV(np.logspace(-1, 4, 6)), tracks, setting)


def extra_trees(tracks: Sequence[Segment], setting: Setting) -> Predictor:
    """200 extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesRegressor

    return _fitted(ExtraTreesRegressor(200, min_samples_leaf=4, max_features=0.3, random_state=0), tracks, setting)


def nearest(tracks: Sequence[Segment], setting: Setting) -> Predictor:
    """The pose of the most similar training sample."""
    from sklearn.neighbors import KNeighborsRegressor

    return _fitted(KNeighborsRegressor(1), tracks, setting)


BASELINES: Final[dict[str, Callable[[Sequence[Segment], Setting], Predictor]]] = {
    "mean pose": still,
    "ridge": ridge,
    "extra trees": extra_trees,
    "nearest neighbour": nearest,
}


def _fitted(model: Any, tracks: Sequence[Segment], setting: Setting) -> Predictor:
    x = np.concatenate([features(track, setting)[track.weight > 0] for track in tracks])
    y = np.concatenate([track.pose[track.weight > 0] for track in tracks])
    rows = np.linspace(0, len(x) - 1, min(len(x), MOST)).astype(int)
    model.fit(x[rows], y[rows])
    return lambda track: np.asarray(model.predict(features(track, setting)), np.float32)
