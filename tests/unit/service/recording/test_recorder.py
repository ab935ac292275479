"""Recording while streaming: every sample is in the file, or is counted and told."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.errors import DriverError
from drivers.events import Battery, Event, Frame, Imu, Marker, Notice, Raw, SourceInfo
from drivers.sessions import SessionWriter, read_session
from drivers.sessions.report import SessionWriteError
from models.filter_config import OneEuroConfig
from service.engine.output_stage import PoseFilter
from service.engine.pose import Pose
from service.recording.errors import DiskFull, RecordingError, RecordingExists, RecordingNameError
from service.recording.paths import new_name
from service.recording.recorder import Recorder
from service.recording.recording import BUFFER_S, Recording
from tests.fakes.sources import INFO, frame, frames, ramp

POSE = Pose(
    device=0, seq=3, sample=7, t=1000.0, joints=np.ones(63, dtype=np.float32), hand="right", state="live", skipped=0,
    gap=False, truth=None, arrival=1000.0, due=1000.0, started=1000.0, finished=1000.0,
)  # fmt: skip


class Failures:
    """What a recording said went wrong."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.first = threading.Event()

    def __call__(self, code: str, message: str) -> None:
        self.told.append((code, message))
        self.first.set()


@pytest.fixture
def failures() -> Failures:
    return Failures()


@pytest.fixture
def recorder(tmp_path: Path, failures: Failures) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "recordings", SessionWriter, failures, known=lambda: [(0, INFO)])
    yield made
    made.stop()


def test_every_sample_is_in_the_file(recorder: Recorder, tmp_path: Path) -> None:
    recorder.start("a")
    for one in frames(0, 2000):
        recorder.on_event(0, one)
    done = recorder.stop()
    assert done is not None
    path = tmp_path / "recordings" / "a.mcap"
    assert done["bytes"] == path.stat().st_size
    session = read_session(path)
    np.testing.assert_array_equal(session.emg, ramp(0, 2000))
    assert session.rate_hz == 200.0


def test_everything_that_happens_is_recorded(recorder: Recorder, tmp_path: Path) -> None:
    events: list[Event | Pose] = [
        *frames(0, 10), Imu(1000.0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)), Battery(1000.0, 80),
        Marker(1000.01, "fist"), Notice(1000.0, "sync", "left"), Raw(1000.0, "port", b"\x01"), POSE,
    ]  # fmt: skip
    recorder.start("a")
    for event in events:
        recorder.on_event(0, event)
    recorder.stop()
    session = read_session(tmp_path / "recordings" / "a.mcap")
    assert session.imu is not None
    assert len(session.imu) == 1
    assert [marker.label for marker in session.markers] == ["fist"]
    kinds = {type(event) for event in session.meta["events"]}
    assert {Battery, Notice} <= kinds


def test_held_poses_are_left_out_and_the_filter_is_told(recorder: Recorder, tmp_path: Path) -> None:
    behind = PoseFilter(OneEuroConfig(7.0, 0.01, 3), 52.5)
    events: list[Event | Pose] = [*frames(0, 10), POSE, replace(POSE, filter=behind), replace(POSE, held=True)]
    recorder.start("a")
    for event in events:
        recorder.on_event(0, event)
    recorder.stop()
    poses = read_session(tmp_path / "recordings" / "a.mcap").meta["poses"]
    assert [(one["poses"], one["filter"], one.get("lag_ms")) for one in poses] == [
        (1, "none", None), (1, "one_euro", "52.5"),
    ]  # fmt: skip


def test_what_is_not_being_recorded_goes_nowhere(recorder: Recorder) -> None:
    recorder.on_event(0, frame(0))
    assert (recorder.describe(), recorder.active, recorder.stop()) == (None, False, None)


def test_an_existing_file_is_never_overwritten(recorder: Recorder, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "a.mcap").write_text("mine")
    with pytest.raises(RecordingExists, match="exists already"):
        recorder.start("a")
    assert (folder / "a.mcap").read_text() == "mine"


def refuse(error: RecordingError) -> None:
    raise AssertionError(error)


def test_a_file_that_waits_for_its_first_sample_lacks_nothing(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.mcap"
    recorder.start_with_first_sample(path, refuse)
    recorder.on_event(0, Notice(1000.0, "connect"))
    assert (recorder.active, recorder.describe()) == (True, {"name": "a", "seconds": 0.0, "bytes": 0})
    with pytest.raises(RecordingExists, match="stop it first"):
        recorder.start("b")
    assert not path.parent.exists()
    for one in frames(0, 100):
        recorder.on_event(0, one)
    done = recorder.stop()
    assert done is not None
    assert (done["name"], done["bytes"]) == ("a", path.stat().st_size)
    session = read_session(path)
    np.testing.assert_array_equal(session.emg, ramp(0, 100))
    assert [event.kind for event in session.meta["events"] if isinstance(event, Notice)] == ["connect"]


def test_a_recording_that_waits_can_be_called_off(recorder: Recorder, tmp_path: Path) -> None:
    recorder.start_with_first_sample(tmp_path / "a.mcap", refuse)
    assert recorder.stop() == {"name": "a", "seconds": 0.0, "bytes": 0}
    recorder.on_event(0, frame(0))
    assert (recorder.active, recorder.stop(), list(tmp_path.iterdir())) == (False, None, [])


def test_a_file_that_comes_up_before_the_first_sample_is_left_alone(recorder: Recorder, tmp_path: Path) -> None:
    refusals: list[RecordingError] = []
    told = threading.Event()

    def refuse_it(error: RecordingError) -> None:
        refusals.append(error)
        told.set()

    recorder.start_with_first_sample(tmp_path / "a.mcap", refuse_it)
    (tmp_path / "a.mcap").write_text("mine")
    for one in frames(0, 10):
        recorder.on_event(0, one)
    assert told.wait(30)
    assert [type(error) for error in refusals] == [RecordingExists]
    assert (recorder.active, (tmp_path / "a.mcap").read_text()) == (False, "mine")


@pytest.mark.parametrize("name", ["there", "there/a.mcap", "x" * 300])
def test_an_unusable_path_is_reported_before_there_is_a_sample(recorder: Recorder, tmp_path: Path, name: str) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(RecordingError) as refused:
        recorder.start_with_first_sample(tmp_path / name, refuse)
    assert "choose another" in str(refused.value)
    assert not recorder.active


def test_one_recording_at_a_time(recorder: Recorder) -> None:
    recorder.start("a")
    with pytest.raises(RecordingExists, match="stop it first"):
        recorder.start("b")
    recorder.stop()
    recorder.start("b")


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "0", "x" * 64])
def test_names(name: str) -> None:
    assert new_name(name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "_a", "a/b", "a\\b", "..", "a b", "é", "x" * 65, "a\n", "a\0"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(RecordingNameError) as refused:
        new_name(name)
    assert "\n" not in str(refused.value)


def test_without_a_name_it_is_date_and_time() -> None:
    name = new_name(None)
    assert new_name(name) == name
    assert len(name) == len("2025-01-31_12-00-00")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SessionWriteError("no room", disk_full=True), DiskFull),
        (SessionWriteError("broken"), RecordingError),
        (OSError(errno.EACCES, "Permission denied"), RecordingError),
    ],
)
def test_a_file_that_cannot_be_made(tmp_path: Path, failures: Failures, error: Exception, expected: type) -> None:
    def refuse(path: Path) -> Any:
        raise error

    recorder = Recorder(tmp_path, refuse, failures)
    with pytest.raises(RecordingError) as refused:
        recorder.start("a")
    assert type(refused.value) is expected
    assert not recorder.active


@pytest.mark.parametrize("name", ["CON", "nul", "aux.txt", "COM1", "lpt9.a.b", "PRN"])
def test_names_that_windows_keeps_are_refused(recorder: Recorder, tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingNameError, match="Windows keeps it"):
        recorder.start(name)
    assert not (tmp_path / "recordings").exists()


@pytest.mark.parametrize("name", ["console", "com", "COM10", "nul-1", "auxiliary", "my.con"])
def test_names_that_only_look_like_them_are_not(name: str) -> None:
    assert new_name(name) == name


class Disk:
    """A writer whose disk the test directs: it can stand still, and be full."""

    def __init__(self, path: Path) -> None:
        self.inner = SessionWriter(path)
        self.moving = threading.Event()
        self.moving.set()
        self.arrived = threading.Event()
        self.error: OSError | None = None
        self.samples_lost = 0

    @property
    def bytes_written(self) -> int:
        return self.inner.bytes_written

    def write(self, event: Event, *, device: int = 0) -> None:
        self.arrived.set()
        self.moving.wait()
        self.inner.write(event, device=device)

    def write_pose(self, *arguments: Any, **more: Any) -> None:
        self.inner.write_pose(*arguments, **more)

    def check(self) -> None:
        self.inner.check()

    def flush_if_due(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.inner.flush_if_due()

    def close(self) -> None:
        self.inner.close()
        self.samples_lost = self.inner.samples_lost


def test_putting_never_waits_for_the_disk(tmp_path: Path, failures: Failures) -> None:
    disk = Disk(tmp_path / "a.mcap")
    recording = Recording(tmp_path / "a.mcap", lambda: disk, failures)
    disk.moving.clear()
    for one in frames(0, 4000):
        recording.on_event(0, one)
    assert not failures.told
    disk.moving.set()
    recording.close()
    assert recording.unwritten == 0
    np.testing.assert_array_equal(read_session(tmp_path / "a.mcap").emg, ramp(0, 4000))


def test_a_disk_that_is_60_s_behind_closes_the_file_and_is_reported(tmp_path: Path, failures: Failures) -> None:
    time = 0.0
    disk = Disk(tmp_path / "a.mcap")
    recording = Recording(tmp_path / "a.mcap", lambda: disk, failures, lambda: time)
    recording.on_event(0, INFO)
    assert disk.arrived.wait(30)
    disk.moving.clear()
    disk.arrived.clear()
    recording.on_event(0, frame(0))
    assert disk.arrived.wait(30)
    put = 1
    for one in frames(2, 40_000):
        time += 0.01
        recording.on_event(0, one)
        put += 1
        if recording.failed:
            break
    assert time == pytest.approx(BUFFER_S, abs=0.1)
    assert failures.told[0][0] == "recording_too_slow"
    assert "a.mcap" in failures.told[0][1]
    recording.on_event(0, frame(99_998))
    put += 1
    disk.moving.set()
    recording.close()
    written = len(read_session(tmp_path / "a.mcap").emg)
    assert written + recording.unwritten == 2 * put
    assert len(failures.told) == 1


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "recording_failed")])
def test_a_disk_that_refuses_closes_the_file_readable_and_counts(
    tmp_path: Path, failures: Failures, number: int, code: str
) -> None:
    disks: list[Disk] = []

    def opened(path: Path) -> Disk:
        disks.append(Disk(path))
        return disks[-1]

    recorder = Recorder(tmp_path, opened, failures, known=lambda: [(0, INFO)])
    recorder.start_file(tmp_path / "b.mcap")
    for one in frames(0, 200):
        recorder.on_event(0, one)
    disks[0].error = OSError(number, os.strerror(number))
    assert failures.first.wait(30)
    assert failures.told[0][0] == code
    assert (recorder.active, recorder.describe()) == (False, None)
    recorder.on_event(0, frame(200))
    recorder.start_file(tmp_path / "c.mcap")
    assert recorder.active
    recorder.stop()


def remove(path: Path) -> None:
    path.unlink()


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def replace_file(path: Path) -> None:
    path.with_suffix(".other").write_bytes(path.read_bytes())
    path.with_suffix(".other").rename(path)


def truncate(path: Path) -> None:
    os.truncate(path, 100)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.case("F7")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a file that is open")
@pytest.mark.parametrize("change", [remove, remove_folder, replace_file, truncate, append])
def test_a_file_that_another_program_changes_is_noticed(
    recorder: Recorder, tmp_path: Path, failures: Failures, change: Callable[[Path], None]
) -> None:
    recorder.start("a")
    for one in frames(0, 200):
        recorder.on_event(0, one)
    change(tmp_path / "recordings" / "a.mcap")
    # Within FLUSH_S, whether or not anything comes.
    assert failures.first.wait(30)
    ((code, message),) = failures.told
    assert (code, recorder.active) == ("recording_failed", False)
    assert "cannot be relied on" in message
    recorder.stop()
    told = [recorder.failure]
    assert recorder.stop() is None
    told.append(recorder.failure)
    assert told == [(code, message), None]
    recorder.start("b")
    assert recorder.stop() is not None
    assert recorder.failure is None


@pytest.mark.case("R")
def test_what_waits_for_the_disk_is_bounded_in_bytes(tmp_path: Path, failures: Failures) -> None:
    disk = Disk(tmp_path / "a.mcap")
    recording = Recording(tmp_path / "a.mcap", lambda: disk, failures, buffer_bytes=1 << 20)
    recording.on_event(0, INFO)
    assert disk.arrived.wait(30)
    disk.moving.clear()
    disk.arrived.clear()
    recording.on_event(0, frame(0))
    assert disk.arrived.wait(30)
    put = 2
    while not recording.failed:
        recording.on_event(0, Frame(put, 1000.0, np.zeros((1000, 8), np.float32), 1000.0))
        put += 1000
    assert put < 40_000
    assert failures.told[0][0] == "recording_too_slow"
    assert "1 MB" in failures.told[0][1]
    disk.moving.set()
    recording.close()


class FullFile:
    """A file on a disk with room for so many bytes."""

    def __init__(self, path: Path, room: int) -> None:
        self._file = path.open("xb", buffering=0)
        self._room = room

    def write(self, data: Any) -> int:
        if self._file.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_full_disk_costs_only_what_it_has_no_room_for(tmp_path: Path, failures: Failures) -> None:
    """Written + counted as lost = put, and the file is readable up to the last flush."""
    path = tmp_path / "a.mcap"
    writer = SessionWriter(FullFile(path, 60_000), flush_every_s=0.0)  # type: ignore[arg-type]
    recording = Recording(path, lambda: writer, failures)
    recording.on_event(0, INFO)
    put = 0
    rng = np.random.default_rng(1)
    while not failures.first.is_set():
        samples = rng.integers(-128, 128, (50, 8)).astype(np.float32)
        recording.on_event(0, Frame(put, 1000.0 + put / 200.0, samples, 1000.0 + put / 200.0))
        put += 50
    recording.close()
    assert failures.told[0][0] == "disk_full"
    missing = re.search(r"readable in a.mcap, (\d+) samples are missing", failures.told[0][1])
    assert missing is not None
    session = read_session(path)
    assert len(session.emg) + recording.unwritten == put
    # What came after the file was closed is not in the message.
    assert 0 < int(missing[1]) <= recording.unwritten
    assert len(session.emg) == writer.samples_saved > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_reported_before_it_begins(tmp_path: Path, failures: Failures) -> None:
    recorder = Recorder(tmp_path, lambda path: SessionWriter(open("/dev/full", "r+b", buffering=0)), failures)  # noqa: SIM115
    with pytest.raises(DiskFull) as caught:
        recorder.start("a")
    assert caught.value.exit_code == 1


def test_recordings_without_a_name_never_meet(tmp_path: Path, failures: Failures) -> None:
    recorder = Recorder(tmp_path, SessionWriter, failures)
    names = []
    for _ in range(4):
        names.append(recorder.start(None)["name"])
        recorder.stop()
    assert len(set(names)) == 4
    with pytest.raises(RecordingExists):
        recorder.start(names[0])


async def test_it_flushes_while_nothing_comes(tmp_path: Path, failures: Failures) -> None:
    """What was put is on disk although neither another event nor a stop follows."""
    recorder = Recorder(tmp_path, SessionWriter, failures, known=lambda: [(0, INFO)])
    recorder.start("a")
    for one in frames(0, 20):
        recorder.on_event(0, one)

    def on_disk() -> int:
        try:
            return len(read_session(tmp_path / "a.mcap").emg)
        except DriverError:
            return 0

    async with asyncio.timeout(30):
        while on_disk() < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    recorder.stop()


def test_two_devices_share_a_file(tmp_path: Path, failures: Failures) -> None:
    other = SourceInfo("scripted:2", "Other", 200.0, hand="left")
    recorder = Recorder(tmp_path, SessionWriter, failures, known=lambda: [(0, INFO), (1, other)])
    recorder.start("a")
    for one in frames(0, 100):
        recorder.on_event(0, one)
        recorder.on_event(1, frame(one.first_sample + 50))
    recorder.stop()
    np.testing.assert_array_equal(read_session(tmp_path / "a.mcap").emg, ramp(0, 100))
    second = read_session(tmp_path / "a.mcap", device=1)
    np.testing.assert_array_equal(second.emg, ramp(50, 100))
    assert second.hand == "left"


def test_seconds_and_bytes_grow(tmp_path: Path, failures: Failures) -> None:
    time = iter(np.arange(0.0, 1000.0, 0.5))
    clock: Callable[[], float] = lambda: float(next(time))  # noqa: E731
    recorder = Recorder(tmp_path, SessionWriter, failures, clock=clock)
    first = recorder.start("a")
    second = recorder.describe()
    assert second is not None
    assert second["seconds"] > first["seconds"]
    done = recorder.stop()
    assert done is not None
    assert done["bytes"] >= first["bytes"]
