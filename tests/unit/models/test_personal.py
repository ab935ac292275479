"""The closed form of a personal head: what it finds, what little data may change, and how its sums add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arrays import Float32Array, Float64Array
from models.kinematics import ANGLES, ROM
from models.personal import FEATURE_LIMIT, LABEL_HZ, MAX_SUBSETS, PersonalStatistics, apply, standardise

FEATURES = 12


def person(seconds: float, seed: int = 0, noise: float = 0.02) -> tuple[Float32Array, Float64Array]:
    """Standardised features and residuals of somebody whose angles follow the features."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(99).normal(0, 0.1, (FEATURES + 1, len(ANGLES)))
    x = rng.normal(0, 1, (round(seconds * LABEL_HZ), FEATURES)).astype(np.float32)
    return x, x @ truth[:-1] + truth[-1] + rng.normal(0, noise, (len(x), len(ANGLES)))


def fitted(*parts: tuple[Float32Array, Float64Array], rate_hz: float = LABEL_HZ) -> PersonalStatistics:
    found = PersonalStatistics(FEATURES)
    for x, residual in parts:
        found.add(x, residual, rate_hz=rate_hz)
    return found


def left(head: Float32Array, x: Float32Array, residual: Float64Array) -> float:
    return float(np.abs(x @ head[:-1] + head[-1] - residual).mean())


def test_without_labels_nothing_changes() -> None:
    assert not PersonalStatistics(FEATURES).solve().any()
    assert PersonalStatistics(FEATURES).seconds == 0


def test_more_labels_leave_less_error() -> None:
    test = person(60, seed=1)
    errors = [np.abs(test[1]).mean(), *(left(fitted(person(s)).solve(), *test) for s in (10, 60, 600))]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.25 * errors[0]


def test_a_second_of_labels_changes_little() -> None:
    whole, little = fitted(person(600)).solve(), fitted(person(1)).solve()
    assert np.abs(little).max() < 0.05 * np.abs(whole).max()


def test_sums_of_pieces_are_the_sums_of_the_whole() -> None:
    x, residual = person(20)
    pieces = fitted((x[:300], residual[:300]), (x[300:], residual[300:]))
    merged = fitted((x[:300], residual[:300]))
    merged.merge(fitted((x[300:], residual[300:])))
    whole = fitted((x, residual))
    np.testing.assert_allclose(pieces.solve(), whole.solve(), atol=1e-6)
    np.testing.assert_allclose(merged.solve(), whole.solve(), atol=1e-6)
    assert pieces.rows == merged.rows == whole.rows == 1000
    assert whole.seconds == pytest.approx(20)


def test_the_rate_of_labels_does_not_matter() -> None:
    x, residual = person(60, noise=0.0)
    sparse = fitted((x[::5], residual[::5]), rate_hz=LABEL_HZ / 5)
    assert sparse.seconds == pytest.approx(60)
    np.testing.assert_allclose(sparse.solve(), fitted((x, residual)).solve(), atol=0.02)


def test_angles_without_labels_stay_as_shipped() -> None:
    x, residual = person(60)
    residual[:, 5:] = np.nan
    head = fitted((x, residual)).solve()
    assert head[:, :5].any(axis=0).all()
    assert not head[:, 5:].any()


def test_subsets_of_angles_are_each_fitted_on_their_own_rows() -> None:
    x, residual = person(60)
    some = residual.copy()
    some[:1000, 0] = np.nan
    some[2000:, 1] = np.nan
    some[::7] = np.nan
    head = fitted((x, some)).solve()
    known = np.isfinite(some)
    for angle in (0, 1, 2):
        rows = known[:, angle]
        np.testing.assert_allclose(head[:, angle], fitted((x[rows], residual[rows])).solve()[:, angle], atol=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_many_subsets_give_the_same_head_in_bounded_memory(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, residual = person(4)
    residual[rng.random(residual.shape) < 0.3] = np.nan
    found = fitted((x, residual))
    assert len(found._sums) <= MAX_SUBSETS
    for angle in (0, 19):
        rows = np.isfinite(residual[:, angle])
        alone = np.full((int(rows.sum()), len(ANGLES)), np.nan)
        alone[:, angle] = residual[rows, angle]
        np.testing.assert_allclose(found.solve()[:, angle], fitted((x[rows], alone)).solve()[:, angle], atol=1e-6)


def test_features_and_angles_stay_within_their_limits() -> None:
    wild = standardise(np.full((3, FEATURES), 1e6, np.float32), np.zeros(FEATURES), np.ones(FEATURES))
    assert np.abs(wild).max() == FEATURE_LIMIT
    head = np.full((FEATURES + 1, len(ANGLES)), 50.0, np.float32)
    bent = apply(wild, np.zeros((3, len(ANGLES)), np.float32), head)
    np.testing.assert_allclose(bent, np.repeat(ROM[None, :, 1], 3, axis=0))
