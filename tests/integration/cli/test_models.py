from __future__ import annotations

import json

import pytest

from models.architectures import NETWORKS
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


def test_listing_needs_no_keras(console: Console) -> None:
    done = console.run("models", before="import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None")
    assert done.returncode == 0, done.stderr
