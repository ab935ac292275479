from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.events import Battery, Frame, SourceInfo
from drivers.sessions import SessionWriter, write_session
from models.hand import VALUES
from models.recording import Marker, Recording
from service.cli import main


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["myocast", "info", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def session() -> Recording:
    emg = np.zeros((1000, 8), np.float32)
    emg[:, 0] = np.tile([3.0, -5.0], 500)
    emg[:10, 1] = 127
    emg[:10, 2] = -128
    sample = np.arange(1000) + (np.arange(1000) >= 400) * 30
    t = 50.0 + sample / 200
    return Recording(
        emg=emg,
        t=t,
        sample=sample,
        rate_hz=200.0,
        hand="left",
        name="My Myo",
        label_t=t[::4],
        joints=np.ones((250, VALUES), np.float32),
        markers=(Marker(51.5, "fist"),),
        imu=np.ones((7, 11)) * 50.0,
        meta={"user": "7", "events": (Battery(50.0, 80),)},
    )


def about(path: Path, *arguments: Any, **changes: Any) -> dict[str, Any]:
    write_session(path, dataclasses.replace(session(), **changes))
    capsys, monkeypatch = arguments
    code, out, err = run(capsys, monkeypatch, path, "--json")
    assert (code, err) == (0, "")
    values: dict[str, Any] = json.loads(out)
    return values


def test_json_says_what_the_session_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    got = about(tmp_path / "a.mcap", capsys, monkeypatch)
    assert (got["format"], got["device"], got["hand"], got["unit"], got["emg_mode"]) == (
        "mcap", "My Myo", "left", "adc", "raw"
    )  # fmt: skip
    assert (got["duration_s"], got["samples"], got["rate_hz"], got["measured_rate_hz"]) == (5.15, 1000, 200.0, 200.0)
    assert got["gaps"] == {"count": 1, "lost_samples": 30, "longest_s": 0.15, "at_s": [2.15]}
    first, second, third = got["channels"][:3]
    assert first == {"channel": 1, "mean": -1, "sd": 4, "rms": 4.1231, "min": -5, "max": 3, "clipped_percent": 0}
    assert second["clipped_percent"] == third["clipped_percent"] == 1.0
    assert got["truth"] == {"labels": 250, "rate_hz": pytest.approx(48.5, abs=0.5)}
    assert got["markers"] == [{"t_s": 1.5, "label": "fist"}]
    assert (got["imu_samples"], got["events"], got["classes"], got["others"]) == (7, 1, None, [])
    assert got["metadata"]["user"] == "7"
    assert got["dropped"] == got["notes"] == []


def test_class_labels_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    got = about(tmp_path / "a.mcap", capsys, monkeypatch, classes=np.repeat([0, 7], [600, 400]))
    assert got["classes"] == {"0": 600, "7": 400}
    assert got["markers"] == [{"t_s": 1.5, "label": "fist"}]


def test_clipping_is_only_reported_where_the_limits_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    got = about(tmp_path / "a.mcap", capsys, monkeypatch, unit="uV")
    assert {channel["clipped_percent"] for channel in got["channels"]} == {None}


def test_the_table_shows_the_same_and_what_was_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "[bold]a.txt"
    lines = ["1,2,3,4,5,6,7,8,0"] * 100
    lines[40] = "1,2,3"
    lines[41] = "1,2,3,4,five,6,7,8,0"
    path.write_text("\n".join(lines))
    code, out, err = run(capsys, monkeypatch, path)
    assert (code, err) == (0, "")
    for text in ("[bold]a.txt", "98 samples", "200 Hz", "raw, adc", "0: 98", "2 samples lost"):
        assert text in out
    assert "1 dropped: expected 9 numbers, found 3 (line 41)" in out
    assert "1 dropped: text where a number belongs (line 42)" in out


def test_every_device_of_a_file_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionWriter(tmp_path / "a.mcap") as writer:
        for device, name in enumerate(("left band", "right band")):
            writer.write(SourceInfo("myo:", name, 200.0), device=device)
            writer.write(Frame(0, 100.0, np.full((2, 8), device, np.float32), 100.0), device=device)
    _, out, _ = run(capsys, monkeypatch, tmp_path / "a.mcap", "--json")
    got = json.loads(out)
    assert (got["device"], got["devices"], [other["device"] for other in got["others"]]) == (
        "left band", [0, 1], ["right band"]
    )  # fmt: skip
    _, out, _ = run(capsys, monkeypatch, tmp_path / "a.mcap")
    assert "left band (number 0)" in out
    assert "right band (number 1)" in out


def test_a_cut_off_recording_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_session(tmp_path / "a.mcap", session())
    data = (tmp_path / "a.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: len(data) - 200])
    code, out, _ = run(capsys, monkeypatch, tmp_path / "cut.mcap")
    assert code == 0
    assert "cut off" in out


@pytest.mark.parametrize("content", [None, b"", b"nothing of use\n", b"1,2,3\n1,2,3\n"])
def test_what_cannot_be_read_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    code, out, err = run(capsys, monkeypatch, path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "a.csv" in err
