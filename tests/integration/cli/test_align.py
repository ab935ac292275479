"""`myocast align`: prompts on stderr, the result on stdout and in a file that `serve --align` reads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from service.arm.alignment_file import read_alignment
from service.cli import main


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int | str | None, str, str]:
    monkeypatch.setattr(sys, "argv", ["myocast", "align", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def test_the_synthetic_arm_follows_the_prompts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "band.json"
    cues = ("--ask", "rest,fist,extension", "--seconds", "1")
    code, out, err = run(monkeypatch, capsys, "synthetic:?mode=envelope", *cues, "--out", file, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert np.array(result["matrix"]).shape == (64,)
    assert result["score"] > 0.5
    assert [line.partition(":")[0] for line in err.splitlines()] == ["rest", "fist", "extension"]
    assert read_alignment(file) == result


def test_a_wearer_who_never_moves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    still = np.random.default_rng(2).normal(0.0, 2.0, (200 * 20, 8)).round()
    np.savetxt(tmp_path / "still.csv", still, fmt="%d", delimiter=",")
    source = f"replay:{tmp_path / 'still.csv'}?speed=20"
    code, out, err = run(monkeypatch, capsys, source, "--ask", "rest,fist", "--seconds", "1")
    assert (code, out) == (1, "")
    assert err.count("fist: make a fist") == 3
    assert "the alignment failed: no muscle worked during fist" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ask", "fist,open"), "expected rest"),
        (("--ask", "rest,wave"), "expected rest"),
        (("--model", "none.onnx"), "no such file"),
    ],
)
def test_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = run(monkeypatch, capsys, "synthetic:", *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_source_that_no_model_fits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(monkeypatch, capsys, "synthetic:?rate=500")
    assert (code, out) == (2, "")
    assert "--model" in err
