"""What the benchmark makes of its measurements: distributions, limits, stages, windows."""

from __future__ import annotations

import numpy as np
import pytest

from service.bench.report.statistics import Limit, Times
from service.bench.workloads import soak, swap
from service.bench.workloads.latency import STAGES, continuity, stage_times
from service.bench.workloads.windows import cut


def test_times_are_milliseconds() -> None:
    times = Times.of(np.arange(101) / 1000.0)
    assert (times.n, times.p50, times.p95, times.p99, times.max) == pytest.approx((101, 50.0, 95.0, 99.0, 100.0))
    assert times.mean == pytest.approx(50.0)
    assert Times.of([]) == Times(0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "relation", "limit", "ok"),
    [
        (1.0, "<=", 1.0, True), (1.1, "<=", 1.0, False), (1.0, "<", 1.0, False), (0.9, "<", 1.0, True),
        (1.0, ">=", 1.0, True), (0.9, ">=", 1.0, False), (3, "==", 3, True), (3, "==", 4, False),
    ],
)  # fmt: skip
def test_limits(value: float, relation: str, limit: float, ok: bool) -> None:
    made = Limit("figure", value, relation, limit)  # type: ignore[arg-type]
    assert made.ok is ok
    assert made.as_dict()["ok"] is ok


def poses(*seqs: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A server's notes: pose k arrives at k s, and each next place is reached 1 ms later."""
    return np.array([[seq, 7 + 4 * seq, 0, 0, *(seq + 0.001 * np.arange(6))] for seq in seqs], dtype=np.float64)


def test_stages_add_up_to_the_total() -> None:
    sent = np.array([[client, seq, seq + 0.006] for client in (0, 1) for seq in range(5)])
    received = np.array(
        [[client, seq, 7 + 4 * seq, 0, 0, seq + 0.007 + 0.001 * client] for client in (1, 0) for seq in (1, 3, 4)]
    )
    stages = stage_times(poses(*range(5)), sent, received)
    assert list(stages) == list(STAGES)
    assert all(len(times) == 6 for times in stages.values())
    np.testing.assert_allclose(sum(stages[name] for name in stages if name != "total"), stages["total"])
    np.testing.assert_allclose(sorted(stages["total"]), [0.007] * 3 + [0.008] * 3)


def test_what_only_one_side_has_is_left_out() -> None:
    sent = np.array([[0, 1, 1.006], [0, 2, 2.006], [0, 9, 9.006]])
    received = np.array([[0, 2, 15, 0, 0, 2.007], [0, 3, 19, 0, 0, 3.007], [0, 9, 43, 0, 0, 9.007]])
    assert len(stage_times(poses(1, 2, 3), sent, received)["total"]) == 1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0, 0, 7, 0, 0], [0, 1, 11, 0, 0], [0, 2, 15, 0, 0]], (0, 0)),
        ([[0, 0, 7, 0, 0], [0, 1, 19, 2, 0], [0, 2, 23, 0, 0]], (0, 0)),  # two skipped, and counted
        ([[0, 0, 7, 0, 0], [0, 1, 19, 1, 0]], (0, 1)),  # two skipped, one counted
        ([[0, 0, 7, 0, 0], [0, 3, 19, 0, 0]], (2, 0)),  # this client missed two
        ([[0, 0, 7, 0, 0], [0, 1, 90, 0, 1]], (0, 0)),  # a gap begins anew
        ([[0, 5, 27, 0, 0], [1, 0, 7, 0, 0], [0, 6, 31, 0, 0], [1, 1, 11, 0, 0]], (0, 0)),  # two clients
    ],
)  # fmt: skip
def test_continuity_as_clients_see_it(rows: list[list[float]], expected: tuple[int, int]) -> None:
    received = np.array([[*row, 0.0] for row in rows], dtype=np.float64)
    assert continuity(received, hop=4) == expected


def test_windows_are_cut_where_all_samples_are_there() -> None:
    sample = np.array([10, 11, 12, 13, 20, 21, 22])
    emg = np.repeat(sample[:, None], 8, axis=1).astype(np.float32)
    windows = cut(emg, sample, np.array([11, 12, 13, 20, 21, 22, 23]), 3)
    np.testing.assert_array_equal(windows[:, :, 0], [[10, 11, 12], [11, 12, 13], [20, 21, 22]])
    assert cut(emg, sample, np.array([12, 13]), 3, most=1).shape == (1, 3, 8)
    assert cut(emg, sample, np.array([99]), 3).shape == (0, 3, 8)


def test_growth_is_measured_from_the_end_of_the_first_minute() -> None:
    def made(*rss: float) -> soak.Soak:
        return soak.Soak(1, 1, 0, 0, 0, 0.0, 0, 0, 0, 0, 0, rss)

    assert made(*[50.0] * 60, *[80.0] * 60, *[100.0] * 260, 104.0, 100.0).growth_percent == pytest.approx(4.0)
    assert made(*[50.0] * 3, *[100.0] * 3, *[90.0] * 3).growth_percent == 0.0


def test_hops_and_missing_poses_between_those_that_a_client_got() -> None:
    seq = np.array([(7, 40), (8, 44), (9, 52), (12, 56)])
    assert swap.continuity(seq, 4) == (2.0, 2)
