from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import write_session
from models.architectures import network
from models.architectures.base import NetworkConfig
from models.data.alignment_cues import CLASS_CUES
from models.forward.generator import session
from models.kinematics import ANGLES
from models.metrics.smoothness import best_filter
from models.onnx_edit import read_initializers
from models.onnx_file import read_spec
from tests.support.training import needs_training, prepare, run_cli, small_segments

pytestmark = needs_training

DATA = "synthetic:users=2,sessions=1,seconds=8,seed=9"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained stream that knows the mean pose and a template: its poses are near that mean."""
    prepare()
    from exporters.export import export
    from models.training.network_file import Card, save
    from models.training.run import constants_of
    from models.training.trainer import seed_everything

    seed_everything(0)
    config = NetworkConfig()
    config = replace(config, scaling=constants_of(small_segments(config), config))
    rng = np.random.default_rng(0)
    template = {cue: rng.uniform(2.0, 20.0, 8).tolist() for cue in ("rest", "fist", "extension")}
    validation = {"mean_pose": list(config.scaling.pose_mean), "template": template}
    path: Path = tmp_path_factory.mktemp("model") / "net.onnx"
    built, card = network("stream_tcn").assemble(config), Card("stream_tcn", config, 4, validation=validation)
    save(path.with_suffix(".keras"), built, card)
    export(built, card, path)
    return path


@pytest.fixture(scope="module")
def labelled_sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people with rest, extension and fist in files of their own."""
    root: Path = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(1)
    for person in ("10001-1", "10002-1"):
        (root / person).mkdir()
        for label in (0, 2, 7):
            labels = np.repeat([0, label] * 2, 800)
            rows = np.column_stack([rng.integers(-5, 6, (3200, 8)) * (1 + labels[:, None]), labels])
            np.savetxt(root / person / f"{label}.txt", rows, fmt="%d")
    return root


def test_a_table_names_the_figures_the_split_and_the_baselines(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run_cli(capsys, "evaluate", model, "--data", DATA)
    assert code == 0, err
    for words in (
        "MPJPE over 20 points",
        "RMSE per coordinate",
        "R²",
        "skill",
        "lag",
        "baseline: mean pose",
        "2 synthetic recordings",
    ):
        assert words in out


def test_programs_get_json_and_people_a_report(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run_cli(
        capsys,
        "evaluate",
        model,
        "--data",
        DATA,
        "--train",
        DATA.replace("seed=9", "seed=8"),
        "--json",
        "-",
        "--report",
        tmp_path / "report",
    )
    assert code == 0, err
    found = json.loads(out)
    assert {
        "mpjpe_mm",
        "rmse_mm",
        "fingertip_p90_mm",
        "angle_mae_deg",
        "skill",
        "jerk_m_s3",
        "lag_ms",
        "bone_cv",
    } <= set(found["figures"])
    assert found["figures"]["bone_cv"] < 1e-3
    assert len(found["users"]) == 2
    assert set(found["baselines"]) == {"mean pose", "ridge", "extra trees", "nearest neighbour", "user's own mean pose"}
    own, mean = (found["baselines"][name]["mpjpe_mm"] for name in ("user's own mean pose", "mean pose"))
    assert own < mean
    text = (tmp_path / "report" / "report.md").read_text()
    assert "2 synthetic recordings" in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert (tmp_path / "report" / line.split("(")[1].rstrip(")")).stat().st_size > 5000


@pytest.mark.parametrize("align", [0, 6])
def test_people_with_class_labels_are_evaluated_by_closure(
    model: Path, labelled_sessions: Path, capsys: pytest.CaptureFixture[str], align: int
) -> None:
    code, out, err = run_cli(capsys, "evaluate", model, "--data", labelled_sessions, "--align", align, "--json", "-")
    assert code == 0, err
    found = json.loads(out)
    assert found["closure"]["sessions"] == 2
    assert 0.0 <= found["closure"]["auc_median"] <= 1.0
    assert not found["figures"]
    assert ("aligned on 6 s" in found["split"]) == bool(align)
    assert [(row["user"], row["session"]) for row in found["bands"]] == (
        [(row["user"], row["session"]) for row in found["sessions"]] if align else []
    )


def test_how_aligned_bands_sit_is_reported(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alignment = read_spec(model.read_bytes(), model.name).alignment
    assert alignment is not None
    template = alignment["cues"]
    rng = np.random.default_rng(2)
    for person, turn in (("10001-1", 0), ("10002-1", 2)):
        (tmp_path / person).mkdir()
        for label, cue in CLASS_CUES.items():
            emg = np.roll(rng.normal(0.0, 1.25, (3200, 8)) * template[cue], turn, axis=1)
            np.savetxt(tmp_path / person / f"{label}.txt", np.column_stack([emg, np.full(3200, label)]), fmt="%d")
    code, out, err = run_cli(
        capsys, "evaluate", model, "--data", tmp_path, "--align", 6, "--json", tmp_path / "found.json",
        "--report", tmp_path / "report",
    )  # fmt: skip
    assert code == 0, err
    bands = json.loads((tmp_path / "found.json").read_text())["bands"]
    assert [row["turn_channels"] for row in bands] == pytest.approx([0.0, 2.0], abs=0.3)
    assert bands[1]["turn_deg"] == pytest.approx(90.0, abs=13.5)
    aligned = tmp_path / "aligned.onnx"
    code, _, err = run_cli(capsys, "evaluate", model, "--data", tmp_path, "--align", 6, "--out", aligned)
    assert (code, "matrix of one donning, and the data hold 2" in err) == (2, True)
    code, _, err = run_cli(capsys, "evaluate", model, "--data", tmp_path / "10002-1", "--align", 6, "--out", aligned)
    assert code == 0, err
    assert f"{aligned}: stream_tcn with a band that sits" in err
    matrix = read_initializers(aligned.read_bytes())["alignment"]
    assert np.argmax(matrix, axis=0).tolist() == [(channel + 2) % 8 for channel in range(8)]
    assert all(row["score"] > 0.8 and not row["mirrored"] for row in bands)
    for text in (out, (tmp_path / "report" / "report.md").read_text()):
        assert "How the bands sit" in text
        assert "as usual" in text


def test_a_turned_band_smoothing_and_gestures_are_evaluated_beside_constant_hands(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"data": [{"synthetic": {"leave_out": ["fist"]}}]}))
    code, out, err = run_cli(
        capsys, "evaluate", model, "--data", DATA, "--rotations", "0,45,90", "--smooth", "1,0", "--smooth", "0.3,0",
        "--split", "gesture", "--manifest", manifest, "--json", "-", "--out", tmp_path / "smooth.onnx",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads(out)
    raw, *filtered = found["smoothing"]
    best = filtered[best_filter(filtered)]
    recommended = read_spec((tmp_path / "smooth.onnx").read_bytes(), "smooth")
    assert recommended.lag_ms == pytest.approx(raw["lag_ms"], abs=0.06)
    assert recommended.smoothing == {
        **{key: best[key] for key in ("min_cutoff_hz", "beta", "stages")},
        "lag_ms": pytest.approx(best["lag_ms"] - raw["lag_ms"], abs=0.1),
    }
    assert found["served"] == {}
    assert [row["degrees"] for row in found["rotations"]] == [0.0, 45.0, 90.0]
    assert found["rotations"][0]["mpjpe_mm"] == pytest.approx(found["figures"]["mpjpe_mm"])
    assert found["rotations"][1]["mpjpe_mm"] != pytest.approx(found["rotations"][2]["mpjpe_mm"], abs=1e-6)
    jerks = [row["jerk_ratio"] for row in found["smoothing"]]
    assert jerks == sorted(jerks, reverse=True)
    assert len(jerks) == 3
    assert {row["trained"] for row in found["gestures"] if row["gesture"] == "fist"} <= {False}
    assert {row["trained"] for row in found["gestures"] if row["gesture"] != "fist"} == {True}
    for row in (*found["gestures"], *found["rotations"]):
        assert {"mpjpe_mm", "mean_pose_mpjpe_mm", "user_mean_mpjpe_mm"} <= set(row)


@pytest.mark.parametrize(("kind", "seconds"), [("user", 14.0), ("session", 14.0), ("block", 2.0)])
def test_a_split_is_evaluated_on_what_it_holds_out(
    model: Path, capsys: pytest.CaptureFixture[str], kind: str, seconds: float
) -> None:
    data = "synthetic:users=2,sessions=2,seconds=15,seed=9"
    code, out, err = run_cli(capsys, "evaluate", model, "--data", data, "--split", kind, "--json", "-")
    assert code == 0, err
    found = json.loads(out)
    assert found["split"].startswith(f"held out by {kind}")
    assert {"ridge", "extra trees"} <= set(found["baselines"]), "fitted on the rest"
    runs = {"user": 2, "session": 1, "block": 2}[kind]
    for user in found["users"].values():
        assert user["seconds"] <= runs * seconds
    assert len(found["users"]) == (1 if kind == "user" else 2)


def test_labelled_seconds_of_a_new_user_help(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import models.evaluation.calibration as calibration

    monkeypatch.setattr(calibration, "STEPS", 60)
    monkeypatch.setattr(calibration, "RATE", 2e-3)
    code, out, err = run_cli(
        capsys, "evaluate", model, "--data", "synthetic:users=1,sessions=2,seconds=26,seed=9", "--calibrate", "0,10",
        "--json", "-", "--report", tmp_path, "--out", tmp_path / "tuned.onnx",
    )  # fmt: skip
    assert code == 0, err
    written = read_spec((tmp_path / "tuned.onnx").read_bytes(), "tuned")
    untouched, tuned = json.loads(out)["calibration"]
    assert (untouched["seconds"], tuned["seconds"]) == (0.0, 10.0)
    assert "user_mean_mpjpe_mm" not in untouched
    assert tuned["mpjpe_mm"] < untouched["mpjpe_mm"] - 1.0
    assert written.still_hand == pytest.approx((tuned["mpjpe_mm"], tuned["user_mean_mpjpe_mm"]), abs=1e-3)
    assert "after 10 s of labels" in written.validation["split"]
    assert {"other_mpjpe_mm", "other_user_mean_mpjpe_mm", "user_mean_mpjpe_mm"} <= set(tuned)
    assert (tmp_path / "calibration.png").exists()


def test_tuning_changes_the_last_two_layers_only_and_is_taken_back(model: Path) -> None:
    from models.evaluation.calibration import Tuner
    from models.training.network_file import load

    built, card = load(model.with_suffix(".keras"))
    before = built.core.get_weights()
    tuner = Tuner(card.network, built, card.config)
    tuner.tune(small_segments(card.config, users=1))
    changed = [bool((a != b).any()) for a, b in zip(before, built.core.get_weights(), strict=True)]
    # Two layers for the angles and two for the bones; those of a bone layer that starts at zero pass nothing back yet.
    assert len(built.core.trainable_variables) == 8
    assert not any(changed[:-8])
    assert sum(changed[-8:]) >= 6
    tuner.reset()
    for a, b in zip(before, built.core.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_gestures_can_be_left_out_of_synthetic_data() -> None:
    from service.experiments.datasets import items

    plain, without = (items([f"synthetic:users=1,seconds=40,seed=4{more}"])[0] for more in ("", ",without=fist+ok"))
    assert "leave_out" not in plain.synthetic
    assert without.synthetic["leave_out"] == ["fist", "ok"]
    assert plain.describe()["sha256"] != without.describe()["sha256"]
    labels = {marker.label for marker in without.read("raw", 200.0).markers}
    assert labels
    assert not labels & {"fist", "ok"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("MODEL", "--data", DATA, "--split", "moon"), "expected one of user, session"),
        (("MODEL", "--data", DATA, "--rotations", "much"), "expected numbers such as"),
        (("MODEL", "--data", DATA, "--smooth", "2"), "such as 2,0.02"),
        (("MODEL", "--data", DATA, "--calibrate", "0,-3"), "expected numbers such as"),
        (("MODEL", "--data", DATA, "--calibrate", "30", "--network", "none.keras"), "give it with --network"),
        (("MODEL", "--data", DATA, "--calibrate", "0,30"), "no user has a run of more than"),
        (("MODEL", "--data", "synthetic:users=1,seconds=3,without=dance"), "no gesture 'dance'"),
        (("missing.onnx", "--data", DATA), "no such file"),
        (("MODEL", "--data", "nowhere"), "no such file or folder"),
        (("MODEL",), "no data"),
        (("text.onnx", "--data", DATA), "not an ONNX file"),
        (("MODEL", "--data", "flat.txt"), "nothing to evaluate against"),
        (("MODEL", "--data", DATA, "--out", "a.onnx"), "--out has nothing to write"),
        (("MODEL", "--data", DATA, "--smooth", "2,0", "--out", "a.txt"), "ends in .onnx"),
        (("MODEL", "--data", DATA, "--smooth", "2,0", "--out", "MODEL"), "is the model that is evaluated"),
        (("MODEL", "--data", DATA, "--align", "6", "--calibrate", "5", "--out", "a.onnx"), "not both"),
        (
            ("MODEL", "--data", DATA, "--calibrate", "5", "--out", "a.onnx"),
            "one person, and the data are of 2",
        ),
        (("MODEL", "--data", DATA, "--network", "a.keras"), "--network: has an effect only with --calibrate"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.onnx").write_text("no model")
    np.savetxt("flat.txt", np.ones((900, 8)), fmt="%d")
    code, _, err = run_cli(capsys, "evaluate", *[str(model) if word == "MODEL" else word for word in words])
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("bent", "more", "said"),
    [(False, ("--align", 6), "--align found no cues"), (True, (), "labels of the data are angles")],
)
def test_why_there_is_nothing_to_measure_by_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bent: bool, more: tuple[str | int, ...], said: str
) -> None:
    made = session(3000, 0, 6.0, seed=1, losses=False)
    if bent:
        angles = np.zeros((6, len(ANGLES)), np.float32)
        made = replace(made, joints=None, label_t=None, angle_t=np.arange(6.0), angles=angles)
    write_session(tmp_path / "a.mcap", made)
    shipped = Path(__file__).parents[3] / "service" / "weights" / "raw200.onnx"
    code, _, err = run_cli(capsys, "evaluate", shipped, "--data", tmp_path, *more)
    assert (code, said in err) == (2, True), err
