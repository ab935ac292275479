"""Closures and pinches that the wearer did not make, counted by the hour."""

from __future__ import annotations

import numpy as np
import pytest

from models.arrays import Float32Array
from models.forward.poses import POSES
from models.hand import VALUES
from models.kinematics import bones, points
from models.metrics.false_alarms import FalseAlarms, events, false_alarms, pinch_mm, total

SECONDS = 60
N = SECONDS * 50
EVERYWHERE = np.ones(N, bool)
APART = np.full(N, 60.0, np.float32)


def closed(*spans: tuple[int, int]) -> Float32Array:
    """(n,) closure of 1 from one second to another, else 0."""
    out = np.zeros(N, np.float32)
    for start, stop in spans:
        out[start * 50 : stop * 50] = 1.0
    return out


def test_each_closing_of_a_hand_that_should_stay_open_counts_once() -> None:
    share = closed((5, 8), (20, 21))
    share[300:400] = 0.45
    found = false_alarms(share, APART, EVERYWHERE)
    assert (found.closures, found.pinches, found.seconds, found.closed_s) == (2, 0, SECONDS, 2.0)
    assert found.row()["closures_per_hour"] == pytest.approx(120.0)
    assert found.row()["closed"] == pytest.approx(2.0 / SECONDS)


def test_a_hand_that_trembles_around_the_threshold_closes_once() -> None:
    share = closed((5, 8))
    share[250:400:2] = 0.4
    assert false_alarms(share, APART, EVERYWHERE).closures == 1


def test_what_lasts_no_tenth_of_a_second_is_none() -> None:
    share = closed()
    share[100:104] = 1.0
    assert false_alarms(share, APART, EVERYWHERE).closures == 0


def test_closing_with_the_true_hand_a_little_early_or_late_is_none() -> None:
    truth = closed((10, 15), (30, 35))
    share = np.roll(truth, 20)
    assert false_alarms(share, APART, EVERYWHERE, truth, APART).closures == 0
    found = false_alarms(closed((10, 15), (40, 41)), APART, EVERYWHERE, truth, APART)
    assert found.closures == 1
    assert found.seconds == pytest.approx(SECONDS - 12.0, abs=0.2)


def test_time_that_does_not_count_has_no_alarms() -> None:
    valid = EVERYWHERE.copy()
    valid[: N // 2] = False
    assert false_alarms(closed((5, 6), (40, 41)), APART, valid).closures == 1


def test_the_tips_of_a_fist_do_not_pinch() -> None:
    pinch = APART.copy()
    pinch[500:600] = pinch[1500:1600] = 10.0
    found = false_alarms(closed((10, 12)), pinch, EVERYWHERE)
    assert (found.closures, found.pinches) == (1, 1)
    assert false_alarms(closed(), pinch, EVERYWHERE, closed(), pinch).pinches == 0


def test_pinch_and_open_hand_are_told_apart() -> None:
    hands = points(np.stack([POSES["pinch"], POSES["flat"], POSES["rest"]]), bones()).reshape(3, VALUES)
    pinch, flat, rest = pinch_mm(hands)
    assert pinch < 20.0
    assert min(flat, rest) > 32.0


def test_what_begins_and_does_not_end_lasts_to_the_end() -> None:
    on = np.zeros(20, bool)
    on[10:] = True
    assert events(on, ~on) == [slice(10, 20)]


def test_sums() -> None:
    assert total([FalseAlarms(1.0, 2, 3, 4.0)] * 2) == FalseAlarms(2.0, 4, 6, 8.0)
