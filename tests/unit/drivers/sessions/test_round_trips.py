"""What each format keeps of a recording that has everything, and what it says that it cannot."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader

from drivers.sessions import SessionError, SessionExists, read_session, write_session
from drivers.sessions.mcap.copy import copy_mcap
from models.arrays import Float32Array
from models.hand import PARENTS
from models.recording import Recording
from tests.support.mutated_files import full_recording


@pytest.fixture
def full() -> Recording:
    return full_recording()


def with_gap(recording: Recording) -> Recording:
    sample = recording.sample + np.where(np.arange(len(recording)) >= 50, 37, 0)
    return replace(recording, sample=sample, t=1.7e9 + sample / 200)


def assert_near(back: Float32Array | None, given: Float32Array | None, within: float) -> None:
    assert back is not None
    assert given is not None
    np.testing.assert_allclose(back, given, atol=within)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("a.npz", set()),
        ("a.mcap", set()),
        ("a.xdf", {"events"}),
        ("a.edf", {"events", "the times of hand poses", "the times of inertial samples", "the times of joint angles"}),
        ("a.bdf", {"events", "the times of hand poses", "the times of inertial samples", "the times of joint angles"}),
        ("a.csv", {"events", "markers", "inertial samples"}),
    ],
)
@pytest.mark.parametrize("gap", [False, True])
def test_a_round_trip_keeps_what_the_format_can_hold(
    tmp_path: Path, full: Recording, name: str, lost: set[str], gap: bool
) -> None:
    full = with_gap(full) if gap else full
    said = write_session(tmp_path / name, full)
    assert {next((one for one in lost if phrase.startswith(one)), phrase) for phrase in said} == lost
    back = read_session(tmp_path / name)
    np.testing.assert_array_equal(back.emg, full.emg)
    np.testing.assert_allclose(back.t, full.t, atol=1e-6)
    np.testing.assert_array_equal(np.diff(back.sample), np.diff(full.sample))
    assert (back.rate_hz, back.unit, back.emg_mode) == (200.0, "adc", "raw")
    assert back.hand == (None if name == "a.csv" else "right")
    np.testing.assert_array_equal(back.classes, full.classes)
    at = full.t[:40]
    assert_near(back.joints_at(at), full.joints_at(at), 0.006)
    if "markers" not in lost:
        assert [(round(one.t, 5), one.label) for one in back.markers] == [(1.7e9 + 0.2, "squeeze")]
    if "events" not in lost:
        assert back.meta["events"] == full.meta["events"]
    if "inertial samples" not in lost:
        assert back.imu is not None
        assert full.imu is not None
        np.testing.assert_allclose(back.imu[3, 1:], full.imu[3, 1:], atol=2e-3)
    assert_near(back.angles_at(at), full.angles_at(at), 2e-3)
    assert back.meta["dropped"] == []


@pytest.mark.parametrize(("name", "error"), [("a.edf", 0.02), ("a.bdf", 1e-4)])
def test_microvolts_are_rounded_to_the_bits_of_the_format(
    tmp_path: Path, full: Recording, name: str, error: float
) -> None:
    emg = np.random.default_rng(1).normal(0.0, 120.0, full.emg.shape).astype(np.float32)
    rec = replace(full, emg=emg, unit="uV", emg_mode="filtered", hand="left")
    said = write_session(tmp_path / name, rec)
    assert any(phrase.startswith("digits of the EMG beyond") for phrase in said)
    back = read_session(tmp_path / name)
    np.testing.assert_allclose(back.emg, emg, atol=error)
    assert (back.unit, back.emg_mode, back.hand) == ("uV", "filtered", "left")


@pytest.mark.parametrize("rate", [50.0, 250.0, 500.0, 1000.0, 2000.0, 2048.0])
@pytest.mark.parametrize("name", ["a.edf", "a.bdf", "a.xdf", "a.npz"])
def test_any_rate(tmp_path: Path, full: Recording, name: str, rate: float) -> None:
    bare = Recording(emg=full.emg, t=np.arange(120) / rate, sample=full.sample, rate_hz=rate)
    write_session(tmp_path / name, bare)
    back = read_session(tmp_path / name)
    np.testing.assert_array_equal(back.emg, full.emg)
    assert back.rate_hz == pytest.approx(rate, rel=1e-4)
    np.testing.assert_allclose(np.diff(back.t), 1.0 / rate, rtol=1e-2)


def test_hours_that_are_missing_are_not_filled(tmp_path: Path, full: Recording) -> None:
    sample = full.sample + np.where(np.arange(len(full)) >= 50, 2_000_000, 0)
    with pytest.raises(SessionError, match="2000000 samples are missing, which EDF would have to fill"):
        write_session(tmp_path / "a.edf", replace(full, sample=sample, t=1.7e9 + sample / 200))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_bids_gets_its_sidecars(tmp_path: Path, full: Recording, kind: str) -> None:
    folder = tmp_path / "set" / "sub-01" / "emg"
    folder.mkdir(parents=True)
    path = folder / f"sub-01_task-grasp_emg.{kind}"
    write_session(path, full)
    names = {one.name for one in folder.iterdir()}
    beside = ("emg.json", "channels.tsv", "events.tsv", "events.json")
    assert names == {path.name, *(f"sub-01_task-grasp_{one}" for one in beside)}
    assert (tmp_path / "set" / "dataset_description.json").is_file()
    lines = (folder / "sub-01_task-grasp_channels.tsv").read_text().splitlines()
    assert lines[:2] == ["name\ttype\tunits", "ch1\tEMG\tn/a"]
    events = (folder / "sub-01_task-grasp_events.tsv").read_text().splitlines()
    assert events[0] == "onset\tduration\ttrial_type\tvalue"
    assert any(line.startswith("0.150000\t0.150000\tclass 3\t3") for line in events)
    assert len(read_session(path)) == len(full)
    (folder / f"sub-01_task-other_emg.{kind}").write_text("")
    with pytest.raises(SessionExists):
        write_session(folder / f"sub-01_task-other_emg.{kind}", full)


def test_channels_of_a_bids_set_by_another(tmp_path: Path) -> None:
    edfio = import_module("edfio")
    path = tmp_path / "sub-02_task-x_emg.edf"
    rows = np.random.default_rng(2).integers(-90, 90, (10, 200)).astype(float)
    names = ["trigger", "FCR", "FCU", "ECR", "ECU", "FDS", "EDC", "BR", "PT", "aux"]
    signals = [
        edfio.EdfSignal(row, 200, label=name, physical_dimension="uV") for name, row in zip(names, rows, strict=True)
    ]
    edfio.Edf(signals).write(path)
    kinds = ["TRIG", *["EMG"] * 8, "MISC"]
    lines = ["name\ttype\tunits", *(f"{name}\t{kind}\tuV" for name, kind in zip(names, kinds, strict=True))]
    (tmp_path / "sub-02_task-x_channels.tsv").write_text("\n".join(lines))
    recording = read_session(path)
    np.testing.assert_allclose(recording.emg, rows[1:9].T, atol=0.01)
    assert any("of type EMG in the channels.tsv" in note for note in recording.meta["notes"])


def test_foxglove_gets_a_hand(tmp_path: Path, full: Recording) -> None:
    write_session(tmp_path / "a.mcap", full)
    _, messages = copy_mcap(tmp_path / "a.mcap", tmp_path / "b.mcap", scenes=True)
    scene_type = import_module("foxglove_schemas_protobuf.SceneUpdate_pb2").SceneUpdate
    with (tmp_path / "b.mcap").open("rb") as file:
        reader = make_reader(file)
        found = [
            (schema, channel, message) for schema, channel, message in reader.iter_messages(topics=["/hand/truth"])
        ]
    assert full.joints is not None
    assert len(found) == len(full.joints)
    schema, channel, message = found[0]
    assert schema is not None
    assert (schema.name, schema.encoding, channel.message_encoding) == ("foxglove.SceneUpdate", "protobuf", "protobuf")
    (entity,) = scene_type.FromString(message.data).entities
    assert (entity.frame_id, len(entity.spheres), len(entity.lines[0].points)) == ("hand", 21, 2 * (len(PARENTS) - 1))
    # Metres.
    assert entity.spheres[5].pose.position.x == pytest.approx(full.joints[0, 15] / 1000, abs=1e-5)
    back = read_session(tmp_path / "b.mcap")
    np.testing.assert_array_equal(back.emg, full.emg)
    assert back.meta["dropped"] == []
    assert messages > 0
    write_session(tmp_path / "c.mcap", replace(full, joints=None, label_t=None, angles=None, angle_t=None))
    with pytest.raises(SessionError, match="there is no pose in the session"):
        copy_mcap(tmp_path / "c.mcap", tmp_path / "d.mcap", scenes=True)
    assert not (tmp_path / "d.mcap").exists()
