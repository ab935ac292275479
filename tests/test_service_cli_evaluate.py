from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.architectures import network
from models.architectures.base import Setting
from tests.training_help import needs_training, prepare, run_cli, small_tracks

pytestmark = needs_training

DATA = "synthetic:users=2,sessions=1,seconds=8,seed=9"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained stream that knows the mean pose and a template: its poses are near that mean."""
    prepare()
    from exporters.export import export
    from models.training.network_file import Card
    from models.training.run import constants_of

    setting = Setting()
    setting = replace(setting, scaling=constants_of(small_tracks(setting), setting))
    rng = np.random.default_rng(0)
    template = {cue: rng.uniform(2.0, 20.0, 8).tolist() for cue in ("rest", "fist", "extension")}
    validation = {"mean_pose": list(setting.scaling.pose_mean), "template": template}
    path: Path = tmp_path_factory.mktemp("model") / "net.onnx"
    export(network("stream_tcn").assemble(setting), Card("stream_tcn", setting, 4, validation=validation), path)
    return path


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
        "2 synthetic sessions",
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
    assert "2 synthetic sessions" in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert (tmp_path / "report" / line.split("(")[1].rstrip(")")).stat().st_size > 5000


@pytest.mark.parametrize("align", [0, 6])
def test_people_with_class_labels_are_judged_by_closure(
    model: Path, people: Path, capsys: pytest.CaptureFixture[str], align: int
) -> None:
    code, out, err = run_cli(capsys, "evaluate", model, "--data", people, "--align", align, "--json", "-")
    assert code == 0, err
    found = json.loads(out)
    assert found["closure"]["sessions"] == 2
    assert 0.0 <= found["closure"]["auc_median"] <= 1.0
    assert not found["figures"]
    assert ("aligned on 6 s" in found["split"]) == bool(align)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("missing.onnx", "--data", DATA), "cannot be read"),
        (("MODEL", "--data", "nowhere"), "no such file or folder"),
        (("MODEL",), "no data"),
        (("text.onnx", "--data", DATA), "not an ONNX file"),
        (("MODEL", "--data", "flat.txt"), "nothing to judge by"),
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
