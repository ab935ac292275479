"""Labels that are angles, and classes, survive the way through both kinds of session file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import SessionError, read_session, write_session
from drivers.sessions.summary import summary
from models.kinematics import ANGLES
from models.recording import Recording

INDEX = ANGLES.index("index_mcp_fe")
THUMB = ANGLES.index("thumb_ip_fe")


def recording(**changes: object) -> Recording:
    n = 100
    angles = np.full((n, len(ANGLES)), np.nan, np.float32)
    angles[10:, INDEX] = np.deg2rad(np.linspace(0, 80, n - 10))
    angles[:, THUMB] = np.deg2rad(-5.0)
    t = np.arange(n) / 50.0
    values: dict[str, object] = {
        "emg": np.arange(n * 8, dtype=np.float32).reshape(n, 8), "t": t, "sample": np.arange(n), "rate_hz": 50.0,
        "emg_mode": "raw", "angle_t": t, "angles": angles, "classes": np.repeat([0, 7, 2, 0], 25),
    }  # fmt: skip
    return Recording(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.mcap", "a.csv", "a.csv.gz"])
def test_angles_and_classes_come_back(tmp_path: Path, name: str) -> None:
    before = recording()
    write_session(tmp_path / name, before)
    after = read_session(tmp_path / name)
    assert after.angles is not None
    assert before.angles is not None
    assert after.angle_t is not None
    np.testing.assert_allclose(after.angles, before.angles, atol=1e-5)
    assert after.angle_t is not None
    assert before.angle_t is not None
    np.testing.assert_allclose(after.angle_t, before.angle_t, atol=1e-6)
    np.testing.assert_array_equal(after.classes, before.classes)
    assert after.joints is None
    assert (summary(after)["truth"], summary(after)["angles"]) == (None, {"labels": 100, "rate_hz": 50.0})


def test_points_and_angles_stand_beside_each_other(tmp_path: Path) -> None:
    joints = np.arange(100 * 63, dtype=np.float32).reshape(100, 63)
    write_session(tmp_path / "a.csv", recording(joints=joints, label_t=np.arange(100) / 50.0))
    after = read_session(tmp_path / "a.csv")
    assert after.joints is not None
    np.testing.assert_allclose(after.joints, joints)
    assert after.angles is not None
    header = (tmp_path / "a.csv").read_text().split("\n")[0].split(",")
    assert header[-3:] == ["thumb_ip_fe", "index_mcp_fe", "label"]


def test_a_csv_of_somebody_elses_columns(tmp_path: Path) -> None:
    channels = ",".join(f"ch{k}" for k in range(1, 9))
    rows = [f"{k / 200},{','.join(['1'] * 8)},{'' if k % 2 else k},{k // 50}" for k in range(200)]
    (tmp_path / "a.csv").write_text("\n".join([f"t,{channels},index_mcp_fe,label", *rows]))
    after = read_session(tmp_path / "a.csv")
    assert after.angles is not None
    np.testing.assert_allclose(np.rad2deg(after.angles[:, INDEX]), np.arange(0, 200, 2), rtol=1e-5)
    np.testing.assert_array_equal(after.classes, np.arange(200) // 50)


def test_a_class_that_is_no_whole_number_is_refused(tmp_path: Path) -> None:
    channels = ",".join(f"ch{k}" for k in range(1, 9))
    (tmp_path / "a.csv").write_text(f"t,{channels},label\n" + "\n".join(f"{k / 200},{'1,' * 8}0.5" for k in range(9)))
    with pytest.raises(SessionError, match=r"0\.5` is not a whole number"):
        read_session(tmp_path / "a.csv")


@pytest.mark.parametrize("columns", ["index_mcp_fe,index_mcp_fe", "elbow_fe", "label,index_mcp_fe"])
def test_other_columns_are_refused(tmp_path: Path, columns: str) -> None:
    channels = ",".join(f"ch{k}" for k in range(1, 9))
    (tmp_path / "a.csv").write_text(f"t,{channels},{columns}\n0,1,1,1,1,1,1,1,1,1,1\n")
    with pytest.raises(SessionError, match="is not known"):
        read_session(tmp_path / "a.csv")
