"""The benchmark's runs, small: counts must agree; of times only that they are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.bench.workloads import bands, fanout, frameworks, soak, swap
from service.bench.workloads.latency import LatencyConfig, run
from service.engine.predictor import ModelFile


def ignore(text: str, share: float) -> None:
    assert text
    assert 0.0 <= share <= 1.0


@pytest.mark.alone
@pytest.mark.parametrize("kind", [0, 1])
def test_latency(kind: int, tiny_models: tuple[Path, Path], tmp_path: Path) -> None:
    measured = run(LatencyConfig("synthetic:?seed=2", tiny_models[kind], None, 2, 2.0), tmp_path, ignore)
    result = measured.result
    counts = result.counts
    assert counts["poses"] > 0
    assert counts["due"] == sum(counts[key] for key in ("poses", "skipped", "invalid", "unfinished"))
    assert result.unaccounted == 0
    assert {times.n for times in result.stages.values()} == {result.delivered}
    assert result.delivered > 0
    assert all((values >= 0.0).all() for name, values in measured.stages.items() if name != "client")
    assert result.stages["total"].p50 >= result.stages["inference"].p50
    assert result.onnxruntime.n > 0
    assert result.sustained_hz > 0
    assert result.server_rss_mb > 0
    assert measured.model == tiny_models[kind]


def test_fan_out_of_ours_and_of_the_reference_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "LONGER_ALONE", 1.0)
    result = fanout.run(0.5, ignore, clients=(1, 10), stall_s=1.0)
    assert [row.clients for row in result.rows] == [1, 10]
    for row in result.rows:
        assert row.ours.rate_hz > 0
        assert row.reference.rate_hz > 0
        assert 0.1 < row.ratio < 5.0
    assert result.stalled is not None
    assert result.stalled.slowest_hz > 0
    assert len(result.limits()) == 5


def test_many_clients_on_the_whole_server(tiny_window: Path) -> None:
    many = fanout.run_many_clients("synthetic:", tiny_window, None, 2.0, ignore, clients=30)
    assert many.clients == 30
    assert 0.0 < many.slowest_hz <= 60.0
    assert 0.0 <= many.share <= 1.0
    assert many.skipped >= 0


def test_many_armbands_in_one_process(tiny_stream: Path, tmp_path: Path) -> None:
    result = bands.run(tmp_path, tiny_stream, ignore, 1.0, (1, 3))
    assert [one.bands for one in result.rounds] == [1, 3]
    assert all(0.0 < one.share <= 1.0 and 0.0 < one.delivered <= 1.0 for one in result.rounds)
    assert all(one.cpu_percent > 0.0 and one.rss_mb > 0.0 for one in result.rounds)
    assert len(result.limits()) == 2


def test_soak_counts_every_sample_and_window(tiny_window: Path, tmp_path: Path) -> None:
    result = soak.run(tmp_path, tiny_window, ignore, minutes=0.4, speed=20.0)
    assert result.in_file == result.played == result.recorded == 4800
    assert result.due == result.due_expected == 1 + (4800 - 8) // 4
    assert result.poses + result.skipped == result.due
    assert 0 < result.delivered <= result.poses
    assert min(result.rss_mb) > 0


def test_five_minutes_of_faults_lose_no_sample_and_leave_nothing_behind(tiny_stream: Path, tmp_path: Path) -> None:
    result = soak.run(tmp_path, tiny_stream, ignore, minutes=5.0, speed=20.0, faults=1)
    assert len(result.struck) >= 5
    assert result.wrong == ()
    assert result.in_file == result.played == result.recorded == 60_000
    assert result.poses + result.skipped == result.due == result.due_expected
    assert set(result.leaked) == {"tasks", "threads", "files"}
    assert max(result.leaked.values()) <= 0


@pytest.mark.alone
def test_swaps_lose_nothing_and_learning_has_a_price(tmp_path: Path) -> None:
    result = swap.run(tmp_path, None, ignore, swap.SwapConfig(run_up_s=3.0, learn_s=4.0, swaps=2))
    assert [(one.kind, one.swaps) for one in result.kinds[1:4]] == [("matrix", 3), ("model", 2), ("head", 2)]
    assert all(one.missed == 0 for one in result.kinds)
    assert all(one.first_mm < 1.0 for one in result.kinds if one.first_mm is not None)
    assert result.labels > 50
    assert result.learning_percent > 0.0
    assert result.fit_s > 0.0
    assert len(result.limits()) == 4 + 3 + 2


@pytest.mark.train
@pytest.mark.timeout(600)
def test_compare_runs_the_same_network_three_ways(tmp_path: Path) -> None:
    model = frameworks.untrained("lstm_ae_small", tmp_path)
    windows = tmp_path / "windows.npy"
    rows = ModelFile(model).spec.window
    np.save(windows, np.random.default_rng(5).normal(0.0, 20.0, (20, rows, 8)).astype(np.float32))
    result = frameworks.compare(model, windows, 1.0)
    assert result.trained
    assert result.differ_mm is not None
    assert result.differ_mm < 0.01
    assert result.keras_predict.n == result.tf_function.n == result.onnxruntime.n > 0
    assert result.predict_ratio > 2.0
    model.with_suffix(".keras").unlink()
    alone = frameworks.compare(model, windows, 0.5)
    assert not alone.trained
    assert alone.differ_mm is None
