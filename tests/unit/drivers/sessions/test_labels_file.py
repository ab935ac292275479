"""Labels of the hand in a second file, on a clock of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivers.errors import DriverError
from drivers.sessions import SessionError, read_session, write_session
from models.forward.generator import session
from models.hand import JOINTS
from models.kinematics import ANGLES
from models.recording import Recording

ROWS = np.random.default_rng(7).integers(-90, 90, (400, 8))
POINTS = np.random.default_rng(8).normal(0.0, 30.0, (21, 3)) + np.arange(21)[:, None] * np.array([1.0, -2.0, -9.0])


def emg(folder: Path, start: float = 0.0) -> Path:
    path = folder / "emg.csv"
    lines = [f"{start + n / 200:.3f}," + ",".join(map(str, row)) for n, row in enumerate(ROWS.tolist())]
    path.write_text("t," + ",".join(f"ch{k}" for k in range(1, 9)) + "\n" + "\n".join(lines))
    return path


def labelled(folder: Path, text: str, options: str = "", name: str = "labels.csv", start: float = 0.0) -> Recording:
    (folder / name).write_text(text)
    return read_session(f"{emg(folder, start)}?labels={folder / name}{options}")


def points(unit: float, name: str = "{axis}{point}", count: int = 40) -> str:
    names = [name.format(axis=axis, point=point, joint=JOINTS[point]) for point in range(21) for axis in "xyz"]
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    row = ",".join(f"{value:.6f}" for value in (POINTS @ turn * unit).reshape(-1))
    return ",".join(["time", *names]) + "\n" + "\n".join(f"{n / 20:.3f},{row}" for n in range(count))


@pytest.mark.parametrize(("unit", "said"), [(1.0, ""), (0.1, "points are in cm"), (0.001, "points are in m")])
@pytest.mark.parametrize(
    "name", ["{axis}{point}", "{axis}_{point}", "landmark_{point}_{axis}", "{joint}_{axis}", "{joint}.{axis}"]
)
def test_points_of_a_tracker(tmp_path: Path, unit: float, said: str, name: str) -> None:
    recording = labelled(tmp_path, points(unit, name))
    assert recording.joints is not None
    assert len(recording.joints) == 40
    hand = recording.joints[0].reshape(21, 3)
    np.testing.assert_allclose(hand[0], 0.0, atol=1e-3)
    assert np.linalg.norm(hand[9]) == pytest.approx(np.linalg.norm(POINTS[9] - POINTS[0]), rel=1e-3)
    assert abs(hand[9][0]) + abs(hand[9][1]) < 1e-2
    assert said in " ".join(recording.meta["notes"])


def test_points_of_a_picture_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"which is no hand in mm, cm or m .*`labels.unit=mm`"):
        labelled(tmp_path, points(1e-5))


def test_nearest_and_interpolated(tmp_path: Path) -> None:
    text = "t,index_mcp_fe\n0,0\n1,60\n"
    recording = labelled(tmp_path, text)
    degrees = np.rad2deg(recording.angles_at(np.array([0.5])))[0, ANGLES.index("index_mcp_fe")]  # type: ignore[arg-type]
    assert degrees == pytest.approx(30.0, abs=1e-3)
    recording = labelled(tmp_path, text, "&labels.join=nearest")
    column = np.rad2deg(recording.angles_at(np.array([0.4, 0.6])))[:, ANGLES.index("index_mcp_fe")]  # type: ignore[arg-type]
    np.testing.assert_allclose(column, [0.0, 60.0], atol=1e-3)


def test_classes_hold_until_the_next(tmp_path: Path) -> None:
    recording = labelled(tmp_path, "0.5,3\n1.0,0\n")
    assert recording.classes is not None
    assert recording.classes[[0, 99, 100, 199, 200, 399]].tolist() == [-1, -1, 3, 3, 0, 0]
    recording = labelled(tmp_path, "time_ms;gesture\n500;fist\n1000;rest\n")
    assert recording.classes is not None
    assert recording.classes[[99, 100, 200]].tolist() == [-1, 0, 1]
    assert any("0 = fist, 1 = rest" in note for note in recording.meta["notes"])


def test_events_of_bids_have_a_duration(tmp_path: Path) -> None:
    text = "onset\tduration\ttrial_type\n0.25\t0.5\tfist\n1.0\t0.25\topen\n"
    recording = labelled(tmp_path, text, name="sub-01_task-x_events.tsv")
    assert recording.classes is not None
    assert recording.classes[[49, 50, 149, 150, 200, 249, 250]].tolist() == [-1, 0, 0, -1, 1, 1, -1]


def test_another_clock_is_told_and_its_offset_taken(tmp_path: Path) -> None:
    text = "t,index_mcp_fe\n" + "\n".join(f"{n / 30:.4f},{n}" for n in range(60))
    with pytest.raises(SessionError, match=r"lie at 0.000 to .* and the EMG at 1700000000.000 .*`labels.offset=start`"):
        labelled(tmp_path, text, start=1.7e9)
    recording = labelled(tmp_path, text, "&labels.offset=1700000000.5", start=1.7e9)
    assert recording.angle_t is not None
    assert recording.angle_t[0] == pytest.approx(1.7e9 + 0.5)
    recording = labelled(tmp_path, text, "&labels.offset=start", start=1.7e9)
    assert recording.angle_t is not None
    assert recording.angle_t[0] == pytest.approx(1.7e9)


def test_labels_without_times(tmp_path: Path) -> None:
    text = "index_mcp_fe\n" + "\n".join(map(str, range(60)))
    with pytest.raises(
        SessionError, match=r"60 labels without times, for 400 samples; say their rate: `labels.rate=30`"
    ):
        labelled(tmp_path, text)
    recording = labelled(tmp_path, text, "&labels.rate=30")
    assert recording.angle_t is not None
    assert recording.angle_t[-1] == pytest.approx(59 / 30)
    recording = labelled(tmp_path, "label\n" + "\n".join(["4"] * 400))
    assert recording.classes is not None
    assert set(recording.classes.tolist()) == {4}


def test_columns_without_names_are_said(tmp_path: Path) -> None:
    text = "\n".join(f"{n * 10},7,{n},{n % 3}" for n in range(100))
    with pytest.raises(SessionError, match=r"has 4 columns without names; .*`labels.columns=t,label`"):
        labelled(tmp_path, text)
    recording = labelled(tmp_path, text, "&labels.columns=t_ms,-,index_pip_fe,label")
    assert recording.classes is not None
    assert recording.angle_t is not None
    assert recording.angle_t[-1] == pytest.approx(0.99)
    with pytest.raises(SessionError, match="'foo' is no column"):
        labelled(tmp_path, text, "&labels.columns=t,foo")


def test_a_header_that_names_no_labels(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"names no labels; expected a header with a time"):
        labelled(tmp_path, "t,a,b\n0,1,2\n")
    with pytest.raises(DriverError, match=r"`labels.offset=soon`.*expected a number"):
        labelled(tmp_path, "t,label\n0,1\n", "&labels.offset=soon")
    with pytest.raises(DriverError, match="there are no labels; name their file"):
        read_session(f"{emg(tmp_path)}?labels.offset=1")


def test_the_offset_of_the_clocks_is_estimated(tmp_path: Path) -> None:
    made = session(user=3, session=0, seconds=40.0, seed=1, emg_mode="raw", rate_hz=200.0)
    assert made.joints is not None
    assert made.label_t is not None
    write_session(tmp_path / "emg.npz", made)
    joints, t = made.joints[::8], made.label_t[::8] + 7000.0 + 3.21
    names = ",".join(f"{axis}{point}" for point in range(21) for axis in "xyz")
    rows = [f"{at:.4f}," + ",".join(f"{value:.3f}" for value in row) for at, row in zip(t, joints, strict=True)]
    rows = rows[50:]
    (tmp_path / "hand.csv").write_text(f"t,{names}\n" + "\n".join(rows))
    recording = read_session(f"{tmp_path / 'emg.npz'}?labels={tmp_path / 'hand.csv'}&labels.offset=estimate")
    assert recording.label_t is not None
    assert recording.label_t[0] - made.label_t[400] == pytest.approx(0.0, abs=0.08)
    assert any("estimated" in note for note in recording.meta["notes"])


def test_one_name_for_the_labels_of_many_sessions(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "emg_hand.csv").write_text("0,3\n1.0,4\n")
    recording = read_session(f"{emg(tmp_path)}?labels=labels/{{name}}_hand.csv")
    assert recording.classes is not None
    assert recording.classes[[0, 399]].tolist() == [3, 4]


def test_a_preset_says_it_all(tmp_path: Path) -> None:
    (tmp_path / "hand.csv").write_text("0.5,3\n1.0,0\n")
    preset = tmp_path / "lab.toml"
    preset.write_text(f'rate = 500\nunit = "uV"\n[labels]\nfile = "{tmp_path / "hand.csv"}"\noffset = 0.1\n')
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in ROWS.tolist()))
    recording = read_session(f"{path}?preset={preset}")
    assert (recording.rate_hz, recording.unit) == (500.0, "uV")
    assert recording.classes is not None
    assert recording.classes[[299, 300]].tolist() == [-1, 3]
    assert read_session(f"{path}?preset={preset}&rate=250").rate_hz == 250.0
    preset.write_text("speed = 2\n")
    with pytest.raises(DriverError, match="unknown option `speed`"):
        read_session(f"{path}?preset={preset}")
    preset.write_text("rate = [")
    with pytest.raises(DriverError, match="is not TOML"):
        read_session(f"{path}?preset={preset}")


def test_words_share_no_number_with_other_classes_and_events_may_have_an_end(tmp_path: Path) -> None:
    recording = labelled(tmp_path, "start,end,label\n0,0.5,fist\n0.6,1.0,0\n1.0,1.5,n/a\n1.5,9,4\n")
    assert recording.classes is not None
    assert recording.classes[[0, 99, 110, 120, 199, 250, 320]].tolist() == [5, 5, -1, 0, 0, -1, 4]


def test_angles_in_radians(tmp_path: Path) -> None:
    recording = labelled(tmp_path, "t,index_mcp_fe (rad),index_pip_fe [deg]\n0,0.5,90\n1,0.5,90\n")
    assert recording.angles is not None
    first = dict(zip(ANGLES, recording.angles[0].tolist(), strict=True))
    assert first["index_mcp_fe"] == pytest.approx(0.5)
    assert first["index_pip_fe"] == pytest.approx(np.pi / 2)
