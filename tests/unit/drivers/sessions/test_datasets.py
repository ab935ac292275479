from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import SessionError, read_session
from drivers.sessions.datasets.jhu import read_jhu
from drivers.sessions.datasets.manus import ANGLES, COLUMNS

SHARED = Path(__file__).parents[5] / "shared" / "data"
ROW = b"1,2,3,4,5,6,7,8\n"


def test_user_and_session_come_from_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "_readings_left_hand" / "12345-3" / "7.txt.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(ROW * 10))
    rec = read_session(path)
    assert {key: rec.meta[key] for key in ("user", "session", "gesture")} == {
        "user": "12345",
        "session": "3",
        "gesture": "7",
    }
    assert rec.hand == "left"
    assert read_session(path, hand="right").hand == "right"


def test_every_real_session_of_one_person_loads() -> None:
    folder = SHARED / "myo-readings-dataset" / "_readings_right_hand" / "21547-1"
    if not folder.exists():
        pytest.skip("real recordings are not here: myo-readings-dataset")
    found = {path.name: read_session(path) for path in folder.glob("*.txt.gz")}
    assert sorted(found) == [f"{k}.txt.gz" for k in range(8)]
    for name, rec in found.items():
        assert rec.meta["user"] == "21547"
        assert rec.duration_s == pytest.approx(60.0, rel=0.2)
        assert rec.classes is not None
        assert set(rec.classes.tolist()) <= {0, int(name[0])}


def test_real_emg_and_angles_share_a_clock() -> None:
    folder = SHARED / "JHU-NTX-2023"
    if not folder.exists():
        pytest.skip("real recordings are not here: JHU-NTX-2023")
    got = read_jhu(next(folder.glob("EMG_*.csv.gz")), next(folder.glob("mediapipe_*.csv.gz")))
    assert got.emg.shape == (33_645, 8)
    assert got.angles.shape == (10_789, 5)
    assert (np.diff(got.emg_t) >= 0).all()
    assert (np.diff(got.angle_t) > 0).all()
    assert (got.emg == np.rint(got.emg)).all()
    assert -128 <= got.emg.min() < got.emg.max() <= 127
    assert got.emg_t[0] == pytest.approx(25 * 60 + 17.533)
    assert got.angle_t[0] == pytest.approx(25 * 60 + 14.290)
    assert min(got.emg_t[-1], got.angle_t[-1]) - max(got.emg_t[0], got.angle_t[0]) == pytest.approx(622, abs=1)
    assert len(got.emg) / (got.emg_t[-1] - got.emg_t[0]) == pytest.approx(53.9, abs=0.1)


def test_jhu_past_one_o_clock_and_bad_lines(tmp_path: Path) -> None:
    head = "time," + ",".join(f"currentData_{n}" for n in range(1, 9)) + "\n"
    values = ",0.01,-1.28,0,0,0,0,0,1.27\n"
    (tmp_path / "e.csv").write_text(head + "".join(f"{t}{values}" for t in ("12:59:59.500", "1:00:00.500")))
    (tmp_path / "a.csv").write_text(
        "timestamp,thumb,index,middle,ring,little\n" + "23/06/22 00:59:59.000,1,2,3,4,5\n" * 3
    )
    got = read_jhu(tmp_path / "e.csv", tmp_path / "a.csv")
    assert got.emg_t.tolist() == [3599.5, 3600.5]
    assert got.emg[0].tolist() == [1, -128, 0, 0, 0, 0, 0, 127]
    assert got.angles.tolist() == [[1, 2, 3, 4, 5]] * 2
    (tmp_path / "e.csv").write_text(head + "12:00:00,1,2,3\n")
    with pytest.raises(SessionError, match=r"e.csv:2: expected a time of day and 8 numbers"):
        read_jhu(tmp_path / "e.csv", tmp_path / "a.csv")
    (tmp_path / "e.csv").write_text(head + "12:00:00,a,b,c,d,e,f,g,h\n")
    with pytest.raises(SessionError, match="expected a time of day and 8 numbers"):
        read_jhu(tmp_path / "e.csv", tmp_path / "a.csv")


def test_semg_manus(tmp_path: Path) -> None:
    path = tmp_path / "data" / "u_3" / "s_2" / "g_tap_index" / "recording_slow_01_02_2024_10_11_12.csv"
    path.parent.mkdir(parents=True)
    lines = []
    for n in range(100):
        imu = [16384, 0, 0, 0, 2048 * (1 + n // 4 % 2), 0, 0, 160, 0, 0]
        lines.append([*range(n - 50, n - 42), *imu, *np.arange(20) + n / 10, 0, 0, 0, 1])
    text = "\n".join(",".join(map(str, line)) for line in lines)
    path.write_text(f"# {','.join(COLUMNS)}\n{text}\n")
    rec = read_session(path)
    assert (rec.rate_hz, rec.unit, rec.emg_mode, rec.hand) == (200.0, "adc", "raw", "right")
    assert rec.emg[60].tolist() == list(range(10, 18))
    assert {key: rec.meta[key] for key in ("user", "session", "gesture", "speed")} == {
        "user": "3", "session": "2", "gesture": "tap_index", "speed": "slow"
    }  # fmt: skip
    angles = rec.meta[ANGLES]
    assert angles.shape == (100, 20)
    np.testing.assert_allclose(angles[10], np.arange(20) + 1)
    assert rec.imu is not None
    assert rec.imu.shape == (25, 11)
    assert rec.imu[1].tolist() == [4 / 200, 1, 0, 0, 0, 2, 0, 0, 10, 0, 0]
