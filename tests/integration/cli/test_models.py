from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.architectures import NETWORKS
from tests.fakes.models_onnx import spec_of, window_model
from tests.support.console import Console
from tests.support.training import run_cli


def test_the_table_names_every_network(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, "models")
    assert code == 0
    for name in NETWORKS:
        assert name in out
    assert "1,474,623" in out


def test_programs_get_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, "models", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert list(rows) == list(NETWORKS)
    assert rows["lstm_fc"]["parameters"] == 69_427
    assert rows["lstm_fc"]["window_200hz"] == 128
    assert rows["conv_lstm"]["window_50hz"] == 47
    assert rows["stream_tcn"]["kind"] == "stream"
    for row in rows.values():
        assert {"parameters", "kind", "context_s", "macs"} <= set(row)
        assert row["macs"] > 0


def test_model_files_are_listed_beside_a_still_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    window_model(
        tmp_path / "bad.onnx", spec_of(validation={"mpjpe_mm": 19.2, "mean_pose_mpjpe_mm": 16.4, "split": "b"})
    )
    window_model(tmp_path / "new.onnx")
    code, out, _ = run_cli(capsys, "models", tmp_path)
    assert code == 0
    assert "WORSE than a still hand" in out
    assert "not measured" in out
    code, out, _ = run_cli(capsys, "models", tmp_path, "--json")
    bad, new = json.loads(out)
    assert (bad["name"], bad["mpjpe_mm"], bad["mean_pose_mpjpe_mm"], bad["split"]) == ("tiny", 19.2, 16.4, "b")
    assert (bad["worse_than_still_hand"], new["worse_than_still_hand"]) == (True, None)
    code, out, _ = run_cli(capsys, "models")
    assert "raw200.onnx" in out
    assert "better than a still hand" in out
    for wrong in (tmp_path / "none.onnx", tmp_path.parent / "nowhere"):
        code, _, err = run_cli(capsys, "models", wrong)
        assert (code, len(err.splitlines())) == (2, 1)


def test_listing_needs_no_keras(console: Console) -> None:
    done = console.run("models", before="import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None")
    assert done.returncode == 0, done.stderr
