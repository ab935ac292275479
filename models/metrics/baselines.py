"""What a network has to beat: a constant hand, a linear fit, trees, the nearest neighbour.

All but the constant hand read the same features: logarithms of running averages of 0.06, 0.3, 1 and 4 s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from models.architectures.base import NetworkConfig
from models.arrays import Float32Array
from models.data.features import bank
from models.data.segments import DataError, Segment
from models.hand import VALUES
from models.metrics.pose_error import by_user, over_users
from models.metrics.predict import SegmentPredictor, constant, predict_segments
from models.spec import ModelSpec

TIME_CONSTANTS_S: Final = (0.06, 0.3, 1.0, 4.0)
FLOOR: Final = 0.5
MOST: Final = 20_000
"""Rows that a baseline is fitted on at most, evenly spaced."""


def mean_pose(segments: Sequence[Segment]) -> Float32Array:
    """(63,) mean of everything that counts.

    Raises:
        DataError: no pose anywhere.
    """
    poses = [segment.pose[segment.weight > 0] for segment in segments]
    count = sum(len(pose) for pose in poses)
    if not count:
        raise DataError("no pose in the data; give sessions with ground truth")
    return np.asarray(sum(pose.sum(axis=0, dtype=np.float64) for pose in poses) / count, np.float32)


def known_mean_pose(spec: ModelSpec) -> Float32Array | None:
    """(63,) mean pose of the data that a model was trained on, mm, if its file has it."""
    values = spec.validation.get("mean_pose")
    return None if values is None else np.asarray(values, np.float32)


def mean_pose_baseline(segments: Sequence[Segment], config: NetworkConfig) -> SegmentPredictor:
    """The mean pose of the training data, always."""
    return constant(mean_pose(segments))


def per_user_mean_pose(segments: Sequence[Segment]) -> SegmentPredictor:
    """Each evaluated user's own mean pose: what knowing a user's hand and habits alone would give."""
    means = {user: mean_pose([t for t in segments if t.user == user]) for user in {t.user for t in segments}}
    return lambda segment: np.broadcast_to(means[segment.user], (segment.steps, VALUES)).astype(np.float32)


def features(segment: Segment, config: NetworkConfig) -> Float32Array:
    """(steps, 32) at the last sample of each step."""
    rows = bank(segment.emg, config.rate_hz, TIME_CONSTANTS_S)[config.decimation - 1 :: config.decimation]
    return np.asarray(np.log(rows + FLOOR).reshape(len(rows), -1), np.float32)


def ridge(segments: Sequence[Segment], config: NetworkConfig) -> SegmentPredictor:
    """Linear least squares with a penalty chosen by cross-validation."""
    from sklearn.linear_model import RidgeCV

    return _fitted(RidgeCV(np.logspace(-1, 4, 6)), segments, config)


def extra_trees(segments: Sequence[Segment], config: NetworkConfig) -> SegmentPredictor:
    """200 extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesRegressor

    return _fitted(ExtraTreesRegressor(200, min_samples_leaf=4, max_features=0.3, random_state=0), segments, config)


def nearest(segments: Sequence[Segment], config: NetworkConfig) -> SegmentPredictor:
    """The pose of the most similar training sample."""
    from sklearn.neighbors import KNeighborsRegressor

    return _fitted(KNeighborsRegressor(1), segments, config)


BASELINES: Final[dict[str, Callable[[Sequence[Segment], NetworkConfig], SegmentPredictor]]] = {
    "mean pose": mean_pose_baseline,
    "ridge": ridge,
    "extra trees": extra_trees,
    "nearest neighbour": nearest,
}


def baseline_figures(
    segments: Sequence[Segment],
    training: Sequence[Segment],
    config: NetworkConfig,
    mean: Float32Array | None,
    skip: int,
) -> dict[str, dict[str, float]]:
    """Pose errors of every baseline, mean over users.

    Args:
        segments: to evaluate on, with poses.
        training: to fit on; without any, only what needs no fit is evaluated.
        config: rate and mode of the segments.
        mean: (63,) mean pose of the training data, mm, if known.
        skip: steps at the start of each segment that are not evaluated.
    """
    if not segments:
        return {}
    made = {name: fit(training, config) for name, fit in BASELINES.items()} if training else {}
    if mean is not None:
        made |= {"mean pose": constant(mean)}
    made |= {"user's own mean pose": per_user_mean_pose(segments)}
    return {name: over_users(by_user(list(predict_segments(one, segments, skip)), mean)) for name, one in made.items()}


def _fitted(model: Any, segments: Sequence[Segment], config: NetworkConfig) -> SegmentPredictor:
    x = np.concatenate([features(segment, config)[segment.weight > 0] for segment in segments])
    y = np.concatenate([segment.pose[segment.weight > 0] for segment in segments])
    rows = np.linspace(0, len(x) - 1, min(len(x), MOST)).astype(int)
    model.fit(x[rows], y[rows])
    return lambda segment: np.asarray(model.predict(features(segment, config)), np.float32)
