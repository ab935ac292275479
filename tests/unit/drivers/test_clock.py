from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from drivers import clock
from drivers.clock import CLOCK, ProcessClock, now
from drivers.clock_shift import ClockShift, shifted
from drivers.sample_clock import SampleClock


class Computer:
    """Its clocks, as the process clock reads them."""

    def __init__(self) -> None:
        self.wall_s, self.running_s, self.slept_s = 1.7e9, 100.0, 0.0

    def run(self, seconds: float) -> None:
        self.wall_s += seconds
        self.running_s += seconds

    def sleep(self, seconds: float) -> None:
        self.wall_s += seconds
        self.slept_s += seconds


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    made = Computer()
    clocks = SimpleNamespace(time=lambda: made.wall_s, perf_counter=lambda: made.running_s)
    monkeypatch.setattr(clock, "time", clocks)
    monkeypatch.setattr(clock, "_slept", lambda: made.slept_s)
    return made


def test_the_process_clock_is_unix_time() -> None:
    assert now() == pytest.approx(time.time(), abs=1.0)
    assert shifted() == 0.0


@pytest.mark.case("B35")
def test_what_the_computer_slept_is_added_at_once(computer: Computer) -> None:
    shift = ClockShift()
    process = ProcessClock(shift)
    computer.run(5.0)
    computer.sleep(3600.0)
    assert process.now() == computer.wall_s
    assert shift.seconds == 3600.0


@pytest.mark.case("B35")
def test_a_clock_that_is_set_late_counts_from_the_next_stretch(computer: Computer) -> None:
    shift = ClockShift()
    process = ProcessClock(shift)
    computer.wall_s += 86400.0
    computer.run(1.0)
    assert process.now() == computer.wall_s - 86400.0
    assert process.anchor_anew() == 86400.0
    assert process.now() == computer.wall_s
    assert shift.seconds == 86400.0


@pytest.mark.case("B35")
@pytest.mark.parametrize("set_by_s", [-3600.0, -0.5, 0.5])
def test_it_never_steps_back_and_leaves_small_differences(computer: Computer, set_by_s: float) -> None:
    shift = ClockShift()
    process = ProcessClock(shift)
    before = process.now()
    computer.wall_s += set_by_s
    assert process.anchor_anew() == set_by_s
    assert process.now() == before
    assert shift.seconds == 0.0


@pytest.mark.case("B35")
def test_samples_move_with_the_clock_and_none_counts_as_lost() -> None:
    moved_s = [0.0]
    samples = SampleClock(200.0, loss_unit=1, shifted=lambda: moved_s[0])
    for number in range(800):
        last = samples.stamp(2, 1000.0 + number * 0.01)
    moved_s[0] = 3600.0
    after = samples.stamp(2, 4600.0 + 800 * 0.01)
    assert (after.lost, after.gap, after.sample) == (0, True, 1600)
    assert after.t - last.t == pytest.approx(3600.01, abs=0.01)


def test_the_clock_of_this_process_is_shared() -> None:
    assert CLOCK.now() == pytest.approx(now(), abs=0.1)
