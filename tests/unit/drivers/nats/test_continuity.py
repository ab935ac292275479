"""Samples over a broker are numbered without a repetition, and never backwards."""

from __future__ import annotations

import numpy as np

from drivers.events import Frame
from drivers.nats.continuity import Continuity


def frame(first: int, t: float, rows: int = 4) -> Frame:
    return Frame(first, t, np.zeros((rows, 8), np.float32), t)


def taken(continuity: Continuity, *frames: Frame) -> list[tuple[int, bool]]:
    found = map(continuity.take, frames)
    return [(one.first_sample, one.gap) for one in found if one is not None]


def test_consecutive_frames_stay_as_they_are() -> None:
    assert taken(Continuity(), frame(8, 1.0), frame(12, 1.02), frame(16, 1.04)) == [
        (8, False),
        (12, False),
        (16, False),
    ]


def test_a_hole_is_a_gap() -> None:
    assert taken(Continuity(), frame(0, 1.0), frame(8, 1.04)) == [(0, False), (8, True)]


def test_what_comes_a_second_time_is_left_out() -> None:
    continuity = Continuity()
    assert taken(continuity, frame(0, 1.0), frame(4, 1.02), frame(0, 1.0), frame(4, 1.02), frame(8, 1.04)) == [
        (0, False),
        (4, False),
        (8, False),
    ]
    assert continuity.duplicates == 8


def test_a_server_that_counts_anew_goes_on_where_the_samples_ended() -> None:
    found = taken(Continuity(), frame(100, 1.0), frame(0, 5.0), frame(4, 5.02), frame(0, 5.0), frame(8, 5.04))
    assert found == [(100, False), (104, True), (108, False), (112, False)]


def test_another_armband_keeps_its_own_numbers() -> None:
    continuity = Continuity()
    assert taken(continuity, frame(100, 1.0)) == [(100, False)]
    continuity.restart()
    assert taken(continuity, frame(7, 0.5)) == [(7, False)]
