"""Times of a tracker's clock on the process clock."""

from __future__ import annotations

import numpy as np
import pytest

from service.labels.source_clock import SourceClock


def test_delays_that_vary_are_taken_out() -> None:
    clock, rng = SourceClock(), np.random.default_rng(1)
    found = []
    for k in range(500):
        source = 5.0 + k / 100.0
        found.append(clock.at(source, 1000.0 + source + 0.004 + rng.exponential(0.02)) - source)
    assert max(found[100:]) - min(found[100:]) < 0.002
    assert found[-1] == pytest.approx(1000.004, abs=0.002)


def test_it_follows_a_clock_that_runs_slow() -> None:
    clock = SourceClock()
    found = [clock.at(0.999 * t, 1000.0 + t) - (1000.0 + t) for t in np.arange(0.0, 200.0, 0.02).tolist()]
    assert min(found) > -0.04


@pytest.mark.parametrize("jump", [-500.0, 500.0])
def test_a_clock_that_begins_anew_is_met_at_once(jump: float) -> None:
    clock = SourceClock()
    for k in range(100):
        clock.at(600.0 + k / 100.0, 1000.0 + k / 100.0)
    assert clock.at(600.0 + jump + 1.0, 1001.0) == pytest.approx(1001.0)
