"""Losses by the numbers of packages: every way of counting that boards have."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.brainflow.packages import PROOF, PackageNumbers


def numbers(count: int, size: int, step: int = 1, first: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return ((first + step * np.arange(count)) % size).astype(float)


@pytest.mark.parametrize(("size", "step"), [(256, 1), (128, 1), (256, 2), (65_536, 1), (2**32, 1)])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_losses_are_exact_however_a_board_counts(size: int, step: int, data: st.DataObject) -> None:
    sent = numbers(1200, size, step, first=data.draw(st.integers(0, 120)) * step)
    # By then an eight-bit counter has shown how far it goes.
    lost = data.draw(st.sets(st.integers(PROOF + 300, 1199), max_size=40))
    kept = [n for n in range(1200) if n not in lost]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(kept)), max_size=10)))
    counter = PackageNumbers()
    found: list[tuple[int, int]] = []
    for start, stop in pairwise([0, *cuts, len(kept)]):
        found += [(kept[start + run.start], run.lost) for run in counter.runs(sent[kept[start:stop]])]
    expected = {after: after - before - 1 for before, after in pairwise(kept) if after - before > 1}
    assert {place: missing for place, missing in found if missing} == expected


@pytest.mark.parametrize(
    "sent",
    [
        np.repeat(numbers(400, 256), 2),
        np.zeros(800),
        np.random.default_rng(1).integers(0, 256, 800).astype(float),
        np.full(800, np.nan),
    ],
    ids=["two packages of one number", "none", "noise", "no number"],
)
def test_numbers_that_are_no_counter_are_not_believed(sent: np.ndarray) -> None:
    counter = PackageNumbers()
    assert [run.lost for run in counter.runs(sent)] == [0]
    assert not counter.believed


def test_another_link_may_count_from_anywhere() -> None:
    counter = PackageNumbers()
    list(counter.runs(numbers(300, 256)))
    counter.restart()
    assert [run.lost for run in counter.runs(numbers(100, 256, first=7))] == [0]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300))
def test_no_numbers_raise_and_every_package_is_in_one_run(sent: list[float]) -> None:
    runs = list(PackageNumbers().runs(np.array(sent)))
    assert [place for run in runs for place in range(run.start, run.stop)] == list(range(len(sent)))
