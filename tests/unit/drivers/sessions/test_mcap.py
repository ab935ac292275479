from __future__ import annotations

import base64
import dataclasses
import errno
import io
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import orjson
import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

from drivers.events import Battery, Event, Frame, Imu, Label, LabelLag, Marker, Notice, Playback, Raw, SourceInfo
from drivers.sessions import SessionError, SessionExists, SessionWriteError, SessionWriter, read_session, write_session
from drivers.sessions.mcap.copy import copy_mcap
from drivers.sessions.mcap.records import MAGIC
from drivers.sessions.summary import summary
from models.hand import VALUES
from tests.support.sessions import INFO, T0, frame, index_of, ramp


def write(path: Path, *events: Event, **options: Any) -> Path:
    with SessionWriter(path, **options) as writer:
        for event in events:
            writer.write(event)
    return path


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_frames_come_back_with_their_times_indices_and_bursts(tmp_path: Path) -> None:
    rec = read_session(write(tmp_path / "a.mcap", INFO, *(frame(n) for n in range(0, 1000, 2))))
    assert index_of(rec.emg).tolist() == list(range(1000))
    assert rec.sample.tolist() == list(range(1000))
    np.testing.assert_allclose(rec.t, T0 + np.arange(1000) / 200, atol=1e-6)
    assert rec.frame_start is not None
    assert rec.frame_start.tolist() == list(range(0, 1000, 2))
    assert rec.arrival is not None
    assert rec.arrival.tolist() == [frame(n).arrival for n in range(0, 1000, 2)]
    assert (rec.rate_hz, rec.unit, rec.emg_mode, rec.hand, rec.name) == (200.0, "adc", "raw", "left", "My Myo")
    assert rec.emg.dtype == np.float32
    assert len(list(rec.segments())) == 1
    assert rec.meta["dropped"] == []
    assert rec.meta["notes"] == []


def test_samples_in_any_order_in_memory(tmp_path: Path) -> None:
    mirrored = ramp(0, 4)[:, (0, 7, 6, 5, 4, 3, 2, 1)]
    events = [dataclasses.replace(frame(0, 4), samples=np.asfortranarray(mirrored)), frame(4)]
    rec = read_session(write(tmp_path / "a.mcap", INFO, *events))
    assert rec.emg[:4].tolist() == mirrored.tolist()


def test_lost_samples_and_gap_events_split_the_session(tmp_path: Path) -> None:
    rec = read_session(write(tmp_path / "a.mcap", INFO, frame(0), frame(2), frame(10, gap=True), frame(12, gap=True)))
    assert rec.sample.tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    assert [(s.start, s.stop) for s in rec.segments()] == [(0, 4), (4, 6), (6, 8)]


def test_truth_imu_markers_battery_and_notices_come_back(tmp_path: Path) -> None:
    truth = np.linspace(-90, 90, 2 * VALUES, dtype=np.float32).reshape(2, VALUES)
    imu = Imu(T0 + 0.01, (1.0, 0.0, 0.5, 0.25), (0.0, 0.0, 1.0), (10.0, -20.0, 30.5))
    events = (
        INFO,
        frame(0, truth=truth),
        imu,
        Battery(T0, 87),
        Marker(T0 + 0.5, "fist"),
        Notice(T0 + 1, "pose", "wave_in"),
    )
    rec = read_session(write(tmp_path / "a.mcap", *events))
    assert rec.joints is not None
    assert rec.label_t is not None
    np.testing.assert_allclose(rec.joints, truth, atol=0.0006)
    np.testing.assert_allclose(rec.label_t, [T0, T0 + 0.005], atol=1e-6)
    assert rec.imu is not None
    assert rec.imu.tolist() == [[T0 + 0.01, 1, 0, 0.5, 0.25, 0, 0, 1, 10, -20, 30.5]]
    assert [(m.t, m.label) for m in rec.markers] == [(T0 + 0.5, "fist")]
    assert rec.meta["events"] == (Battery(T0, 87), Notice(T0 + 1, "pose", "wave_in"))


def test_each_device_has_its_own_session(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.mcap") as writer:
        writer.write(INFO, device=0)
        writer.write(SourceInfo("cyton:COM3", "Cyton", 250.0, unit="uV"), device=1)
        for n in range(0, 100, 2):
            writer.write(frame(n), device=0)
            writer.write(frame(n + 5000), device=1)
    first, second = read_session(tmp_path / "a.mcap"), read_session(tmp_path / "a.mcap", device=1)
    assert index_of(first.emg).tolist() == list(range(100))
    assert index_of(second.emg).tolist() == list(range(5000, 5100))
    assert (first.rate_hz, second.rate_hz, second.unit, second.name) == (200.0, 250.0, "uV", "Cyton")
    assert first.meta["devices"] == [0, 1]
    with pytest.raises(SessionError, match=r"no EMG of device 2; it has EMG of device 0, 1"):
        read_session(tmp_path / "a.mcap", device=2)


@pytest.mark.parametrize("t", [-1.0, 1e300])
def test_a_time_beyond_what_the_format_has_does_not_end_the_session(tmp_path: Path, t: float) -> None:
    with SessionWriter(tmp_path / "a.mcap") as writer:
        writer.write(INFO)
        writer.write(Marker(t, "rest"))
        writer.write(frame(0))
    assert len(read_session(tmp_path / "a.mcap").emg) == len(frame(0).samples)


def test_messages_are_what_the_contract_says(tmp_path: Path) -> None:
    joints = np.arange(VALUES, dtype=np.float32)
    with SessionWriter(tmp_path / "a.mcap", {"subject": "p7"}) as writer:
        writer.write(INFO)
        writer.write(frame(4, truth=np.zeros((2, VALUES), np.float32), gap=True))
        writer.write(Imu(T0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)))
        writer.write(Battery(T0, 50))
        writer.write(Marker(T0, "rest"))
        writer.write(Raw(T0, "d5060005", b"\x01\xff"))
        writer.write(Playback(0.0, 1.0, 1.0, False))
        writer.write_pose(T0, 31, joints, seq=3, arrival=T0 + 0.5)
    with (tmp_path / "a.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        messages = [(s, c.topic, m, json.loads(m.data)) for s, c, m in reader.iter_messages(log_time_order=False)]
        metadata = {k: v for record in reader.iter_metadata() for k, v in record.metadata.items()}
        names = {record.name for record in reader.iter_metadata()}
    for schema, _, message, payload in messages:
        assert schema is not None
        assert schema.encoding == "jsonschema"
        jsonschema.validate(payload, json.loads(schema.data))
        assert message.publish_time > 0
    by_topic = {topic: (message, payload) for _, topic, message, payload in messages}
    assert set(by_topic) == {"/emg", "/imu", "/label", "/marker", "/pose", "/raw", "/event"}
    message, emg = by_topic["/emg"]
    assert emg == {"device": 0, "sample": 4, "t": T0 + 4 / 200, "samples": ramp(4, 2).astype(int).tolist()}
    assert all(type(number) is int for row in emg["samples"] for number in row)
    assert message.log_time == pytest.approx((T0 + 4 / 200 + 0.0173) * 1e9, abs=300)
    assert message.publish_time == pytest.approx((T0 + 4 / 200) * 1e9, abs=300)
    assert base64.b64decode(by_topic["/raw"][1]["data"]) == b"\x01\xff"
    assert by_topic["/pose"][1]["joints"] == joints.tolist()
    assert names == {"myocast"}
    assert metadata["rate"] == "200"
    assert {metadata[key] for key in ("unit", "emg_mode", "hand", "device", "subject")} == {
        "adc", "raw", "left", "My Myo", "p7"
    }  # fmt: skip


def test_labels_and_markers_of_clients_have_the_time_of_their_arrival(tmp_path: Path) -> None:
    joints = np.arange(VALUES, dtype=np.float32)
    write(
        tmp_path / "a.mcap",
        Label(T0, joints, source="webcam", arrival=T0 + 0.25),
        Label(T0 + 1.0, angles={"index_mcp_fe": 42.0}),
        Marker(T0 + 2.0, "fist", T0 + 2.5),
        Marker(T0 + 3.0, "rest"),
    )
    with (tmp_path / "a.mcap").open("rb") as file:
        found: list[Any] = [
            (channel.topic, message.publish_time / 1e9 - T0, message.log_time / 1e9 - T0)
            for _, channel, message in make_reader(file).iter_messages(log_time_order=False)
        ]
    assert found == [
        ("/label", pytest.approx(0.0, abs=1e-6), pytest.approx(0.25, abs=1e-6)),
        ("/label", pytest.approx(1.0, abs=1e-6), pytest.approx(1.0, abs=1e-6)),
        ("/marker", pytest.approx(2.0, abs=1e-6), pytest.approx(2.5, abs=1e-6)),
        ("/marker", pytest.approx(3.0, abs=1e-6), pytest.approx(3.0, abs=1e-6)),
    ]


def test_late_labels_are_read_at_the_time_of_what_they_show(tmp_path: Path) -> None:
    joints = np.arange(VALUES, dtype=np.float32)
    write(
        tmp_path / "a.mcap",
        INFO,
        frame(0, truth=np.zeros((2, VALUES), np.float32)),
        Label(T0 + 0.5, joints, source="webcam"),
        LabelLag(T0 + 0.6, 0.2),
        Label(T0 + 0.75, angles={"index_mcp_fe": 42.0}, source="webcam"),
        LabelLag(T0 + 0.8, 0.0625),
        frame(2),
    )
    rec = read_session(tmp_path / "a.mcap")
    assert rec.label_t is not None
    assert rec.angle_t is not None
    # What a source knows of itself is not late; the last lag that was found counts for all labels.
    assert (rec.label_t - T0).tolist() == pytest.approx([0.0, 0.005, 0.4375], abs=1e-6)
    assert (rec.angle_t - T0).tolist() == pytest.approx([0.6875], abs=1e-6)
    assert rec.meta["label_lag_ms"] == "62.5"
    with (tmp_path / "a.mcap").open("rb") as file:
        raw = [json.loads(message.data)["t"] - T0 for _, _, message in make_reader(file).iter_messages("/label")]
    assert raw == pytest.approx([0.0, 0.005, 0.5, 0.75], abs=1e-6)


def test_a_lag_that_was_taken_out_is_not_taken_out_again(tmp_path: Path) -> None:
    joints = np.arange(VALUES, dtype=np.float32)
    write(tmp_path / "a.mcap", INFO, frame(0), Label(T0 + 0.5, joints, source="leap"), LabelLag(T0, 0.1), frame(2))
    write_session(tmp_path / "b.mcap", read_session(tmp_path / "a.mcap"))
    rec = read_session(tmp_path / "b.mcap")
    assert rec.label_t is not None
    assert rec.label_t[0] - T0 == pytest.approx(0.4, abs=1e-6)


def test_poses_can_be_read_back(tmp_path: Path) -> None:
    joints = np.linspace(-50, 50, VALUES, dtype=np.float32)
    with SessionWriter(tmp_path / "a.mcap") as writer:
        writer.write_pose(T0, 31, joints)
        writer.write_pose(T0 + 0.02, 35, joints.reshape(21, 3) + 1)
    with (tmp_path / "a.mcap").open("rb") as file:
        poses = [json.loads(message.data) for _, _, message in make_reader(file).iter_messages("/pose")]
    assert [pose["sample"] for pose in poses] == [31, 35]
    assert [pose["t"] for pose in poses] == [T0, T0 + 0.02]
    np.testing.assert_allclose([pose["joints"] for pose in poses], [joints, joints + 1], atol=0.006)


FILTER: dict[str, str | float] = {
    "name": "one_euro", "min_cutoff_hz": 7.0, "beta": 0.01, "stages": 3, "lag_ms": 52.5,
}  # fmt: skip


def test_poses_say_what_stood_behind_the_model(tmp_path: Path) -> None:
    joints = np.zeros(VALUES, np.float32)
    with SessionWriter(tmp_path / "a.mcap") as writer:
        writer.write(INFO)
        writer.write(frame(0))
        for device, filtered in ((0, {}), (0, FILTER), (1, FILTER), (0, FILTER)):
            writer.write_pose(T0, 31, joints, device=device, filtered=filtered)
    with (tmp_path / "a.mcap").open("rb") as file:
        channels = [channel.metadata for _, channel, _ in make_reader(file).iter_messages("/pose")]
    told = {"filter": "one_euro", "min_cutoff_hz": "7", "beta": "0.01", "stages": "3", "lag_ms": "52.5"}
    assert channels == [
        {"device": "0", "filter": "none"}, {"device": "0", **told}, {"device": "1", **told}, {"device": "0", **told},
    ]  # fmt: skip
    copy_mcap(tmp_path / "a.mcap", tmp_path / "b.mcap")
    for name in ("a.mcap", "b.mcap"):
        about = summary(read_session(tmp_path / name))
        assert about["poses"] == [{"poses": 1, "filter": "none"}, {"poses": 2, **told}]


def test_poses_of_a_file_that_does_not_say_its_filter_are_counted(tmp_path: Path) -> None:
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        topics = {topic: writer.register_channel(topic, "json", 0) for topic in ("/emg", "/pose")}
        for k in range(20):
            rows = {"sample": k, "t": k / 200, "samples": [[0] * 8]}
            writer.add_message(topics["/emg"], 1, json.dumps(rows).encode(), 1)
        writer.add_message(topics["/pose"], 1, b"{}", 1)
        writer.finish()
    about = summary(read_session(tmp_path / "a.mcap"))
    assert about["poses"] == [{"poses": 1, "filter": ""}]


def test_the_address_is_left_out_unless_requested(tmp_path: Path) -> None:
    write(tmp_path / "a.mcap", INFO, frame(0))
    assert b"AA:BB" not in (tmp_path / "a.mcap").read_bytes()
    rec = read_session(write(tmp_path / "b.mcap", INFO, frame(0), keep_address=True))
    assert rec.meta["address"] == INFO.address


def test_microvolts_stay_fractions_and_what_is_no_number_is_dropped(tmp_path: Path) -> None:
    values = np.full((3, 8), 12.25, np.float32)
    values[1, 3] = np.nan
    info = SourceInfo("cyton:COM3", "Cyton", 250.0, unit="uV")
    rec = read_session(write(tmp_path / "a.mcap", info, Frame(0, T0, values, T0)))
    assert rec.emg.tolist() == values[[0, 2]].tolist()
    assert rec.sample.tolist() == [0, 2]
    assert rec.meta["dropped"][0]["count"] == 1


def test_a_flush_is_due_by_the_clock_and_leaves_a_whole_file(tmp_path: Path) -> None:
    clock = Clock()
    writer = SessionWriter(tmp_path / "a.mcap", clock=clock, flush_every_s=1.0)
    writer.write(INFO)
    writer.write(frame(0))
    clock.now += 0.9
    writer.write(frame(2))
    with pytest.raises(SessionError):
        read_session(tmp_path / "a.mcap")
    assert writer.samples_saved == 0
    clock.now += 0.1
    assert writer.flush_if_due()
    assert writer.samples_saved == 4
    rec = read_session(tmp_path / "a.mcap")
    assert rec.sample.tolist() == [0, 1, 2, 3]
    assert rec.meta["notes"] == []
    with (tmp_path / "a.mcap").open("rb") as file:
        assert len(list(make_reader(file, validate_crcs=True).iter_messages("/emg"))) == 2
    assert not writer.flush_if_due()
    assert writer.flush_if_due(at=clock.now + 1.0)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(frame(4))


def whole(path: Path, seconds: int = 8) -> bytes:
    """A session with a flush each second."""
    clock = Clock()
    with SessionWriter(path, clock=clock, flush_every_s=1.0) as writer:
        writer.write(INFO)
        for n in range(0, 200 * seconds, 2):
            clock.now += 0.01
            writer.write(frame(n))
    return path.read_bytes()


def test_a_file_cut_anywhere_gives_what_was_flushed_before(tmp_path: Path) -> None:
    data = whole(tmp_path / "whole.mcap")
    cut = tmp_path / "cut.mcap"
    least = 0
    for size in range(0, len(data), 97):
        cut.write_bytes(data[:size])
        if not least:
            try:
                rec = read_session(cut)
            except SessionError:
                continue
        rec = read_session(cut)
        assert rec.sample.tolist() == list(range(len(rec)))
        assert len(rec) >= least
        least = len(rec)
        assert any("cut off" in note for note in rec.meta["notes"]) == (size < len(data) - len(MAGIC))
    assert least == 1600


def test_damaged_bytes_cost_their_chunk_and_are_reported(tmp_path: Path) -> None:
    data = bytearray(whole(tmp_path / "whole.mcap"))
    with (tmp_path / "whole.mcap").open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    data[summary.chunk_indexes[3].chunk_start_offset + 200] ^= 0xFF
    path = tmp_path / "damaged.mcap"
    path.write_bytes(data)
    rec = read_session(path)
    assert len(rec) == 1400
    assert index_of(rec.emg).tolist() == rec.sample.tolist()
    assert len(list(rec.segments())) == 2
    assert rec.meta["dropped"][0]["reason"] == "damaged record"


def test_random_damage_never_raises_anything_else(tmp_path: Path) -> None:
    data = whole(tmp_path / "whole.mcap", seconds=2)
    dice = random.Random(1)
    path = tmp_path / "damaged.mcap"
    read = 0
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(dice.randint(1, 20)):
            damaged[dice.randrange(8, len(damaged))] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            read += len(read_session(path)) > 0
        except SessionError:
            continue
    assert read > 0


@pytest.mark.case("B25")
def test_what_another_program_compressed_is_read(tmp_path: Path) -> None:
    rec = read_session(write(tmp_path / "ours.mcap", INFO, *(frame(n) for n in range(0, 100, 2))))
    for compression in (CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD):
        path = tmp_path / f"{compression.name}.mcap"
        with (tmp_path / "ours.mcap").open("rb") as source, path.open("wb") as target:
            writer = Writer(target, compression=compression)
            writer.start()
            reader = make_reader(source)
            for record in reader.iter_metadata():
                writer.add_metadata(record.name, dict(record.metadata))
            channels: dict[str, int] = {}
            for _, channel, message in reader.iter_messages():
                if channel.topic not in channels:
                    channels[channel.topic] = writer.register_channel(channel.topic, "json", 0)
                writer.add_message(channels[channel.topic], message.log_time, message.data, message.publish_time)
            writer.finish()
        again = read_session(path)
        np.testing.assert_array_equal(again.emg, rec.emg)
        assert (again.name, again.meta["dropped"], again.meta["notes"]) == (rec.name, [], [])


def test_a_message_that_does_not_fit_its_schema_is_dropped(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "a.mcap")
    writer.write(INFO)
    writer.write(frame(0))
    wrong: list[dict[str, Any]] = [{"sample": 2, "t": T0, "samples": [[1, 2]]}, {"device": 0}, {"device": []}]
    for payload in wrong:
        writer._message("/emg", payload, T0, T0)
    writer.write(frame(4))
    writer.close()
    rec = read_session(tmp_path / "a.mcap")
    assert rec.sample.tolist() == [0, 1, 4, 5]
    assert sum(drop["count"] for drop in rec.meta["dropped"]) == 3


class FullDisk(io.BytesIO):
    """Takes so many bytes in all, and no more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data: Any) -> int:
        free = self.room - self.tell()
        if free <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(data[:free]))

    def close(self) -> None:
        """Keeps what was written."""


def test_a_full_disk_keeps_what_was_flushed_readable_and_counts_the_rest(tmp_path: Path) -> None:
    complete = len(whole(tmp_path / "whole.mcap"))
    for room in range(600, complete + 100, 501):
        file, clock = FullDisk(room), Clock()
        writer = SessionWriter(file, clock=clock, flush_every_s=1.0)
        given, full = 0, False
        writer.write(INFO)
        while given < 1600 and not full:
            clock.now += 0.01
            given += 2
            try:
                writer.write(frame(given - 2))
            except OSError:
                full = True
        writer.close()
        assert writer.samples_saved + writer.samples_lost == given
        assert (writer.samples_lost > 0) == full
        path = tmp_path / f"{room}.mcap"
        path.write_bytes(file.getvalue())
        assert len(file.getvalue()) <= room
        if not writer.samples_saved:
            continue
        rec = read_session(path)
        assert rec.meta["notes"] == []
        assert rec.sample.tolist() == list(range(writer.samples_saved))
        with path.open("rb") as opened:
            assert len(list(make_reader(opened).iter_messages("/emg"))) == writer.samples_saved // 2


def test_no_room_even_to_begin(tmp_path: Path) -> None:
    with pytest.raises(SessionWriteError, match="free some space") as caught:
        SessionWriter(FullDisk(20))
    assert caught.value.disk_full
    assert caught.value.exit_code == 1


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    path.write_text("precious")
    with pytest.raises(SessionExists, match="never overwritten"):
        SessionWriter(path)
    assert path.read_text() == "precious"
    with pytest.raises(SessionError, match="no such folder"):
        SessionWriter(tmp_path / "nowhere" / "a.mcap")


def test_a_copy_holds_every_message_and_gets_an_index(tmp_path: Path) -> None:
    data = whole(tmp_path / "whole.mcap")
    (tmp_path / "cut.mcap").write_bytes(data[: len(data) // 2])
    report, messages = copy_mcap(tmp_path / "cut.mcap", tmp_path / "copy.mcap")
    assert len(report.notes) == 1
    before, after = read_session(tmp_path / "cut.mcap"), read_session(tmp_path / "copy.mcap")
    assert messages == len(before) // 2
    np.testing.assert_array_equal(before.emg, after.emg)
    np.testing.assert_array_equal(before.arrival, after.arrival)
    assert after.meta["notes"] == []
    assert after.name == "My Myo"
    with (tmp_path / "copy.mcap").open("rb") as file:
        summary = make_reader(file, validate_crcs=True).get_summary()
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == messages


@pytest.mark.case("B26")
def test_a_copy_keeps_attachments(tmp_path: Path) -> None:
    with (tmp_path / "a.mcap").open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        writer.add_attachment(1, 2, "note.txt", "text/plain", b"kept")
        channel = writer.register_channel("/emg", "json", 0)
        row = {"sample": 0, "t": 1.0, "samples": [[1] * 8]}
        writer.add_message(channel, 1_000_000_000, orjson.dumps(row), 1_000_000_000)
        writer.add_attachment(3, 4, "last.txt", "text/plain", b"kept too")
        writer.finish()
    copy_mcap(tmp_path / "a.mcap", tmp_path / "b.mcap")
    with (tmp_path / "b.mcap").open("rb") as stream:
        kept = [(one.create_time, one.log_time, one.name, one.data) for one in make_reader(stream).iter_attachments()]
    assert kept == [(1, 2, "note.txt", b"kept"), (3, 4, "last.txt", b"kept too")]


def test_a_file_without_samples_says_what_it_holds(tmp_path: Path) -> None:
    with (tmp_path / "a.mcap").open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        camera = writer.register_channel("/camera", "json", 0)
        writer.register_channel("/emg", "json", 0)
        writer.add_message(camera, 1, b"{}", 1)
        writer.finish()
    with pytest.raises(SessionError, match=r"it holds /camera \(1 messages\), /emg \(no message\); expected"):
        read_session(tmp_path / "a.mcap")


@pytest.mark.case("B27")
def test_messages_that_lack_a_key_are_named(tmp_path: Path) -> None:
    with (tmp_path / "a.mcap").open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        channel = writer.register_channel("/emg", "json", 0)
        writer.add_message(channel, 1, orjson.dumps({"t": 1.0, "samples": [[1] * 8]}), 1)
        writer.finish()
    with pytest.raises(SessionError, match=r"/emg \(1 messages, without `sample`\); expected messages of /emg with"):
        read_session(tmp_path / "a.mcap")


def test_a_clock_that_begins_anew_and_indices_that_go_back_are_joined(tmp_path: Path) -> None:
    frames = [frame(n) for n in range(0, 20, 2)]
    rec = read_session(write(tmp_path / "a.mcap", INFO, *frames, *frames))
    assert rec.sample.tolist() == list(range(40))
    assert (np.diff(rec.t) > 0).all()
    assert [(s.start, s.stop) for s in rec.segments()] == [(0, 20), (20, 40)]


def test_log_times_of_another_clock_are_no_arrival_times(tmp_path: Path) -> None:
    frames = [dataclasses.replace(frame(n), arrival=5.0 + n / 200) for n in range(0, 100, 2)]
    rec = read_session(write(tmp_path / "a.mcap", INFO, *frames))
    assert rec.arrival is None
    assert len(rec) == 100


def test_a_session_without_a_number_is_refused(tmp_path: Path) -> None:
    nothing = Frame(0, T0, np.full((2, 8), np.nan, np.float32), T0)
    with pytest.raises(SessionError, match="no EMG that is a number"):
        read_session(write(tmp_path / "a.mcap", INFO, nothing))
