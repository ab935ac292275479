from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training_help import needs_training, run_cli

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
