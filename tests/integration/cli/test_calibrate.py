"""`myocast calibrate`: a personal model from labelled sessions, judged, written, and a model file like any other."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import read_session, write_session
from models.data.personal_session import run_session
from models.forward.generator import session
from models.forward.motion import Step
from models.kinematics import ANGLES
from models.onnx_edit import read_initializers
from models.onnx_file import BONES, CONFIDENCE_PERSONAL, PERSONAL, read_spec
from models.personal_pairs import lag_of
from models.recording import Marker, Recording
from service.cli import main

MODEL = Path(__file__).parents[3] / "service" / "weights" / "raw200.onnx"
NINE = ("rest", "fist", "extension", "flexion", "open", "index", "middle", "ring", "thumb")
MOVES = {"extension": "wrist_extension", "flexion": "wrist_flexion", "thumb": "thumb_in"}


def labelled(session_number: int, seconds: float = 60.0) -> Recording:
    """A donning that begins with the nine cues, each told by a marker, and goes on with free movement."""
    script = tuple(Step(MOVES.get(cue, cue), 0.4, 2.4) for cue in NINE)
    length = 2.8 * len(NINE)
    cues = session(3000, session_number, length, seed=1, script=script, losses=False)
    free = session(3000, session_number, seconds, seed=1, losses=False)
    assert cues.label_t is not None
    assert free.label_t is not None
    assert cues.joints is not None
    assert free.joints is not None
    n = len(cues)
    return Recording(
        emg=np.concatenate([cues.emg, free.emg]),
        t=np.arange(n + len(free)) / 200.0,
        sample=np.arange(n + len(free)),
        rate_hz=200.0,
        hand="right",
        name=f"donning {session_number}",
        label_t=free.label_t + n / 200.0,
        joints=free.joints,
        markers=(*(Marker(2.8 * k, cue) for k, cue in enumerate(NINE)), Marker(length, "free")),
    )


@pytest.fixture(scope="module")
def donnings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("donnings")
    paths = [folder / f"{number}.mcap" for number in range(2)]
    for number, path in enumerate(paths):
        write_session(path, labelled(number))
    return paths


def calibrate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str | Path]
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["myocast", "calibrate", "--model", str(MODEL), *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_two_donnings_make_a_personal_model(
    donnings: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "anna.onnx"
    code, out, _ = calibrate(
        capsys, monkeypatch, ["--session", donnings[0], "--session", donnings[1], "--out", made, "--json"]
    )
    assert code == 0
    figures = json.loads(out)
    assert set(figures) >= {"seconds", "fit_s", "before", "after", "out"}
    assert set(figures["before"]) == {"angle_mae_deg", "mpjpe_mm", "mean_pose_angle_mae_deg"}
    assert figures["out"] == str(made)
    assert figures["seconds"] == pytest.approx(96, abs=3)
    assert figures["after"]["angle_mae_deg"] < figures["before"]["angle_mae_deg"]
    assert figures["after"]["mpjpe_mm"] < figures["before"]["mpjpe_mm"] - 1
    assert figures["lag_ms"] == pytest.approx(0, abs=60)
    spec = read_spec(made.read_bytes(), made.name)
    assert spec.personal is not None
    assert set(spec.personal) == {"seconds", "labels", "base", "base_sha256", "bones_mm"}
    assert spec.personal["base"] == "raw200.onnx"
    assert spec.alignment is not None
    assert set(spec.alignment["cues"]) == set(NINE)
    values, shipped = read_initializers(made.read_bytes()), read_initializers(MODEL.read_bytes())
    assert values[PERSONAL].any()
    assert values[CONFIDENCE_PERSONAL].shape == shipped[CONFIDENCE_PERSONAL].shape
    assert not np.array_equal(values[CONFIDENCE_PERSONAL], shipped[CONFIDENCE_PERSONAL])
    kept = shipped.keys() - {PERSONAL, BONES, CONFIDENCE_PERSONAL}
    assert values.keys() == shipped.keys()
    assert all(np.array_equal(values[name], shipped[name]) for name in kept)


def test_the_figures_are_those_of_the_written_file(
    donnings: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "anna.onnx"
    _, out, _ = calibrate(
        capsys, monkeypatch, ["--session", donnings[0], "--test", donnings[0], "--out", made, "--json"]
    )
    content = made.read_bytes()
    run = run_session(content, read_spec(content, "m"), read_initializers(content), read_session(donnings[0]))
    assert run.labels.joints is not None
    assert run.pose is not None
    row = run.rows(run.labels.t - json.loads(out)["lag_ms"] / 1000)
    apart = np.linalg.norm(run.pose[row] - run.labels.joints, axis=-1)[:, 1:]
    assert apart.mean() == pytest.approx(json.loads(out)["after"]["mpjpe_mm"], abs=0.05)


def test_labels_that_say_nothing_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = session(3001, 0, 40.0, seed=1, losses=False)
    rng = np.random.default_rng(0)
    t = np.arange(0, 40, 0.05)
    angles = np.full((len(t), len(ANGLES)), np.nan, np.float32)
    # Bent half of the time while it is learned from, straight where it is judged.
    angles[:, 4] = np.where(t < 32, 1.5, -0.2) + 0.05 * rng.standard_normal(len(t))
    write_session(tmp_path / "a.mcap", replace(plain, joints=None, label_t=None, angle_t=t, angles=angles))
    code, out, err = calibrate(
        capsys, monkeypatch, ["--session", tmp_path / "a.mcap", "--out", tmp_path / "m.onnx", "--json"]
    )
    assert (code, out) == (1, "")
    assert "nothing was written" in err
    assert err.count(" degrees, before by ") == 1
    assert not (tmp_path / "m.onnx").exists()


def test_a_session_without_labels_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_session(tmp_path / "a.mcap", replace(session(3001, 0, 5.0, seed=1), joints=None, label_t=None))
    code, _, err = calibrate(capsys, monkeypatch, ["--session", tmp_path / "a.mcap", "--out", tmp_path / "m.onnx"])
    assert code == 2
    assert "0 labels to learn from" in err


def test_a_model_is_never_overwritten(
    donnings: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "anna.onnx"
    made.write_bytes(b"another person's")
    code, _, err = calibrate(capsys, monkeypatch, ["--session", donnings[0], "--out", made])
    assert code == 2
    assert "choose another name" in " ".join(err.split())
    assert made.read_bytes() == b"another person's"


@pytest.mark.parametrize("late_s", [0.15, -0.1])
def test_labels_of_another_clock_are_found_out(donnings: list[Path], late_s: float) -> None:
    recording = read_session(donnings[0])
    assert recording.label_t is not None
    content = MODEL.read_bytes()
    values = read_initializers(content)
    runs = [
        run_session(content, read_spec(content, "m"), values, replace(recording, label_t=recording.label_t + shift))
        for shift in (0.0, late_s)
    ]
    on_time, found = map(lag_of, runs)
    assert found - on_time == pytest.approx(late_s, abs=0.01)
