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
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    source: Path,
    target: Path,
    *options: str,
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["myocast", "convert", str(source), str(target), *options])
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
        ("a.txt", "b.xlsx", "must end in .mcap, .csv, .csv.gz, .npz, .xdf, .edf or .bdf"),
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


def test_what_a_file_does_not_say_can_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "a.csv"
    table.write_text("".join(f"{n % 7},{4 * n},{37 * n % 100},2,3,4,5,6,7,8,9\n" for n in range(500)))
    (tmp_path / "labels.csv").write_text("0.5,3\n1.0,0\n")
    code, _, err = convert(capsys, monkeypatch, table, tmp_path / "b.mcap")
    assert code == 2
    assert "`?columns=t,ch1-8,label`" in err
    options = ("--columns", "-,t_ms,ch1-8", "--unit", "uV", "--scale", "0.5", "--labels", str(tmp_path / "labels.csv"))
    code, out, err = convert(capsys, monkeypatch, table, tmp_path / "b.npz", *options)
    assert (code, out) == (0, f"{tmp_path / 'b.npz'}: 500 samples, 2.000 s\n"), err
    recording = read_session(tmp_path / "b.npz")
    assert (recording.rate_hz, recording.unit) == (250.0, "uV")
    np.testing.assert_allclose(recording.emg[1], [18.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0])
    assert recording.classes is not None
    assert recording.classes[[124, 125, 250]].tolist() == [-1, 3, 0]
    code, _, err = convert(capsys, monkeypatch, tmp_path / "b.npz", tmp_path / "c.csv", "--rate", "no")
    assert code == 2
    assert "`rate=no`" in err


def test_a_format_says_what_it_cannot_hold_and_foxglove_gets_a_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = convert(capsys, monkeypatch, Path("demo:"), tmp_path / "a.edf")
    assert code == 0
    assert out.startswith(f"{tmp_path / 'a.edf'}: ")
    assert "left out, EDF cannot hold it (.mcap can): the times of hand poses" in err
    code, out, err = convert(capsys, monkeypatch, tmp_path / "a.edf", tmp_path / "b.mcap", "--foxglove")
    assert code == 0, err
    assert out.startswith(f"{tmp_path / 'b.mcap'}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.edf", "b.mcap"]
    assert b"/hand/truth" in (tmp_path / "b.mcap").read_bytes()
    code, _, err = convert(capsys, monkeypatch, tmp_path / "a.edf", tmp_path / "b.csv", "--foxglove")
    assert (code, len(err.splitlines())) == (2, 1)
