"""When windows fall due: the first at `window` samples, then every hop; anew after every gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.events import Frame
from service.engine.windower import Window, Windower
from tests.fakes.sources import frame, frames


def due(windower: Windower, *pushed: Frame) -> list[Window]:
    """The windows that fell due, where no frame completes more than one."""
    found = []
    for one in pushed:
        count, window = windower.push(one)
        assert count == (window is not None)
        if window is not None:
            found.append(window)
    return found


def test_first_at_window_samples_then_every_hop() -> None:
    windows = due(Windower(8, 4, 200.0), *frames(0, 30))
    assert [w.sample for w in windows] == [7, 11, 15, 19, 23, 27]
    assert [w.end for w in windows] == [8, 12, 16, 20, 24, 28]
    assert not any(w.gap for w in windows)


def test_a_stream_is_due_every_hop_from_the_start() -> None:
    assert [w.sample for w in due(Windower(0, 4, 200.0), *frames(0, 14))] == [3, 7, 11]


@given(window=st.integers(0, 20), hop=st.integers(1, 9), sizes=st.lists(st.integers(1, 40), max_size=30))
def test_how_samples_are_cut_into_frames_makes_no_difference(window: int, hop: int, sizes: list[int]) -> None:
    windower = Windower(window, hop, 200.0)
    sample = 0
    for size in sizes:
        count, newest = windower.push(frame(sample, size))
        sample += size
        grid = list(range(window or hop, sample + 1, hop))
        assert windower.due == len(grid)
        assert count == sum(end > sample - size for end in grid)
        if newest is not None:
            assert (newest.end, newest.sample, newest.count) == (grid[-1], grid[-1] - 1, grid[-1])


def test_a_window_carries_the_time_and_truth_of_exactly_its_newest_sample() -> None:
    truth = np.arange(6 * 63, dtype=np.float32).reshape(6, 63)
    windower = Windower(4, 4, 200.0)
    _, window = windower.push(frame(0, 6, t0=500.0, truth=truth, arrival=501.0))
    assert window is not None
    assert (window.sample, window.t, window.arrival) == (3, 500.0 + 3 / 200.0, 501.0)
    np.testing.assert_array_equal(window.truth, truth[3])


def test_time_follows_the_rate_of_a_faster_replay() -> None:
    windower = Windower(4, 4, 200.0)
    windower.rate_hz = 400.0
    _, window = windower.push(frame(0, 4, t0=500.0))
    assert window is not None
    assert window.t == 500.0 + 3 / 400.0


@pytest.mark.parametrize("marked", [True, False], ids=["gap flag", "jump of sample"])
def test_after_a_gap_it_starts_anew(marked: bool) -> None:
    windower = Windower(8, 4, 200.0)
    due(windower, *frames(0, 10))
    later = [*frames(10, 24)] if marked else [*frames(110, 124)]
    windows = due(windower, replace(later[0], gap=marked), *later[1:])
    assert [w.sample - later[0].first_sample for w in windows] == [7, 11]
    assert [w.gap for w in windows] == [True, False]
    assert windows[0].end == 18


def test_a_sample_that_goes_back_is_a_gap_too() -> None:
    windower = Windower(4, 4, 200.0)
    due(windower, *frames(0, 4))
    assert [(w.sample, w.gap) for w in due(windower, *frames(0, 4))] == [(3, True)]


def test_two_gaps_before_the_next_window_are_one() -> None:
    windower = Windower(8, 4, 200.0)
    due(windower, *frames(0, 8))
    windows = due(windower, *frames(20, 24), *frames(40, 52))
    assert [(w.sample, w.gap) for w in windows] == [(47, True), (51, False)]


def test_the_very_first_frame_is_no_gap() -> None:
    first = replace(frame(0, 4), gap=True)
    assert [w.gap for w in due(Windower(4, 4, 200.0), first)] == [False]


def test_samples_may_begin_anywhere() -> None:
    assert [w.sample for w in due(Windower(4, 4, 200.0), *frames(1000, 1008))] == [1003, 1007]
