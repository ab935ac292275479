from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from drivers.events import Battery, Notice
from drivers.sessions import SessionError, SessionExists, read_session, write_session
from models.hand import VALUES
from models.recording import Marker, Recording
from tests.support.sessions import recording


def posed(rec: Recording) -> Recording:
    joints = np.cumsum(np.random.default_rng(6).normal(0, 1, (len(rec), VALUES)), axis=0)
    return dataclasses.replace(rec, label_t=rec.t, joints=np.round(joints, 3).astype(np.float32))


@pytest.mark.parametrize("origin", [0.0, 1_763_900_000.0, -3.0])
@pytest.mark.parametrize("rate", [50.0, 200.0, 250.0, 30.0])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_csv_to_mcap_to_csv_is_the_same(tmp_path: Path, rate: float, origin: float, suffix: str) -> None:
    write_session(tmp_path / f"a{suffix}", posed(recording(rate=rate, origin=origin)))
    write_session(tmp_path / "b.mcap", read_session(tmp_path / f"a{suffix}"))
    write_session(tmp_path / f"c{suffix}", read_session(tmp_path / "b.mcap"))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"c{suffix}").read_bytes()


def test_csv_keeps_the_samples(tmp_path: Path) -> None:
    rec = posed(recording())
    write_session(tmp_path / "a.csv", rec)
    back = read_session(tmp_path / "a.csv")
    np.testing.assert_array_equal(back.emg, rec.emg)
    np.testing.assert_array_equal(back.t, rec.t)
    np.testing.assert_array_equal(back.sample, rec.sample)
    np.testing.assert_array_equal(back.joints, rec.joints)
    header, first = (tmp_path / "a.csv").read_text().splitlines()[:2]
    assert header.startswith("t,ch1,ch2,ch3,ch4,ch5,ch6,ch7,ch8,x0,y0,z0,x1")
    assert header.endswith("z19,x20,y20,z20")
    assert first.split(",")[1:9] == [str(int(value)) for value in rec.emg[0]]


def test_mcap_keeps_everything(tmp_path: Path) -> None:
    rec = recording(origin=1000.0)
    imu = np.column_stack((rec.t[::4], np.random.default_rng(1).normal(0, 1, (500, 10))))
    full = dataclasses.replace(
        posed(rec),
        imu=imu,
        markers=(Marker(1000.5, "squeeze"),),
        frame_start=np.arange(0, 2000, 2),
        arrival=rec.t[::2] + 0.02,
        breaks=np.array([600]),
        meta={**rec.meta, "events": (Battery(1001.0, 55), Notice(1002.0, "sync", "left"))},
    )
    write_session(tmp_path / "a.mcap", full, {"subject": "p1"})
    back = read_session(tmp_path / "a.mcap")
    for name in ("emg", "t", "sample", "label_t", "joints", "imu", "frame_start", "arrival"):
        np.testing.assert_allclose(getattr(back, name), getattr(full, name), atol=1e-9, err_msg=name)
    assert [(s.start, s.stop) for s in back.segments()] == [(0, 600), (600, 1000), (1000, 2000)]
    assert back.markers == full.markers
    assert back.meta["events"] == full.meta["events"]
    assert (back.hand, back.name, back.rate_hz) == ("left", "band", 200.0)
    assert {key: back.meta[key] for key in ("user", "session", "rotation_deg", "subject")} == {
        "user": "3", "session": "2", "rotation_deg": "22.5", "subject": "p1"
    }  # fmt: skip
    assert b"secret" not in (tmp_path / "a.mcap").read_bytes()


def test_bursts_are_not_invented(tmp_path: Path) -> None:
    write_session(tmp_path / "a.mcap", recording())
    back = read_session(tmp_path / "a.mcap")
    assert back.frame_start is None
    assert back.arrival is None


def test_irregular_times_are_kept(tmp_path: Path) -> None:
    rec = recording(500, gap=False)
    t = np.sort(np.random.default_rng(2).integers(0, 10_000_000, 500)) / 1e6
    rec = dataclasses.replace(rec, t=t, rate_hz=50.0)
    write_session(tmp_path / "a.mcap", rec)
    np.testing.assert_allclose(read_session(tmp_path / "a.mcap").t, t, atol=1e-9)


def test_class_labels_survive_mcap(tmp_path: Path) -> None:
    rec = recording(1000)
    classes = np.repeat([0, 3, 0, 3, -1], 200)
    write_session(tmp_path / "a.mcap", dataclasses.replace(rec, classes=classes))
    back = read_session(tmp_path / "a.mcap")
    assert back.classes is not None
    assert back.classes.tolist() == classes.tolist()
    assert back.markers == ()


def test_fractions_stay_what_they_are(tmp_path: Path) -> None:
    emg = np.random.default_rng(8).normal(0, 30, (100, 8)).astype(np.float32)
    rec = dataclasses.replace(recording(100), emg=emg, unit="uV", emg_mode="filtered")
    write_session(tmp_path / "a.mcap", rec)
    write_session(tmp_path / "a.csv", rec)
    np.testing.assert_array_equal(read_session(tmp_path / "a.mcap").emg, emg)
    np.testing.assert_array_equal(read_session(tmp_path / "a.csv").emg, emg)
    assert (read_session(tmp_path / "a.mcap").unit, read_session(tmp_path / "a.mcap").emg_mode) == ("uV", "filtered")


@pytest.mark.parametrize("suffix", [".mcap", ".csv", ".csv.gz"])
def test_the_same_recording_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    seen: list[int] = []
    for name in ("a", "b"):
        write_session(tmp_path / (name + suffix), posed(recording()), progress=seen.append)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert seen[-1] == 2000


def test_targets_that_cannot_be(tmp_path: Path) -> None:
    rec = recording(10)
    (tmp_path / "a.csv").write_text("precious")
    with pytest.raises(SessionExists):
        write_session(tmp_path / "a.csv", rec)
    assert (tmp_path / "a.csv").read_text() == "precious"
    with pytest.raises(SessionError, match=r"must end in .mcap, .csv, "):
        write_session(tmp_path / "a.xlsx", rec)
    with pytest.raises(SessionError, match="no such folder"):
        write_session(tmp_path / "nowhere" / "a.csv", rec)
    empty = dataclasses.replace(rec, emg=rec.emg[:0], t=rec.t[:0], sample=rec.sample[:0])
    with pytest.raises(SessionError, match="no samples"):
        write_session(tmp_path / "b.csv", empty)
