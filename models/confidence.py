"""How far a streaming model's pose is probably off, and what that is as a confidence.

A model file with a measure has a small head (`exporters/confidence.py`) that tells from what the network computes how
large the error probably is, as a share of a still hand's. `confidence_personal` brings that to one person: what the
shipped head says, the standardised features and a bias, weighted; found here in closed form from what a person's labels
leave of the poses. Everything else that makes a pose doubtful (a gap just before it, channels without contact) is
known where the signal comes in, and is multiplied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from models.arrays import Float32Array, Float64Array

SLOPE: Final = 4.0
"""Of the confidence around an expected error of 1: the confidence is 0.5 there, 0.88 at half of it, 0.12 at 1.5."""
WARM_UP_S: Final = 0.4
"""Time constant by which confidence comes back after a gap: that of the longest fast running average."""
BAD_CHANNEL: Final = 0.8
"""Factor of the confidence for each channel that is not good."""
PULL: Final = 1000.0
"""Observations at 50 Hz by which a person's weights are pulled towards those of the shipped head."""
SMALLEST_ERROR: Final = 0.1
"""Errors count as at least this much, in still hands: their logarithms are fitted."""


def after_gap(seconds: float) -> float:
    """Factor of the confidence, so many seconds of signal after a gap or the start."""
    return float(-np.expm1(-max(seconds, 0.0) / WARM_UP_S))


def of_channels(states: Iterable[str]) -> float:
    """Factor of the confidence, for the states of the channels (`models.signal_check`)."""
    return float(BAD_CHANNEL ** sum(state != "good" for state in states))


def shipped_weights(features: int) -> Float32Array:
    """The initializer `confidence_personal` as shipped, (features + 2, 1): what the head says, and nothing else."""
    return _weights(np.r_[1.0, np.zeros(features + 1)])


def of_person(expected: npt.ArrayLike, x: Float32Array, weights: npt.ArrayLike) -> Float64Array:
    """Confidence 0..1 of poses, as the graph gives it.

    Args:
        expected: (n,) errors that the shipped head expects, as shares of a still hand's.
        x: (n, f) standardised features.
        weights: (f + 2, 1) `confidence_personal`: what is made of these, and bias, before the logistic function.
    """
    w = np.asarray(weights, np.float64)[:, 0]
    logit = np.asarray(expected, np.float64) * w[0] + x.astype(np.float64) @ w[1:-1] + w[-1]
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))


def _weights(error: Float64Array) -> Float32Array:
    """What tells the error (f + 2,) as what tells the confidence: the logistic function of SLOPE (1 - error)."""
    weights = -SLOPE * error
    weights[-1] += SLOPE
    return weights[:, None].astype(np.float32)


def fit_personal(
    expected: npt.ArrayLike, x: Float32Array, error: npt.ArrayLike, *, rate_hz: float = 50.0, pull: float = PULL
) -> Float32Array:
    """Fit `confidence_personal` to errors that were observed.

    What is fitted is the logarithm, laid at the mean as a line: so a few wild errors decide little, and those of good
    poses are told apart, too.

    Args:
        expected: (n,) errors that the shipped head expects, as shares of a still hand's.
        x: (n, f) standardised features.
        error: (n,) errors on labels that the pose's model has not learned from, in the same unit.
        rate_hz: labels a second.
        pull: observations by which the weights are pulled towards the shipped head's.

    Returns:
        (f + 2, 1) float32: weights of the shipped head's error and of the features, bias.
    """
    told = np.asarray(expected, np.float64)
    seen = np.column_stack([told, x.astype(np.float64)])
    errors = np.asarray(error, np.float64)
    logs = np.log(np.maximum(errors, SMALLEST_ERROR))
    rest = float(errors.mean()) * (1.0 + logs - logs.mean()) - told
    mean, middle, weight = seen.mean(axis=0), float(rest.mean()), 50.0 / rate_hz
    seen -= mean
    found = np.linalg.solve(
        weight * seen.T @ seen + pull * np.diag(np.r_[told.var() + 1e-3, np.ones(x.shape[1])]),
        weight * seen.T @ (rest - middle),
    )
    return _weights(np.r_[1.0 + found[0], found[1:], middle - mean @ found])


def error_without(error: npt.ArrayLike, confidence: npt.ArrayLike, share: float = 0.2) -> float:
    """Mean error when the least confident share is left out, as a share of the mean of all.

    Args:
        error: (n,) in any unit.
        confidence: (n,) anything that is larger where less error is expected.
        share: that is left out.
    """
    errors = np.asarray(error, np.float64)
    kept = np.argsort(np.asarray(confidence), kind="stable")[int(share * len(errors)) :]
    return float(errors[kept].mean() / errors.mean())
