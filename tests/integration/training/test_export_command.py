from __future__ import annotations

from pathlib import Path

import pytest

from models.architectures import network
from models.architectures.base import NetworkConfig
from models.onnx_file import read_spec
from tests.support.training import needs_training, prepare, run_cli

pytestmark = needs_training


SMOOTHING = {"min_cutoff_hz": 10.0, "beta": 0.01, "stages": 3, "lag_ms": 40.0}


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepare()
    from models.training.network_file import Card, save

    config = NetworkConfig(50.0, "envelope")
    path: Path = tmp_path_factory.mktemp("keras") / "net.keras"
    measured = {"lag_ms": 42.0, "smoothing": SMOOTHING, "split": "held out by user"}
    save(path, network("lstm_fc").assemble(config), Card("lstm_fc", config, hop=1, validation=measured))
    return path


def test_an_envelope_network_becomes_a_model_for_50_hz(
    keras_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "net.onnx"
    code, out, err = run_cli(capsys, "export", keras_file, target, "--name", "mine")
    assert code == 0, err
    spec = read_spec(target.read_bytes(), "net")
    assert (spec.name, spec.rate_hz, spec.emg_mode, spec.window, spec.hop) == ("mine", 50.0, "envelope", 32, 1)
    assert "mm from Keras" in out
    assert (spec.smoothing, spec.lag_ms) == (SMOOTHING, 42.0)
    assert dict(spec.validation) == {"split": "held out by user"}


def test_int8_says_what_it_costs(keras_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run_cli(capsys, "export", keras_file, tmp_path / "net.onnx", "--quantize", "int8")
    assert code == 0, err
    assert "mm from fp32" in out
    assert read_spec((tmp_path / "net.onnx").read_bytes(), "net").validation["int8_mean_mm"] < 1.0


@pytest.mark.parametrize(
    ("keras", "onnx", "says"),
    [
        ("missing.keras", "net.onnx", "cannot be read"),
        ("text.keras", "net.onnx", "not a network of `myocast train`"),
        ("net.keras", "net.bin", "ends in .onnx"),
        ("net.keras", "nowhere/net.onnx", "no such folder"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    keras_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], keras: str, onnx: str, says: str
) -> None:
    (tmp_path / "text.keras").write_text("no zip")
    source = keras_file if keras == "net.keras" else tmp_path / keras
    code, _, err = run_cli(capsys, "export", source, tmp_path / onnx)
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_an_unknown_quantisation_is_refused(
    keras_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run_cli(capsys, "export", keras_file, tmp_path / "net.onnx", "--quantize", "int4")
    assert code == 2
    assert "none or int8" in err
