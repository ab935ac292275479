"""Labels beside what the network computed at their moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.kinematics import ANGLES
from models.personal_labels import Labels
from models.personal_pairs import PersonalSession, earlier, pairs_of

T = np.arange(400) / 100.0
X = np.column_stack([np.sin(T), np.cos(T)]).astype(np.float32)
ZERO = np.zeros((3, len(ANGLES)), np.float32)


def session() -> PersonalSession:
    """Two features, and labels 50 a second that begin with the EMG."""
    label_t = np.arange(0.0, 3.9, 0.02)
    bent = np.repeat(label_t[:, None], len(ANGLES), axis=1).astype(np.float32)
    return PersonalSession("a", Labels(label_t, bent, None), T, X, np.zeros((len(T), len(ANGLES)), np.float32))


def test_a_model_that_aims_ahead_learns_each_row_with_the_label_of_later() -> None:
    ahead = replace(session(), ahead_s=0.12)
    pairs = pairs_of(ahead, ZERO)
    same = pairs_of(earlier(session(), 0.12), ZERO)
    np.testing.assert_array_equal(pairs.x, same.x)
    np.testing.assert_array_equal(pairs.residual, same.residual)
    # The label of 1.12 s stands beside the row of 1 s.
    at = int(np.argmin(np.abs(pairs.residual[:, 0] - 1.12)))
    np.testing.assert_allclose(pairs.x[at], [np.sin(1.0), np.cos(1.0)], atol=1e-5)
    assert pairs.known.sum() == len(pairs.x) < len(pairs_of(session(), ZERO).x)
