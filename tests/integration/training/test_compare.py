from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.data.splits import Split
from tests.support.training import needs_training, run_cli

pytestmark = needs_training

WORDS = (
    "--data", "synthetic:users=2,sessions=3,seconds=9,seed=1",
    "--test", "synthetic:users=1,sessions=1,seconds=9,seed=2",
    "--networks", "lstm_ae_small,stream_tcn", "--epochs", "1", "--steps", "2",
)  # fmt: skip


def test_a_small_comparison_fills_every_cell_and_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_cli(capsys, "compare", *WORDS, "--out", tmp_path)
    assert code == 0, err
    rows = {row["name"]: row for row in json.loads((tmp_path / "table.json").read_text())["rows"]}
    assert set(rows) == {"lstm_ae_small", "stream_tcn", "mean pose"}
    for name in ("lstm_ae_small", "stream_tcn"):
        for key in (
            "parameters",
            "kib",
            "int8_kib",
            "donning_mm",
            "user_mm",
            "user_rmse_mm",
            "fp32_ms",
            "int8_ms",
            "real_time",
        ):
            assert rows[name][key] > 0
        assert rows[name]["parity_mm"] < 0.01
    table = [line for line in out.splitlines() if line.startswith("| lstm") or line.startswith("| stream")]
    assert len(table) == 2
    assert all("–" not in line for line in table)
    trained = (tmp_path / "stream_tcn-0.keras").stat().st_mtime_ns
    assert run_cli(capsys, "compare", *WORDS, "--out", tmp_path)[0] == 0
    assert (tmp_path / "stream_tcn-0.keras").stat().st_mtime_ns == trained


@pytest.mark.parametrize(
    ("data", "test", "says"),
    [
        (
            "synthetic:users=2,sessions=2,seconds=5,seed=1",
            "synthetic:users=1,sessions=1,seconds=5,seed=2",
            "three sessions",
        ),
        (
            "synthetic:users=2,sessions=3,seconds=5,seed=1",
            "synthetic:users=1,sessions=1,seconds=5,seed=1",
            "keep people apart",
        ),
    ],
)
def test_data_that_cannot_be_split_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: str, test: str, says: str
) -> None:
    code, _, err = run_cli(capsys, "compare", "--data", data, "--test", test, "--out", tmp_path, "--networks", "dense")
    assert code == 2
    assert says in err


def test_unseen_users_are_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run_cli(
        capsys,
        "compare",
        "--data",
        "synthetic:users=2,sessions=3,seconds=5,seed=1",
        "--out",
        tmp_path,
        "--networks",
        "dense",
    )
    assert code == 2
    assert "--test" in err


@pytest.fixture(scope="module")
def labelled_sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people with rest, wrist extension and fist in files of their own; fists are loud, on other channels."""
    root: Path = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(1)
    gain = {0: np.full(8, 2), 2: np.array([2, 2, 2, 2, 30, 30, 2, 2]), 7: np.array([30, 30, 10, 2, 2, 2, 2, 10])}
    for person in range(10001, 10005):
        (root / f"{person}-1").mkdir()
        for label in (2, 7):
            labels = np.repeat([0, label] * 4, 800)
            emg = rng.standard_normal((len(labels), 8)) * np.array([gain[int(one)] for one in labels])
            np.savetxt(root / f"{person}-1" / f"{label}.txt", np.column_stack([emg.astype(int), labels]), fmt="%d")
    return root


def test_real_people_are_evaluated_by_networks_not_trained_on_them(
    labelled_sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import service.experiments.cross_validation as folds

    monkeypatch.setattr(folds, "FOLDS", 2)
    seen: list[tuple[set[str], set[str]]] = []
    divide = folds.divide

    def watched(data: folds.FoldData, held: set[str], seed: int) -> Split:
        parts = divide(data, held, seed)
        seen.append((held, {segment.user for segment in (*parts.train, *parts.held_out)}))
        return parts

    monkeypatch.setattr(folds, "divide", watched)
    words = ("compare", "--people", labelled_sessions, "--data", "synthetic:users=3,sessions=1,seconds=9,seed=1",
             "--epochs", 1, "--steps", 2, "--shared", 2, "--out", tmp_path)  # fmt: skip
    code, out, err = run_cli(capsys, *words)
    assert code == 0, err
    assert [line.partition(":")[0] for line in err.splitlines()][:3] == [
        "shared epoch 1",
        "fold-0 epoch 0",
        "fold-0 epoch 1",
    ]
    assert [len(held) for held, _ in seen] == [2, 2]
    assert set.union(*(held for held, _ in seen)) == {"10001", "10002", "10003", "10004"}
    assert all(not held & known for held, known in seen)
    found = json.loads((tmp_path / "people.json").read_text())
    assert [len(found[way]) for way in ("cold", "aligned", "amplitude")] == [4, 4, 4]
    assert {session["fold"] for session in found["cold"]} == {0, 1}
    for line in ("| cold | 4 |", "| aligned on 15 s | 4 |", "| amplitude alone | 4 |"):
        assert line in out
    assert sum(line.startswith(f"| {person}, 1 |") for person in range(10001, 10005) for line in out.splitlines()) == 4
    assert all(0.0 <= one["auc"] <= 1.0 for way in found.values() for one in way)
    assert "--shared 2" in out.splitlines()[0]
    written = (tmp_path / "fold-0.onnx").stat().st_mtime_ns
    assert run_cli(capsys, *words)[0] == 0
    assert len(seen) == 2, "folds that are there are kept"
    assert (tmp_path / "fold-0.onnx").stat().st_mtime_ns == written
