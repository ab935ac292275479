"""The sample clock against simulated armbands whose true sample times are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.sample_clock import AHEAD, AHEAD_S, CharacteristicOrder, SampleClock, Stamp, TooFast

RATE = 200.0
TOLERANCE_S = 0.005


@dataclass
class Armband:
    """Two samples a notification, four characteristics in turn, delivered late and in bursts."""

    seed: int
    crystal: float = 0.0
    jitter_s: float = 0.002
    burst: int = 1
    start: float = 1_763_900_000.0
    lost: frozenset[int] = frozenset()
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.period = (1.0 + self.crystal) / RATE

    def truth(self, sample: int) -> float:
        return self.start + sample * self.period

    def notifications(self, count: int) -> Iterable[tuple[int, float, int]]:
        """(index of the first sample, arrival, index)."""
        waiting: list[int] = []
        size = self.rng.integers(1, self.burst + 1)
        arrival = self.start
        for number in range(count):
            if number not in self.lost:
                waiting.append(number)
            if len(waiting) < size:
                continue
            arrival = max(arrival, self.truth(2 * number + 1) + self.rng.exponential(self.jitter_s))
            for each in waiting:
                yield 2 * each, arrival, each % 4
                arrival += 0.0002
            waiting, size = [], self.rng.integers(1, self.burst + 1)


def play(armband: Armband, clock: SampleClock, seconds: float, in_order: bool = True) -> list[tuple[int, Stamp]]:
    count = int(seconds * RATE / 2)
    return [
        (true, clock.stamp(2, arrival, characteristic_index=index if in_order else None))
        for true, arrival, index in armband.notifications(count)
    ]


def errors_after(armband: Armband, stamps: list[tuple[int, Stamp]], seconds: float) -> list[float]:
    return [abs(stamp.t - armband.truth(true)) for true, stamp in stamps if true > seconds * RATE]


def never_back(stamps: list[tuple[int, Stamp]], period: float) -> bool:
    """Not between frames, nor between the last row of one and the first of the next."""
    t = np.array([stamp.t for _, stamp in stamps])
    sample = np.array([stamp.sample for _, stamp in stamps])
    return bool((np.diff(t) >= 0).all() and (np.diff(sample) >= 2).all())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    crystal=st.floats(-0.01, 0.01),
    jitter_ms=st.floats(0.05, 8.0),
    burst=st.integers(1, 6),
    in_order=st.booleans(),
)
def test_times_are_within_5_ms_of_the_truth_after_10_s(
    seed: int, crystal: float, jitter_ms: float, burst: int, in_order: bool
) -> None:
    armband = Armband(seed, crystal, jitter_ms / 1000, burst)
    clock = SampleClock(RATE, loss_unit=2)
    stamps = play(armband, clock, 20.0, in_order)
    assert max(errors_after(armband, stamps, 10.0)) < TOLERANCE_S
    assert never_back(stamps, armband.period)
    assert clock.lost == 0
    assert [stamp.sample for _, stamp in stamps] == [true for true, _ in stamps]
    assert not any(stamp.gap for _, stamp in stamps)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    crystal=st.floats(-0.01, 0.01),
    burst=st.integers(1, 3),
    holes=st.lists(st.tuples(st.integers(500, 1700), st.integers(1, 3)), max_size=6),
)
def test_lost_notifications_are_found_at_once_by_the_broken_order(
    seed: int, crystal: float, burst: int, holes: list[tuple[int, int]]
) -> None:
    lost = frozenset(number for first, size in spread(holes) for number in range(first, first + size))
    armband = Armband(seed, crystal, 0.001, burst, lost=lost)
    clock = SampleClock(RATE, loss_unit=2)
    stamps = play(armband, clock, 20.0)
    assert clock.lost == 2 * len(lost)
    assert [stamp.sample for _, stamp in stamps] == [true for true, _ in stamps]
    assert sum(stamp.gap for _, stamp in stamps) == len(spread(holes))
    assert max(errors_after(armband, stamps, 10.0)) < TOLERANCE_S
    assert never_back(stamps, armband.period)


def spread(holes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Holes at least half a second apart."""
    kept: list[tuple[int, int]] = []
    for first, size in sorted(holes):
        if not kept or first >= kept[-1][0] + 60:
            kept.append((first, size))
    return kept


@pytest.mark.parametrize("size", [4, 8, 12, 40, 300])
@pytest.mark.parametrize("in_order", [True, False])
def test_a_loss_that_keeps_the_order_is_proved_by_the_clock(size: int, in_order: bool) -> None:
    armband = Armband(1, 0.004, 0.001, 2, lost=frozenset(range(1200, 1200 + size)))
    clock = SampleClock(RATE, loss_unit=2)
    stamps = play(armband, clock, 20.0, in_order)
    assert clock.lost == 2 * size
    late = [stamp for true, stamp in stamps if stamp.sample != true]
    assert len(late) <= 80, "found within 0.8 s"
    assert stamps[-1][1].sample == stamps[-1][0]
    assert sum(stamp.gap for _, stamp in stamps) == 1


def test_a_loss_without_order_is_proved_by_the_clock() -> None:
    armband = Armband(2, -0.006, 0.001, 1, lost=frozenset({1200}))
    clock = SampleClock(RATE, loss_unit=2)
    stamps = play(armband, clock, 20.0, in_order=False)
    assert clock.lost == 2
    assert stamps[-1][1].sample == stamps[-1][0]


@pytest.mark.parametrize("stall_s", [0.1, 0.4, 2.0])
def test_a_stall_that_delivers_everything_afterwards_is_no_loss(stall_s: float) -> None:
    armband = Armband(3, 0.005)
    clock = SampleClock(RATE, loss_unit=2)
    stalled_until = armband.start + 8.0 + stall_s
    stamps = []
    arrival = 0.0
    for true, on_time, index in armband.notifications(2000):
        arrival = max(on_time, arrival + 1e-4, stalled_until if on_time > armband.start + 8.0 else 0.0)
        stamps.append((true, clock.stamp(2, arrival, characteristic_index=index)))
    assert clock.lost == 0
    assert max(errors_after(armband, stamps, 10.0)) < TOLERANCE_S


def test_a_broken_order_that_arrives_on_time_is_no_loss() -> None:
    armband = Armband(4, 0.0, 0.0005)
    clock = SampleClock(RATE, loss_unit=2)
    for number, (_, arrival, index) in enumerate(armband.notifications(2000)):
        swapped = {1000: 1, 1001: 0}.get(number, index)
        clock.stamp(2, arrival, characteristic_index=swapped)
    assert clock.lost == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), crystal=st.floats(-0.01, 0.01), silence_s=st.floats(0.3, 20.0))
def test_after_a_reconnect_the_index_jumps_by_what_was_missed(seed: int, crystal: float, silence_s: float) -> None:
    first = Armband(seed, crystal, 0.001)
    clock = SampleClock(RATE, loss_unit=2)
    before = play(first, clock, 15.0)
    clock.restart()
    again = Armband(seed + 1, crystal, 0.001, start=first.truth(before[-1][0] + 2) + silence_s)
    after = play(again, clock, 15.0)
    assert [stamp.gap for _, stamp in after[:3]] == [True, False, False]
    missed = after[0][1].sample - (before[-1][1].sample + 2)
    assert missed == pytest.approx(silence_s / again.period, abs=6)
    assert clock.lost == missed
    assert max(errors_after(again, after, 3.0)) < TOLERANCE_S, "the crystal is known from before"
    assert never_back(before + after, first.period)


def test_a_late_first_delivery_is_corrected_without_a_step_back() -> None:
    armband = Armband(5, 0.0, 0.0005)
    clock = SampleClock(RATE, loss_unit=2)
    stamps = []
    for true, on_time, index in armband.notifications(1000):
        arrival = max(on_time, armband.start + 0.06)
        stamps.append((true, clock.stamp(2, arrival, characteristic_index=index)))
    assert never_back(stamps, armband.period)
    assert max(errors_after(armband, stamps, 1.0)) < TOLERANCE_S


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(1, 40), st.floats(0.0, 5.0), st.integers(0, 3)), max_size=300),
    rate=st.floats(1.0, 5000.0),
)
def test_whatever_arrives_time_and_index_never_step_back(steps: list[tuple[int, float, int]], rate: float) -> None:
    clock = SampleClock(rate, loss_unit=2)
    arrival, t, sample = 1e9, float("-inf"), -1
    clock.restart(arrival)
    for count, wait, index in steps:
        arrival += wait if sample >= 0 else 0.0
        try:
            stamp = clock.stamp(count, arrival, characteristic_index=index)
        except TooFast:
            clock.restart(arrival)
            continue
        assert stamp.t >= t
        assert stamp.t + (count - 1) / clock.rate_hz <= arrival + max(AHEAD_S, AHEAD / clock.rate_hz) + 1e-6
        assert stamp.sample > sample
        t, sample = stamp.t, stamp.sample + count - 1


@pytest.mark.case("F11")
@pytest.mark.parametrize("rows", [1, 7, 80])
def test_a_flood_is_told_and_the_clock_recovers(rows: int) -> None:
    """A hundred times too fast for ten seconds; the source opens its link anew each time that it is told."""
    clock = SampleClock(RATE, loss_unit=10, tolerance=0.05)
    arrival, t, told, waits = 1e9, float("-inf"), list[float](), False
    clock.restart(arrival)
    for seconds, rate_hz in ((10.0, RATE), (10.0, 100 * RATE), (20.0, RATE)):
        for _ in range(int(seconds * rate_hz / rows)):
            arrival += rows / rate_hz
            if waits:
                clock.restart(arrival)
            if waits := waits and clock.ahead_s(arrival) > 0:
                continue
            try:
                stamp = clock.stamp(rows, arrival)
            except TooFast as flood:
                told.append(flood.rate_hz)
                waits = True
                continue
            assert t <= stamp.t <= arrival + AHEAD_S + rows / RATE
            t = stamp.t
    assert told
    assert min(told) > 10 * RATE
    assert clock.rate_hz == pytest.approx(RATE, rel=0.005)
    assert stamp.t == pytest.approx(arrival - (rows - 1) / RATE, abs=0.05)


@pytest.mark.parametrize("rows", [1, 2, 50])
def test_samples_that_are_late_at_the_start_are_no_flood(rows: int) -> None:
    """The program was busy for four seconds when the first ones came: they come at once, then as they should."""
    clock = SampleClock(RATE, loss_unit=2)
    clock.restart(1e9)
    for n in range(int(20 * RATE / rows)):
        stamp = clock.stamp(rows, 1e9 + max(4.0, (n + 1) * rows / RATE) + 1e-4 * n)
    assert clock.lost == 0
    assert stamp.sample == n * rows


def test_another_rate_goes_on_from_here() -> None:
    clock = SampleClock(531.0, loss_unit=27, tolerance=0.05)
    first = clock.stamp(50, 1e9)
    clock.change_rate(500.0, loss_unit=25)
    second = clock.stamp(50, 1e9 + 0.1)
    assert (second.sample, second.lost, second.gap) == (50, 0, False)
    assert second.t >= first.t + 49 / 531.0
    assert clock.rate_hz == pytest.approx(500.0)


def test_reported_losses_are_taken_as_they_are() -> None:
    clock = SampleClock(250.0, loss_unit=256)
    assert clock.stamp(1, 100.0) == Stamp(0, 100.0)
    stamp = clock.stamp(1, 100.0 + 4 / 250, lost=3)
    assert (stamp.sample, stamp.lost, stamp.gap) == (4, 3, True)
    assert clock.lost == 3


def test_a_counter_of_eight_bits_is_completed_by_the_clock() -> None:
    clock = SampleClock(250.0, loss_unit=256)
    for n in range(2500):
        clock.stamp(1, 100.0 + n / 250)
    for n in range(2500 + 512, 5000):
        stamp = clock.stamp(1, 100.0 + n / 250)
    assert (clock.lost, stamp.sample) == (512, 4999)


def test_order_is_trusted_only_after_it_was_kept() -> None:
    order = CharacteristicOrder()
    assert [order.missing(index) for index in (0, 3, 1)] == [0, 0, 0]
    for index in range(2, 22):
        assert order.missing(index % 4) == 0
    assert order.missing(0) == 2
    assert order.trusted


@pytest.mark.parametrize(("rate", "loss_unit"), [(0.0, 2), (-1.0, 2), (float("nan"), 2), (200.0, 0)])
def test_a_clock_needs_a_rate_and_a_loss_unit(rate: float, loss_unit: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        SampleClock(rate, loss_unit=loss_unit)
