"""Train, export and evaluate by the Python API, on sessions in memory and on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import myocast
from models.training.config import Epoch
from tests.support.training import needs_training

pytestmark = needs_training


@pytest.fixture(scope="module")
def recordings() -> list[myocast.Recording]:
    return [myocast.synthesize(user, 0, 10.0, seed=4, losses=False) for user in range(3)]


def test_a_network_is_trained_exported_and_evaluated(recordings: list[myocast.Recording], tmp_path: Path) -> None:
    seen: list[Epoch] = []
    stranger = myocast.synthesize(1000, 0, 10.0, seed=5)
    result = myocast.train(
        "stream_lstm", recordings, tmp_path / "net.keras", test=[stranger], epochs=2, steps_per_epoch=2, batch=4,
        on_epoch=seen.append,
    )  # fmt: skip
    assert list(result.epochs) == seen
    assert len(seen) == 2
    assert result.figures["mpjpe_mm"] > 0
    assert "1 synthetic users" in result.split
    manifest = json.loads((tmp_path / "net.run" / "manifest.json").read_text())
    assert [entry["recording"] for entry in manifest["data"]] == [one.name for one in recordings]
    model = myocast.export(result.out, tmp_path / "net.onnx", name="mine")
    assert (model.spec.name, model.spec.kind) == ("mine", "stream")
    assert model.spec.trained_on == ("3 sessions from memory, 3 of them synthetic",)
    myocast.write_session(tmp_path / "stranger.mcap", stranger)
    files, memory = (
        myocast.evaluate(model, [one], training=recordings) for one in (tmp_path / "stranger.mcap", stranger)
    )
    # A file keeps times in nanoseconds, so poses between labels differ a little.
    assert files.figures["mpjpe_mm"] == pytest.approx(memory.figures["mpjpe_mm"], rel=1e-4)
    assert {"mean pose", "ridge", "user's own mean pose"} <= set(memory.baselines)


def test_a_split_holds_out_what_training_held_out(recordings: list[myocast.Recording]) -> None:
    found = myocast.evaluate("raw200", recordings, split="user")
    assert len(found.users) == 1
    assert "held out by user from 3 synthetic recordings" in found.split


def test_what_cannot_be_done_is_refused(recordings: list[myocast.Recording], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"end in \.keras"):
        myocast.train("lstm_fc", recordings, tmp_path / "net.h5")
    with pytest.raises(ValueError, match=r"end in \.onnx"):
        myocast.export(tmp_path / "net.keras", tmp_path / "net.tflite")
    with pytest.raises(myocast.MyocastError, match="no architecture"):
        myocast.train("nonsense", recordings, tmp_path / "net.keras")
    with pytest.raises(ValueError, match="no sessions"):
        myocast.train("lstm_fc", [], tmp_path / "net.keras")
