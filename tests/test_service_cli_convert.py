from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import read_session
from service.cli import main


def convert(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, source: Path, target: Path
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["myocast", "convert", str(source), str(target)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{n % 100},2,3,4,5,6,7,8,{n // 500}\n" for n in range(1000)))
    return path


def test_text_to_mcap_to_csv_and_back(
    tmp_path: Path, bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = convert(capsys, monkeypatch, bare, tmp_path / "b.mcap")
    assert (code, out, err) == (0, f"{tmp_path / 'b.mcap'}: 1000 samples, 5.000 s\n", "")
    code, out, err = convert(capsys, monkeypatch, tmp_path / "b.mcap", tmp_path / "c.csv.gz")
    assert code == 0
    assert err == "left out, CSV cannot hold it (.mcap can): class labels\n"
    code, _, _ = convert(capsys, monkeypatch, tmp_path / "c.csv.gz", tmp_path / "d.mcap")
    assert code == 0
    first, last = read_session(bare), read_session(tmp_path / "d.mcap")
    np.testing.assert_array_equal(first.emg, last.emg)
    np.testing.assert_allclose(first.t, last.t, atol=1e-6)
    assert first.classes is not None
    between = read_session(tmp_path / "b.mcap").classes
    assert between is not None
    assert between.tolist() == first.classes.tolist()


def test_a_cut_off_recording_is_mended(
    tmp_path: Path, bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(capsys, monkeypatch, bare, tmp_path / "b.mcap")
    data = (tmp_path / "b.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[:-100])
    code, out, err = convert(capsys, monkeypatch, tmp_path / "cut.mcap", tmp_path / "mended.mcap")
    assert code == 0
    assert "cut off" in err
    assert "messages" in out
    assert read_session(tmp_path / "mended.mcap").meta["notes"] == []
    assert len(read_session(tmp_path / "mended.mcap")) == 1000


def test_dropped_lines_are_told(
    tmp_path: Path, bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.write_text(bare.read_text() + "1,2,3\n")
    code, _, err = convert(capsys, monkeypatch, bare, tmp_path / "b.mcap")
    assert (code, err) == (0, "1 dropped: expected 9 numbers, found 3 (line 1001)\n")


def test_an_existing_file_is_never_overwritten(
    tmp_path: Path, bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "b.csv"
    target.write_text("precious")
    code, out, err = convert(capsys, monkeypatch, bare, target)
    assert (code, out) == (2, "")
    assert "never overwritten" in err
    assert target.read_text() == "precious"


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("a.txt", "b.xlsx", "must end in .mcap, .csv or .csv.gz"),
        ("a.txt", "nowhere/b.csv", "no such folder"),
        ("nothing.txt", "b.csv", "no such file"),
        ("nothing.mcap", "b.mcap", "no such file"),
        ("empty.mcap", "b.mcap", "is empty"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    tmp_path: Path,
    bare: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    target: str,
    message: str,
) -> None:
    (tmp_path / "empty.mcap").write_bytes(b"")
    code, out, err = convert(capsys, monkeypatch, tmp_path / source, tmp_path / target)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "b.csv").exists()
    assert not (tmp_path / "b.mcap").exists()
