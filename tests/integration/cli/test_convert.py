from __future__ import annotations

import errno
import os
import signal
import sys
from io import FileIO
from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import read_session, save, write_session
from models.recording import Recording
from service.cli import main
from tests.support.console import TIMEOUT_S, Console


def convert(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, source: Path, target: Path
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["myocast", "convert", str(source), str(target)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


@pytest.fixture
def csv_without_header(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{37 * n % 100},2,3,4,5,6,7,8,{n // 500}\n" for n in range(1000)))
    return path


def test_text_to_mcap_to_csv_and_back(
    tmp_path: Path, csv_without_header: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = convert(capsys, monkeypatch, csv_without_header, tmp_path / "b.mcap")
    assert (code, out, err) == (0, f"{tmp_path / 'b.mcap'}: 1000 samples, 5.000 s\n", "")
    code, out, err = convert(capsys, monkeypatch, tmp_path / "b.mcap", tmp_path / "c.csv.gz")
    assert (code, err) == (0, "")
    code, _, _ = convert(capsys, monkeypatch, tmp_path / "c.csv.gz", tmp_path / "d.mcap")
    assert code == 0
    first, last = read_session(csv_without_header), read_session(tmp_path / "d.mcap")
    np.testing.assert_array_equal(first.emg, last.emg)
    np.testing.assert_allclose(first.t, last.t, atol=1e-6)
    assert first.classes is not None
    np.testing.assert_array_equal(first.classes, last.classes)
    between = read_session(tmp_path / "b.mcap").classes
    assert between is not None
    assert between.tolist() == first.classes.tolist()


def test_csv_reports_what_it_cannot_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rec = Recording(
        emg=np.ones((100, 8), np.float32),
        t=np.arange(100) / 50.0,
        sample=np.arange(100),
        rate_hz=50.0,
        emg_mode="envelope",
        hand="left",
        breaks=np.array([40]),
    )
    write_session(tmp_path / "a.mcap", rec)
    code, _, err = convert(capsys, monkeypatch, tmp_path / "a.mcap", tmp_path / "a.csv")
    assert code == 0
    assert "`?mode=envelope&hand=left`" in err
    assert "breaks without a pause" in err
    assert "unit" not in err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_sigterm_ends_it_with_0_and_leaves_nothing(console: Console, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.csv")
    process = console.start("convert", tmp_path / "endless.csv", tmp_path / "out.mcap")
    with (tmp_path / "endless.csv").open("w") as file:
        file.write("1,2,3,4,5,6,7,8\n" * 100)
        file.flush()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (0, "", "")
    assert not (tmp_path / "out.mcap").exists()


def test_no_room_for_the_file_names_it(
    tmp_path: Path, csv_without_header: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save, "create", lambda path: _Full(path))
    code, _, err = convert(capsys, monkeypatch, csv_without_header, tmp_path / "b.mcap")
    assert code == 1
    assert f"{tmp_path / 'b.mcap'}: cannot be written" in err


class _Full(FileIO):
    """A new file on a full disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+b")

    def write(self, _data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_cut_off_recording_is_repaired(
    tmp_path: Path, csv_without_header: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(capsys, monkeypatch, csv_without_header, tmp_path / "b.mcap")
    data = (tmp_path / "b.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[:-100])
    code, out, err = convert(capsys, monkeypatch, tmp_path / "cut.mcap", tmp_path / "mended.mcap")
    assert code == 0
    assert "cut off" in err
    assert "messages" in out
    assert read_session(tmp_path / "mended.mcap").meta["notes"] == []
    assert len(read_session(tmp_path / "mended.mcap")) == 1000


def test_dropped_lines_are_reported(
    tmp_path: Path, csv_without_header: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    csv_without_header.write_text(csv_without_header.read_text() + "1,2,3\n")
    code, _, err = convert(capsys, monkeypatch, csv_without_header, tmp_path / "b.mcap")
    assert (code, err) == (0, "1 dropped: expected 9 numbers, found 3 (line 1001)\n")


def test_an_existing_file_is_never_overwritten(
    tmp_path: Path, csv_without_header: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "b.csv"
    target.write_text("precious")
    code, out, err = convert(capsys, monkeypatch, csv_without_header, target)
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
    csv_without_header: Path,
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
