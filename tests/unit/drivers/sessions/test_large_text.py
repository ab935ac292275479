"""The summary of a table that is read in parts is that of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import read_session, summary
from drivers.sessions.summary import summarize

RANDOM = np.random.default_rng(7)
ROWS = RANDOM.integers(-128, 128, (5000, 8))
NAMES = ",".join(f"ch{channel}" for channel in range(1, 9))


def table(t: np.ndarray[tuple[int], np.dtype[np.float64]] | None, tail: str = "") -> str:
    lines = [",".join(map(str, row)) + tail.replace("N", str(n // 1700)) for n, row in enumerate(ROWS.tolist())]
    if t is not None:
        lines = [f"{at:.3f},{line}" for at, line in zip(t, lines, strict=True)]
    return "\n".join(lines)


GRID = np.arange(5000) / 200
GAPS = np.where(np.arange(5000) < 2048, GRID, GRID + 0.35) + np.where(np.arange(5000) < 3000, 0.0, 5.0)
BACK = np.where(np.arange(5000) < 2222, GRID, GRID - 3.0)


@pytest.mark.parametrize(
    "text",
    [
        table(None),
        f"t,{NAMES}\n{table(GRID)}",
        f"t,{NAMES}\n{table(GAPS)}",
        f"time,{NAMES},gesture\n{table(GAPS, ',gN')}",
        f"t,{NAMES},index_mcp_fe,label\n{table(GRID, ',12.5,N')}",
        f"t,{NAMES}\n{table(BACK)}",
        f"EMG1 (mV),{','.join(f'EMG{k} (mV)' for k in range(2, 9))}\n{table(None)}",
        table(GRID).replace("\n1.0", "\nERROR,1.0", 3),
        table(1.7e9 + GRID),
    ],
)
def test_a_summary_in_parts(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    monkeypatch.setattr("drivers.sessions.source_bytes._BLOCK", 1 << 14)
    whole = summary.summary(read_session(path))
    monkeypatch.setattr(summary, "LARGE", 0)
    monkeypatch.setattr("drivers.sessions.text.summing._PART_ROWS", 600)
    parts = summarize(path)
    assert parts.keys() == whole.keys()
    for name in set(whole) - {"channels", "gaps", "duration_s", "truth", "angles"}:
        assert parts[name] == whole[name], name
    for one, other in zip(parts["channels"], whole["channels"], strict=True):
        assert one == pytest.approx(other, abs=2e-4)
    assert parts["duration_s"] == pytest.approx(whole["duration_s"], abs=1e-5)
    for name in ("count", "lost_samples", "longest_s"):
        assert parts["gaps"][name] == whole["gaps"][name], name
    assert parts["gaps"]["at_s"] == pytest.approx(whole["gaps"]["at_s"], abs=1e-5)
    assert (parts["angles"] is None) == (whole["angles"] is None)


@pytest.mark.parametrize("separator", [",", "\t", " ", ";"])
def test_rows_are_read_alike_at_once_and_one_by_one(tmp_path: Path, separator: str) -> None:
    names = f"t,{NAMES},index_mcp_fe,index_pip_fe,middle_mcp_fe".replace(",", separator)
    gap = "nan" if separator == " " else ""
    rows = [
        separator.join([f"{n / 200:.3f}", *map(str, row), str(n % 90), gap if n % 3 else "4.5", gap if n % 2 else "-2"])
        for n, row in enumerate(ROWS[:600].tolist())
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([names, *rows]))
    at_once = read_session(path)
    # One row that cannot be read, and so the whole block is read row by row.
    path.write_text("\n".join([names, *rows, "a word"]))
    one_by_one = read_session(path)
    np.testing.assert_array_equal(at_once.emg, one_by_one.emg)
    np.testing.assert_array_equal(at_once.emg, ROWS[:600])
    assert at_once.angles is not None
    assert one_by_one.angles is not None
    np.testing.assert_array_equal(at_once.angles, one_by_one.angles)
    assert int(np.isfinite(at_once.angles).sum()) == 600 + 200 + 300
