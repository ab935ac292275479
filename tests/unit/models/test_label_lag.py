"""How late labels are: muscles whose strength is known move joints at a known time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.hand import mirror
from models.kinematics import ANGLES, bones, points
from models.label_lag import BEHIND_S, CLOCKS, LIVE_SPAN_S, REACTION, LagData, LagEstimator

RATE_HZ = 200.0
FIRST = 1000.0


def moving(seconds: float, behind_s: float, *, label_hz: float = 50.0, seed: int = 1) -> LagData:
    """EMG of eight muscles, and angles that follow their strengths later."""
    rng = np.random.default_rng(seed)
    knots = rng.uniform(0.0, 1.0, (round(seconds / 0.4) + 40, 8))

    def strength(t: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        smooth = np.stack([np.convolve(column, [0.25, 0.5, 0.25], "same") for column in knots.T], axis=1)
        times = np.arange(len(knots)) * 0.4 - 4.0
        return np.stack([np.interp(t, times, column) for column in smooth.T], axis=1)

    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    emg = 40.0 * strength(t) ** 2 * rng.normal(size=(len(t), 8)) + 3.0
    label_t = np.arange(0.0, seconds, 1.0 / label_hz)
    mixing = rng.normal(size=(8, len(ANGLES)))
    bent = 0.5 * strength(label_t - behind_s) @ mixing + rng.normal(0.0, 0.02, (len(label_t), len(ANGLES)))
    return LagData(FIRST + t, emg.astype(np.float32), FIRST + label_t, bent.astype(np.float32))


@pytest.mark.parametrize("lag_s", [-0.08, 0.0, 0.06, 0.13, 0.28])
def test_a_lag_is_found(lag_s: float) -> None:
    found = moving(60.0, BEHIND_S["raw"] + lag_s).estimate()
    assert found is not None
    assert found.seconds == pytest.approx(lag_s, abs=0.02)
    assert found.error_s < 0.02
    assert found.explained > 0.3


def test_a_reaction_time_is_a_lag_the_other_way() -> None:
    data = replace(moving(60.0, BEHIND_S["raw"] - 0.35), range=REACTION)
    found = data.estimate()
    assert found is not None
    assert found.seconds == pytest.approx(-0.35, abs=0.02)


@pytest.mark.parametrize("lag_s", [-0.2, 0.5])
def test_what_lies_outside_is_not_told(lag_s: float) -> None:
    assert moving(60.0, BEHIND_S["raw"] + lag_s).estimate() is None


def test_labels_that_come_seldom_and_not_always() -> None:
    data = moving(90.0, BEHIND_S["raw"] + 0.1, label_hz=15.0)
    seen = np.random.default_rng(2).random(len(data.label_t)) > 0.15
    seen[(data.label_t - FIRST > 30) & (data.label_t - FIRST < 45)] = False
    order = np.random.default_rng(3).permutation(int(seen.sum()))
    found = replace(data, label_t=data.label_t[seen][order], angles=data.angles[seen][order]).estimate()
    assert found is None or found.seconds == pytest.approx(0.1, abs=0.02)
    ordered = replace(data, label_t=data.label_t[seen], angles=data.angles[seen]).estimate()
    assert ordered is not None
    assert ordered.seconds == pytest.approx(0.1, abs=0.02)


def test_a_few_angles_are_enough() -> None:
    data = moving(60.0, BEHIND_S["raw"] + 0.1)
    data.angles[:, [k for k in range(20) if k not in (4, 6, 8, 10)]] = np.nan
    found = data.estimate()
    assert found is not None
    assert found.seconds == pytest.approx(0.1, abs=0.025)


def test_a_hole_in_the_signal() -> None:
    data = moving(60.0, BEHIND_S["raw"] + 0.1)
    heard = (data.emg_t - FIRST < 20) | (data.emg_t - FIRST > 26)
    found = replace(data, emg_t=data.emg_t[heard], emg=data.emg[heard]).estimate()
    assert found is not None
    assert found.seconds == pytest.approx(0.1, abs=0.02)


def test_labels_of_another_hand_tell_nothing() -> None:
    data, other = moving(60.0, BEHIND_S["raw"]), moving(60.0, BEHIND_S["raw"], seed=9)
    assert replace(data, angles=other.angles).estimate() is None


@pytest.mark.parametrize("seconds", [0.5, 10.0])
def test_too_short(seconds: float) -> None:
    assert moving(seconds, BEHIND_S["raw"]).estimate() is None


def test_a_still_hand() -> None:
    data = moving(60.0, BEHIND_S["raw"])
    assert replace(data, angles=np.zeros_like(data.angles)).estimate() is None


def test_nothing_came_yet() -> None:
    estimator = LagEstimator(RATE_HZ, "raw")
    assert estimator.collected()().estimate() is None
    estimator.add_emg(FIRST, np.zeros((2, 8), np.float32))
    assert estimator.collected()().estimate() is None


@pytest.mark.parametrize("worn", ["left", "right"])
def test_points_and_angles_say_the_same(worn: str) -> None:
    bent = np.deg2rad(np.linspace(-5.0, 60.0, 20))
    joints = points(bent[None], bones())[0].reshape(63)
    estimator = LagEstimator(RATE_HZ, "raw", CLOCKS)
    estimator.add_label(2.0, mirror(joints) if worn == "left" else joints, {}, "left" if worn == "left" else "right")
    named = dict(zip(ANGLES, np.rad2deg(bent).tolist(), strict=True))
    estimator.add_label(1.0, None, named, "right")
    data = estimator.collected()()
    assert data.label_t.tolist() == [1.0, 2.0]
    np.testing.assert_allclose(data.angles, [bent, bent], atol=1e-3)


def test_only_the_newest_is_kept() -> None:
    estimator = LagEstimator(RATE_HZ, "raw")
    for k in range(400):
        estimator.add_emg(FIRST + k, np.zeros((1, 8), np.float32))
        estimator.add_label(FIRST + k, None, {"index_mcp_fe": 1.0}, "right")
    data = estimator.collected()()
    assert len(data.emg_t) == len(data.label_t) == 181


def test_labels_of_another_clock_are_left_out_and_the_rest_stays_bounded() -> None:
    estimator = LagEstimator(RATE_HZ, "raw")
    estimator.add_emg(0.0, np.zeros((1, 8), np.float32))
    estimator.add_label(3e7, None, {"index_mcp_fe": 10.0}, "right")
    for second in range(600):
        estimator.add_emg(float(second), np.zeros((1, 8), np.float32))
        estimator.add_label(float(second), None, {"index_mcp_fe": 10.0}, "right")
    kept = estimator.collected()().label_t
    assert kept[0] == 600 - 1 - LIVE_SPAN_S
    assert kept[-1] == 599.0
