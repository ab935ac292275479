"""The measure of confidence of one person's model, from what that person's labels leave of its poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.confidence import fit_personal
from models.personal import PersonalStatistics, apply
from models.personal_labels import Labels
from models.personal_pairs import PersonalSession, weighted_statistics_of

BLOCKS: Final = 4
"""Parts of each session that are predicted by a head that has not learned from them."""


def confidence_weights(
    sessions: Sequence[PersonalSession], head: Float32Array, *, fitted: bool = True
) -> Float32Array | None:
    """Fit `confidence_personal`, (f + 2, 1), to what the labels leave of poses that were not fitted to them.

    Args:
        sessions: labelled ones that a personal head is fitted to.
        head: (f + 1, 20) of the model that is fitted further.
        fitted: whether the confidence is that of the fitted model; else of the model as it is.

    Returns:
        None where the model has no measure for its confidence.
    """
    parts = [part for session in sessions for part in _blocks(session)]
    sums = [weighted_statistics_of([part], head) for part in parts]
    known = np.concatenate([part.labels.angles for part in parts])
    mean = np.nansum(known, axis=0) / np.maximum(np.isfinite(known).sum(axis=0), 1)
    scale = float(np.nanmean(_error(mean, known)))
    told, x, error = [], [], []
    for number, part in enumerate(parts):
        if part.expected is None:
            return None
        others = PersonalStatistics(len(head) - 1)
        for other, one in enumerate(sums):
            if other != number:
                others.merge(one)
        used = np.asarray(head + others.solve(), np.float32) if fitted else head
        row = part.rows(part.labels.t)
        rows = row[row >= 0]
        told.append(part.expected[rows])
        x.append(part.x[rows])
        error.append(_error(apply(part.x[rows], part.shipped[rows], used), part.labels.angles[row >= 0]) / scale)
    errors = np.concatenate(error)
    labelled = np.isfinite(errors)
    rate_hz = float(np.median([session.labels.rate_hz for session in sessions]))
    return fit_personal(np.concatenate(told)[labelled], np.concatenate(x)[labelled], errors[labelled], rate_hz=rate_hz)


def _blocks(session: PersonalSession) -> list[PersonalSession]:
    labels = session.labels
    edges = np.linspace(0, len(labels.t), BLOCKS + 1).astype(int)
    cuts = [slice(int(start), int(stop)) for start, stop in pairwise(edges) if stop > start]
    return [
        replace(
            session,
            labels=Labels(labels.t[cut], labels.angles[cut], None if labels.joints is None else labels.joints[cut]),
        )
        for cut in cuts
    ]


def _error(angles: Float32Array, truth: Float32Array) -> Float64Array:
    """Mean absolute difference of the labelled angles, (n,) radians; NaN in rows without a label."""
    off = np.abs(np.asarray(angles - truth, np.float64))
    known = np.isfinite(off)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, off, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
