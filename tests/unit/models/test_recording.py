"""A session in memory: its segments, and ground truth between labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.recording import Recording


def recording(sample: list[int], **more: Any) -> Recording:
    count = len(sample)
    emg = np.zeros((count, 8), dtype=np.float32)
    return Recording(emg, np.array(sample) / 200.0, np.array(sample, dtype=np.int64), 200.0, **more)


def segments(of: Recording) -> list[tuple[int, int]]:
    return [(part.start, part.stop) for part in of.segments()]


def test_duration_counts_the_last_sample_too() -> None:
    assert recording(list(range(200))).duration_s == 1.0
    assert recording([]).duration_s == 0.0


def test_segments_end_where_samples_were_lost() -> None:
    assert segments(recording([0, 1, 2, 5, 6, 20])) == [(0, 3), (3, 5), (5, 6)]


def test_segments_end_where_time_is_broken() -> None:
    assert segments(recording([0, 1, 2, 3, 4], breaks=np.array([0, 2, 4, 5, 9]))) == [(0, 2), (2, 4), (4, 5)]


def test_nothing_has_no_segments() -> None:
    assert segments(recording([])) == []
    assert segments(recording([7])) == [(0, 1)]


@given(st.lists(st.integers(1, 3), max_size=30), st.lists(st.integers(-2, 40), max_size=5))
def test_segments_cover_everything_once_and_are_whole(steps: list[int], breaks: list[int]) -> None:
    made = recording(np.cumsum([0, *steps]).tolist(), breaks=np.array(breaks, dtype=np.int64))
    parts = segments(made)
    assert [edge for part in parts for edge in part][1:-1] == [edge for part in parts[:-1] for edge in (part[1],) * 2]
    assert (parts[0][0], parts[-1][1]) == (0, len(made))
    for start, stop in parts:
        assert (np.diff(made.sample[start:stop]) == 1).all()
        assert not any(start < at < stop for at in breaks)


def test_truth_is_interpolated_between_labels_and_held_outside() -> None:
    joints = np.stack([np.full(63, 10.0), np.full(63, 20.0), np.full(63, 40.0)]).astype(np.float32)
    made = recording([0, 1], joints=joints, label_t=np.array([1.0, 2.0, 4.0]))
    truth = made.joints_at(np.array([0.0, 1.0, 1.5, 2.0, 3.0, 9.0]))
    assert truth is not None
    assert truth.dtype == np.float32
    assert truth[:, 0].tolist() == [10.0, 10.0, 15.0, 20.0, 30.0, 40.0]


def test_labels_at_the_same_time_make_no_nan() -> None:
    joints = np.stack([np.full(63, 1.0), np.full(63, 2.0)]).astype(np.float32)
    truth = recording([0], joints=joints, label_t=np.array([1.0, 1.0])).joints_at(np.array([0.5, 1.0, 1.5]))
    assert truth is not None
    assert np.isfinite(truth).all()


def test_one_label_counts_always_and_none_never() -> None:
    one = recording([0], joints=np.full((1, 63), 3.0, dtype=np.float32), label_t=np.array([1.0]))
    truth = one.joints_at(np.array([0.0, 5.0]))
    assert truth is not None
    assert truth.tolist() == [[3.0] * 63] * 2
    assert recording([0]).joints_at(np.array([0.0])) is None
    none = recording([0], joints=np.empty((0, 63), dtype=np.float32), label_t=np.empty(0))
    assert none.joints_at(np.array([0.0])) is None
