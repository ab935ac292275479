"""What lowers the confidence of a pose, and how a person's labels change what it goes by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.arrays import Float32Array
from models.confidence import after_gap, error_without, fit_personal, of_channels, of_person, shipped_weights
from models.forward.generator import session
from models.onnx_edit import read_initializers, rewrite
from models.onnx_file import CONFIDENCE, CONFIDENCE_PERSONAL, EXPECTED_ERROR, FEATURE_MEAN, FEATURE_SCALE, FEATURES
from models.onnx_runner import OnnxRunner
from models.personal import standardise
from models.signal_check import check_signal

WEIGHTS = Path(__file__).parents[3] / "service" / "weights"
SHIPPED = {"raw200": (200.0, "raw"), "envelope50": (50.0, "envelope")}
FEATURE_COUNT = 12


def emg_of(name: str, user: int = 1003) -> Float32Array:
    rate_hz, mode = SHIPPED[name]
    return session(user, 0, 12.0, seed=1, rate_hz=rate_hz, emg_mode=mode, losses=False).emg


def confidence(name: str, emg: Float32Array) -> float:
    """Mean over the second half of a session: the running averages know by then what happened."""
    runner = OnnxRunner.open((WEIGHTS / f"{name}.onnx").read_bytes())
    found = runner.step_outputs(emg[None], (CONFIDENCE,))[0]
    assert found.shape == (1, len(emg), 1)
    assert ((found >= 0.0) & (found <= 1.0)).all()
    return float(found[0, len(emg) // 2 :].mean())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_lose_confidence_where_the_signal_is_unlike_any_that_was_trained_on(name: str) -> None:
    emg = emg_of(name)
    assert confidence(name, np.asarray(1000.0 * emg, np.float32)) < 0.5 * confidence(name, emg)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_flat_channel_lowers_it_together_with_the_state_of_the_signal(name: str) -> None:
    rate_hz, mode = SHIPPED[name]
    emg = emg_of(name)
    told = []
    for one in (emg, emg * (np.arange(8) != 3)):
        states = [check.state for check in check_signal(one, rate_hz, emg_mode=mode)]
        told.append(confidence(name, np.asarray(one, np.float32)) * of_channels(states))
    assert told[1] < 0.95 * told[0]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_graph_computes_what_of_person_does(name: str) -> None:
    content, emg = (WEIGHTS / f"{name}.onnx").read_bytes(), emg_of(name)[:400]
    values = read_initializers(content)
    weights = values[CONFIDENCE_PERSONAL].copy()
    np.testing.assert_array_equal(weights, shipped_weights(len(weights) - 2))
    weights += np.random.default_rng(1).normal(0.0, 0.05, weights.shape).astype(np.float32)
    runner = OnnxRunner.open(rewrite(content, {CONFIDENCE_PERSONAL: weights}))
    features, expected, found = (
        output[0] for output in runner.step_outputs(emg[None], (FEATURES, EXPECTED_ERROR, CONFIDENCE))
    )
    x = standardise(features, values[FEATURE_MEAN], values[FEATURE_SCALE])
    np.testing.assert_allclose(found[:, 0], of_person(expected[:, 0], x, weights), atol=1e-4)


def test_as_shipped_half_stands_for_an_error_like_a_still_hands() -> None:
    x = np.random.default_rng(2).normal(size=(3, FEATURE_COUNT)).astype(np.float32)
    found = of_person([0.5, 1.0, 1.5], x, shipped_weights(FEATURE_COUNT))
    np.testing.assert_allclose(found, [0.881, 0.5, 0.119], atol=1e-3)


def test_after_a_gap_it_begins_at_nothing_and_comes_back() -> None:
    factors = [after_gap(seconds) for seconds in (0.0, 0.1, 0.4, 1.0, 10.0)]
    assert factors == sorted(factors)
    assert factors[0] == 0.0
    assert factors[-1] == pytest.approx(1.0)


def test_each_bad_channel_lowers_it() -> None:
    factors = [of_channels(["good"] * (8 - bad) + ["flat"] * bad) for bad in range(9)]
    assert factors[0] == 1.0
    assert factors == sorted(factors, reverse=True)
    assert factors[8] > 0.0


def test_labels_teach_what_the_error_of_this_person_goes_by() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(8000, FEATURE_COUNT)).astype(np.float32)
    told = 0.8 + 0.1 * rng.normal(size=len(x))
    error = np.abs(0.8 + 0.2 * x[:, 4] + 0.1 * rng.normal(size=len(x)))
    weights = fit_personal(told[:4000], x[:4000], error[:4000])
    before = error_without(error[4000:], of_person(told[4000:], x[4000:], shipped_weights(FEATURE_COUNT)))
    after = error_without(error[4000:], of_person(told[4000:], x[4000:], weights))
    assert before == pytest.approx(1.0, abs=0.02)
    assert after < 0.95


def test_without_much_to_learn_from_the_shipped_head_stays() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(20, FEATURE_COUNT)).astype(np.float32)
    told = 0.8 + 0.1 * rng.normal(size=20)
    weights = fit_personal(told, x, told + 0.3 * rng.normal(size=20))
    changed = weights - shipped_weights(FEATURE_COUNT)
    assert np.abs(changed[1:-1]).max() < 0.05


def test_what_is_left_out_is_the_least_confident() -> None:
    error = np.array([1.0, 2.0, 3.0, 4.0, 10.0])
    assert error_without(error, -error) == pytest.approx(2.5 / 4.0)
    assert error_without(error, error) == pytest.approx(4.75 / 4.0)
