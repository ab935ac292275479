"""`myocast check`: the verdict on each channel, and the exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from service.cli import main


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int | str | None, str, str]:
    monkeypatch.setattr(sys, "argv", ["myocast", "check", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def session(folder: Path, seconds: int, flat: int | None = None) -> Path:
    """A recording of noise as headerless text, 200 Hz raw adc."""
    emg = np.random.default_rng(4).normal(0.0, 8.0, (200 * seconds, 8)).round()
    if flat is not None:
        emg[:, flat] = 0
    path = folder / "session.csv"
    np.savetxt(path, emg, fmt="%d", delimiter=",")
    return path


def test_all_good(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(monkeypatch, capsys, f"replay:{session(tmp_path, 10)}?speed=20", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert list(found) == ["channels", "rate_hz", "lost"]
    assert [(one["channel"], one["state"], one["hint"]) for one in found["channels"]] == [
        (channel, "good", "") for channel in range(1, 9)
    ]
    assert found["lost"] == 0


def test_a_bad_channel_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(monkeypatch, capsys, f"replay:{session(tmp_path, 10, flat=2)}?speed=20", "--seconds", "8")
    assert (code, err) == (1, "")
    assert "flat" in out
    assert "samples a second, 0 lost" in out


def test_too_little(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    np.savetxt(path, np.ones((100, 8)), fmt="%d", delimiter=",")
    code, out, err = run(monkeypatch, capsys, f"replay:{path}?speed=20")
    assert (code, out) == (1, "")
    assert "100 samples came" in err
