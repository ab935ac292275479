"""`myocast synthesize`: files of several people, the same for the same arguments, none overwritten."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import read_session
from models.forward.generator import session
from service.cli import main


class Run:
    """The verb, run in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["myocast", "synthesize", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = self._capsys.readouterr()
        return int(left.value.code or 0), out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(capsys, monkeypatch)


def test_a_file_for_each_user_and_session(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "sessions"
    code, out, err = run(folder, "--users", 2, "--sessions", 2, "--seconds", 3, "--seed", 5)
    assert (code, err) == (0, "")
    assert out == f"{folder}: 4 synthetic sessions of 3 s (2 people, 2 each)\n"
    names = [f"user{user:03d}-session{number}.mcap" for user in (0, 1) for number in (0, 1)]
    assert sorted(path.name for path in folder.iterdir()) == names
    read = read_session(folder / "user001-session0.mcap")
    made = session(1, 0, 3.0, seed=5)
    np.testing.assert_array_equal(read.emg, made.emg)
    np.testing.assert_array_equal(read.sample, made.sample)
    assert read.joints is not None
    assert made.joints is not None
    np.testing.assert_allclose(read.joints, made.joints, atol=1e-3)
    assert [marker.label for marker in read.markers] == [marker.label for marker in made.markers]
    assert (read.rate_hz, read.emg_mode, read.hand) == (200.0, "raw", "right")
    told = {key: read.meta[key] for key in ("user", "session", "donning", "seed", "generator")}
    assert told == {"user": "1", "session": "0", "donning": "0", "seed": "5", "generator": "A1"}


def test_the_same_arguments_give_the_same_files(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run(tmp_path / name, "--users", 1, "--sessions", 1, "--seconds", 2)[0] == 0
    first, second = (next((tmp_path / name).iterdir()).read_bytes() for name in ("a", "b"))
    assert first == second


def test_other_rates_modes_and_variants(run: Run, tmp_path: Path) -> None:
    common = ("--users", 1, "--sessions", 1, "--seconds", 2)
    for name, extra, rate in (
        ("e", ("--mode", "envelope"), 50.0),
        ("r", ("--rate", 500), 500.0),
        ("b", ("--variant", "B"), 200.0),
    ):
        assert run(tmp_path / name, *common, *extra)[0] == 0
        read = read_session(tmp_path / name / "user000-session0.mcap")
        assert read.rate_hz == rate
        assert read.meta["generator"] == ("B1" if name == "b" else "A1")


def test_nothing_is_overwritten_and_nothing_begun(run: Run, tmp_path: Path) -> None:
    (tmp_path / "user001-session0.mcap").write_bytes(b"mine")
    code, out, err = run(tmp_path, "--users", 2, "--sessions", 1, "--seconds", 1)
    assert (code, out) == (2, "")
    assert "user001-session0.mcap: exists already" in err
    assert [path.name for path in tmp_path.iterdir()] == ["user001-session0.mcap"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--mode", "loud"), "expected one of raw, filtered, envelope"),
        (("--variant", "C"), "expected one of A, B"),
        (("--mode", "envelope", "--rate", "200"), "always has 50 Hz"),
        (("--users", "0"), "--users"),
        (("--rate", "10"), "--rate"),
    ],
)
def test_wrong_use_is_one_line(run: Run, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = run(tmp_path / "x", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run(tmp_path / "file" / "x", "--users", 1)
    assert code == 2
    assert "no folder can be made there" in err
