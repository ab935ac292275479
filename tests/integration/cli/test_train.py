"""`myocast train` where it cannot begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.experiments.keras_setup import ExtraMissing
from tests.support.training import run_cli


def test_nothing_is_left_behind_where_training_cannot_begin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def missing(threads: int | None) -> None:
        raise ExtraMissing("keras not installed")

    monkeypatch.setattr("service.cli.train.prepare_keras", missing)
    code, _, err = run_cli(
        capsys, "train", "--architecture", "stream_mlp", "--data", "synthetic:users=1", "--out", tmp_path / "mine.keras"
    )
    assert code == 2
    assert "keras not installed" in err
    assert list(tmp_path.iterdir()) == []
