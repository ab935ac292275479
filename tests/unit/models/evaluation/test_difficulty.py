"""The generator is neither trivial nor hopeless to invert, and the measure of that looks at nothing later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.arrays import Float64Array
from models.evaluation.difficulty import Row, features, personal, table
from models.forward import generator
from models.forward.generator import FIRST_UNSEEN_USER, session
from models.forward.variants import VARIANTS
from models.hand import VALUES
from models.metrics.pose_error import mpjpe, r2


@pytest.mark.slow
def test_mean_pose_is_about_22_mm_away() -> None:
    for first in (0, FIRST_UNSEEN_USER):
        joints = [session(user, 0, 30.0).joints for user in range(first, first + 20)]
        truth = np.concatenate([one for one in joints if one is not None])
        error = mpjpe(truth, np.repeat(truth.mean(axis=0)[None], len(truth), axis=0))
        assert 20.5 <= error <= 23.5, (first, error)


@pytest.mark.slow
def test_own_data_explain_half_and_another_users_nothing() -> None:
    rows = {(row.learner, row.split): row for row in personal(1, 500.0, "A")}
    own, other = rows["extra-trees", "own user, block"], rows["extra-trees", "another user"]
    assert 0.3 < own.r2 < 0.75
    assert other.r2 < 0.2
    assert own.mpjpe_mm < 0.8 * rows["mean pose", "own user, block"].mpjpe_mm
    assert rows["ridge", "own user, block"].r2 < own.r2


def test_features_are_causal_running_averages() -> None:
    made = session(0, 0, 8.0, losses=False)
    x, y = features(made, stride=1)
    assert x.shape == (150, 48)
    assert y.shape == (150, VALUES)
    level: Float64Array = np.zeros(8)
    keep = np.exp(-1.0 / (0.3 * 200.0))
    for sample in np.abs(made.emg[:1001]):
        level = keep * level + (1.0 - keep) * sample
    np.testing.assert_allclose(x[0, 8:16], np.log1p(level), rtol=1e-5)
    shorter = session(0, 0, 7.0, losses=False)
    np.testing.assert_array_equal(features(shorter, stride=1)[0], x[:100])


def test_errors_have_their_textbook_values() -> None:
    truth = np.zeros((4, VALUES), dtype=np.float32)
    truth[:, 3:] = np.arange(4)[:, None]
    shifted = truth.copy()
    shifted[:, 3::3] += 3.0
    shifted[:, 4::3] += 4.0
    assert mpjpe(truth, shifted) == pytest.approx(5.0)
    assert r2(truth, truth) == 1.0
    assert r2(truth, np.repeat(truth.mean(axis=0)[None], 4, axis=0)) == pytest.approx(0.0)


def test_table_has_a_line_per_learner_and_a_column_per_split() -> None:
    rows = [Row("ridge", "block", 20.04, 0.126), Row("ridge", "user", 21.0, -0.5), Row("trees", "block", 18.0, 0.3)]
    assert table(rows).splitlines() == [
        "| | block | user |",
        "|---|---|---|",
        "| ridge | 20.0 (0.13) | 21.0 (-0.50) |",
        "| trees | 18.0 (0.30) |",
    ]


def test_recordings_without_truth_are_refused() -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="ground truth"):
        features(replace(session(0, 0, 2.0), joints=None))


def test_the_readme_is_of_this_generator() -> None:
    text = (Path(generator.__file__).parent / "README.md").read_text()
    for variant in VARIANTS.values():
        assert f"Generator {variant.label}, MPJPE in mm (R2), synthetic" in text
