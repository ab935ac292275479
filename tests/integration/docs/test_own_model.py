"""The guide on models from PyTorch, carried out from its Python block to poses; and files from the field."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

import myocast
from service.cli import main
from service.engine.predictor import ModelFile
from tests.support.pages import REPOSITORY, blocks, command_lines

pytest.importorskip("onnx")

GUIDE = REPOSITORY / "docs" / "guides" / "own_model.md"
FIELD = REPOSITORY.parent / "shared" / "cases" / "field"
field_files = pytest.mark.skipif(not FIELD.is_dir(), reason="needs ../shared/cases/field beside the checkout")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    monkeypatch.setattr("sys.argv", ["myocast", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.case("B43")
def test_the_guide_leads_to_poses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(GUIDE, "python")
    (tmp_path / "write.py").write_text(block.text)
    runpy.run_path(str(tmp_path / "write.py"))
    (export,) = [line for line in command_lines(GUIDE) if line[0] == "export"]
    assert run(monkeypatch, *export) == 0
    assert "`signal` float16 [batch, 8, 40] as windows of 40 samples, channels first" in capsys.readouterr().out
    stream = myocast.load_model("mine.onnx").stream()
    poses = stream.push(np.random.default_rng(0).normal(0.0, 20.0, (200, 8)))
    assert poses.shape == (41, 63)
    assert np.isfinite(poses).all()


@pytest.mark.case("B43")
@field_files
def test_a_file_of_pytorch_without_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = FIELD / "o1_torch_no_metadata.onnx", tmp_path / "mine.onnx"
    assert run(monkeypatch, "serve", "demo:", "--model", source) == 2
    advice = capsys.readouterr().err
    assert f"`myocast export {source.name} mine.onnx --rate 200 --unit adc`" in advice
    assert run(monkeypatch, "export", source, target, "--rate", "200", "--unit", "adc") == 0
    spec = ModelFile(target).open().spec
    assert (spec.window, spec.hop, spec.rate_hz, spec.architecture) == (40, 4, 200.0, "pytorch")


@pytest.mark.case("B43")
@field_files
def test_what_an_onnx_file_does_not_say_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = FIELD / "o1_torch_no_metadata.onnx"
    for options, says in (
        ((), "--rate 200 --unit adc"),
        (("--rate", "200"), "--rate 200 --unit adc"),
        (("--rate", "200", "--unit", "mV"), "expected one of adc, uV"),
        (("--rate", "200", "--unit", "adc", "--quantize", "int8"), "--quantize is for networks"),
        (("--rate", "200", "--unit", "adc", "--layout", "rows"), "expected time or channels"),
    ):
        assert run(monkeypatch, "export", source, tmp_path / "mine.onnx", *options) == 2
        assert says in capsys.readouterr().err
    assert run(monkeypatch, "export", "net.keras", tmp_path / "mine.onnx", "--rate", "200") == 2
    assert "are for .onnx files" in capsys.readouterr().err
