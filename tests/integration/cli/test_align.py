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
    assert "a recording does not do what it is asked to: give the classes of its cues" in err


def test_a_recording_that_ends_before_the_cues_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.savetxt(tmp_path / "short.csv", np.zeros((200, 8)), fmt="%d", delimiter=",")
    code, out, err = run(monkeypatch, capsys, f"replay:{tmp_path / 'short.csv'}?speed=20", "--ask", "rest,fist")
    assert (code, out) == (1, "")
    assert "the source ended during rest; a recording does not do what it is asked to" in err
    assert "`myocast align synthetic:`" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ask", "fist,open"), "expected rest"),
        (("--ask", "rest,wave"), "expected rest"),
        (("--model", "none.onnx"), "no such file"),
        (("--cues", "rest=0,wave=3"), "expected CUE=CLASS"),
        (("--against", "a.csv"), "state them"),
    ],
)
def test_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = run(monkeypatch, capsys, "synthetic:", *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_source_that_no_model_fits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(monkeypatch, capsys, "synthetic:?rate=50")
    assert (code, out) == (2, "")
    assert "--model" in err


def cues_of(path: Path, turn: int) -> Path:
    """Rest, fist and extension of a ring of muscles as a text file with classes, the band turned by whole channels."""
    rng = np.random.default_rng(1)
    place = 2 * np.pi * np.arange(8) / 8
    fist, extension = 5 + 20 * np.cos(place / 2) ** 4, 3 + 40 * np.sin(place / 2 - 0.5) ** 8
    rows = []
    for label, level in ((0, np.full(8, 2.0)), (7, fist), (2, extension)):
        emg = np.roll(level, turn) * rng.standard_normal((1000, 8))
        rows.append(np.column_stack([np.rint(emg), np.full(1000, label)]))
    np.savetxt(path, np.concatenate(rows), fmt="%d", delimiter=",")
    return path


@pytest.mark.parametrize("turn", [-2, 0, 1, 3])
def test_sessions_with_classes_ask_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, turn: int
) -> None:
    worn, first = cues_of(tmp_path / "worn.csv", turn), cues_of(tmp_path / "first.csv", 0)
    file = tmp_path / "band.json"
    cues = ("--cues", "rest=0,fist=7,extension=2")
    code, out, err = run(monkeypatch, capsys, worn, *cues, "--against", first, "--out", file, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["turn_channels"] == pytest.approx(turn, abs=0.3)
    assert result["turn_deg"] == pytest.approx(45 * turn, abs=14)
    assert not result["mirrored"]
    assert read_alignment(file) == result


def test_sessions_are_compared_with_the_models_template(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    worn = cues_of(tmp_path / "worn.csv", 0)
    code, out, _ = run(monkeypatch, capsys, worn, "--cues", "rest=0,fist=7,extension=2")
    assert code == 0
    assert out.startswith("The band sits ")
