"""The ring holds the newest rows; a channel that carries the row's number proves which."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arrays import Float32Array
from service.engine.ring import Ring


def rows(start: int, stop: int) -> Float32Array:
    """(stop - start, 8): each row carries its number."""
    return np.repeat(np.arange(start, stop, dtype=np.float32)[:, None], 8, axis=1)


@given(st.integers(1, 12), st.lists(st.integers(0, 30), max_size=20))
def test_every_stretch_that_it_holds_is_right(capacity: int, sizes: list[int]) -> None:
    ring = Ring(capacity)
    total = 0
    for size in sizes:
        ring.push(rows(total, total + size))
        total += size
        assert ring.rows == total
        oldest = max(0, total - capacity)
        for end in range(oldest, total + 1):
            for count in range(end - oldest + 1):
                np.testing.assert_array_equal(ring.view(end, count), rows(end - count, end))


def test_a_view_is_contiguous_and_no_copy() -> None:
    ring = Ring(8)
    ring.push(rows(0, 13))
    view = ring.view(13, 8)
    assert view.flags.c_contiguous
    assert view.base is not None
    assert not view.flags.owndata
    ring.push(rows(13, 14))
    assert view[0, 0] == 13.0


@pytest.mark.parametrize(("end", "count"), [(14, 1), (13, 9), (5, 1), (6, 2)])
def test_what_it_does_not_hold_is_an_error(end: int, count: int) -> None:
    ring = Ring(8)
    ring.push(rows(0, 13))
    with pytest.raises(IndexError, match="ring of 8"):
        ring.view(end, count)


def test_what_has_not_come_yet_is_an_error() -> None:
    ring = Ring(8)
    ring.push(rows(0, 3))
    with pytest.raises(IndexError):
        ring.view(3, 4)
