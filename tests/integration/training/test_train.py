from __future__ import annotations

import json
import os
import shlex
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import write_session
from tests.support.command_line import parse
from tests.support.training import needs_training, run_cli

pytestmark = needs_training

DATA = "synthetic:users=3,sessions=1,seconds=10,seed=4"
SMALL = ("--epochs", 1, "--steps", 2, "--batch", 8)


def write_people(root: Path, *folders: str) -> None:
    """Rest and fist in turn, as the folders of myo-readings-dataset have them."""
    rng = np.random.default_rng(0)
    for folder in folders:
        (root / folder).mkdir()
        labels = np.repeat([0, 7, 0, 7], 500)
        rows = np.column_stack([rng.integers(-9, 9, (2000, 8)) * (1 + labels[:, None]), labels])
        np.savetxt(root / folder / "7.txt", rows, fmt="%d")


def test_a_network_is_trained_and_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from models.onnx_file import read_spec

    net, model = tmp_path / "net.keras", tmp_path / "net.onnx"
    test = "synthetic:users=1,sessions=1,seconds=5,seed=5"
    code, out, err = run_cli(
        capsys, "train", "--architecture", "lstm_fc", "--data", DATA, "--test", test, "--out", net, *SMALL
    )
    assert code == 0, err
    assert "MPJPE" in out
    assert "mean pose" in out
    assert "synthetic" in out
    assert "Traceback" not in err
    code, out, err = run_cli(capsys, "export", net, model)
    assert code == 0, err
    spec = read_spec(model.read_bytes(), "net")
    assert (spec.architecture, spec.window, spec.kind) == ("lstm_fc", 128, "window")
    assert "synthetic" in spec.validation["split"]
    assert spec.trained_on == ("synthetic, generator A, seed 4: 3 users, 3 sessions, 0.0 h",)
    assert {path.name for path in tmp_path.iterdir()} == {"net.keras", "net.onnx", "net.run"}
    worse = spec.validation["mpjpe_mm"] >= spec.validation["mean_pose_mpjpe_mm"]
    assert spec.validation["worse_than_still_hand"] is worse
    assert isinstance(spec.lag_ms, float)
    assert spec.smoothing is None or spec.smoothing.keys() == {"min_cutoff_hz", "beta", "stages", "lag_ms"}
    assert not {"lag_ms", "smoothing"} & spec.validation.keys()
    assert ("worse than a still hand" in err) is worse
    manifest = json.loads((tmp_path / "net.run" / "manifest.json").read_text())
    assert len(manifest["data"]) == 3
    assert all(len(item["sha256"]) == 64 for item in manifest["data"])
    train, held = (set(manifest["split"][part]["users"]) for part in ("train", "held_out"))
    assert train
    assert held
    assert not train & held
    assert manifest["plan"]["seed"] == 0


def test_little_data_begins_with_a_shipped_network_and_names_the_better_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.data.segments import USER_KEYS
    from models.forward.generator import session
    from models.training.network_file import read_card

    monkeypatch.chdir(tmp_path)
    made = session(0, 0, 14.0, seed=5, rate_hz=50.0, emg_mode="envelope", losses=False)
    plain = {key: value for key, value in made.meta.items() if key not in (*USER_KEYS, "session")}
    for name in ("my monday.mcap", "tuesday.mcap"):
        write_session(name, replace(made, meta={**plain, "synthetic": "false"}))
    words = ("train", "--architecture", "stream_mlp", "--mode", "envelope", "--data", "my monday.mcap", "tuesday.mcap")
    code, _, err = run_cli(capsys, *words, "--out", "net.keras", *SMALL)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "split by user needs to know who wore the band" in err
    code, _, err = run_cli(capsys, *words, "--out", "net.keras", "--split", "session", *SMALL, "--learning-rate", 9.0)
    assert code == 0, err
    advice = err.split("`")[1]
    assert advice.startswith("myocast calibrate --model ")
    assert "--session 'my monday.mcap' --session tuesday.mcap --out net.onnx" in advice
    parse(shlex.split(advice)[1:])
    assert "begins with the shipped network envelope50; --from-scratch" in err
    epochs = [line for line in err.splitlines() if line.startswith("epoch ")]
    assert [line.endswith("*") for line in epochs] == [True, False]
    card = read_card(tmp_path / "net.keras")
    assert card.validation["began_with"] == "envelope50"
    assert card.config.scaling.floor == pytest.approx(16.5)


def test_data_without_a_pose_is_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savetxt(tmp_path / "a.txt", np.ones((900, 8)), fmt="%d")
    words = ("--data", tmp_path / "a.txt", "--out", tmp_path / "net.keras")
    code, _, err = run_cli(capsys, "train", "--architecture", "lstm_fc", *words, *SMALL)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "no pose in the data" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_the_best_network_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    from models.training.network_file import load
    from models.training.pose_model import PoseModel

    evaluate = PoseModel.evaluate

    def interrupted(self: PoseModel, *words: object, **options: object) -> object:
        os.kill(os.getpid(), number)
        return evaluate(self, *words, **options)

    monkeypatch.setattr(PoseModel, "evaluate", interrupted)
    net = tmp_path / "net.keras"
    code, out, err = run_cli(
        capsys,
        "train",
        "--architecture",
        "lstm_ae_small",
        "--mode",
        "envelope",
        "--data",
        DATA,
        "--out",
        net,
        "--epochs",
        50,
        "--steps",
        2,
    )
    assert code == 0, err
    assert "MPJPE" in out
    assert load(net)[1].validation["mpjpe_mm"] > 0
    assert len((tmp_path / "net.run" / "log.csv").read_text().splitlines()) == 2


def test_it_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "train",
        "--architecture",
        "lstm_ae_small",
        "--mode",
        "envelope",
        "--data",
        DATA,
        "--out",
        tmp_path / "net.keras",
        "--steps",
        2,
    )
    assert run_cli(capsys, *words, "--epochs", 1)[0] == 0
    assert run_cli(capsys, *words, "--epochs", 2, "--resume")[0] == 0
    assert len((tmp_path / "net.run" / "log.csv").read_text().splitlines()) == 3


def test_class_labels_are_trained_on_as_poses_and_people_can_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.training.network_file import read_card

    write_people(tmp_path, "10000-1", "10001-1", "10002-3")
    words = ("--data", tmp_path, "--gestures", "7=fist,-1=rest", "--without", "10001", "--out", tmp_path / "net.keras")
    code, _, err = run_cli(capsys, "train", "--architecture", "lstm_ae_small", *words, *SMALL)
    assert code == 0, err
    manifest = json.loads((tmp_path / "net.run" / "manifest.json").read_text())
    users = manifest["split"]["train"]["users"] + manifest["split"]["held_out"]["users"]
    assert sorted(users) == ["10000", "10002"]
    assert len(manifest["data"]) == 2
    assert read_card(tmp_path / "net.keras").trained_on == ("2 recorded files from 2 folders",)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--architecture", "resnet"), "no architecture `resnet`"),
        (("--data", "missing.mcap"), "no such file or folder"),
        (("--data", "synthetic:users=two"), "must be a number"),
        (("--data", "synthetic:people=2"), "unknown `people`"),
        (("--mode", "spectrum"), "no front end"),
        (("--out", "net.h5"), "ends in .keras"),
        (("--loss", "mae"), "expected mpjpe or mse"),
        (("--data", "synthetic:users=1,sessions=1,seconds=5"), "two users"),
        (("--gestures", "fist=7"), "LABEL=POSE"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str], says: str
) -> None:
    options = {"--architecture": "lstm_fc", "--data": DATA, "--out": "net.keras"} | dict([words])
    if options["--out"] == "net.keras":
        options["--out"] = str(tmp_path / "net.keras")
    code, out, err = run_cli(capsys, "train", *[word for pair in options.items() for word in pair], *SMALL)
    assert code == 2
    assert not out
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_a_held_out_part_too_short_to_measure_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = ("--data", "synthetic:users=1,sessions=1,seconds=5", "--split", "block")
    out = tmp_path / "net.keras"
    code, _, err = run_cli(capsys, "train", "--architecture", "lstm_fc", *short, "--out", out, *SMALL)
    assert code == 2
    assert "too little is held out" in err
    assert not out.exists()


def test_missing_data_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run_cli(capsys, "train", "--architecture", "lstm_fc", "--out", tmp_path / "net.keras")
    assert code == 2
    assert "no data" in err
