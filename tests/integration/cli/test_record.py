"""`myocast record`: everything is in the file, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.emulation.pseudo_terminal import open_pty
from drivers.events import Battery, Event, Notice, Raw
from drivers.sessions import SessionError, read_session
from service import record_source
from service.cli import main, record
from service.devices.status import DeviceStatus
from tests.fakes.sources import INFO, frame
from tests.support.console import TIMEOUT_S, Console

SAMPLES = 4000


def numbers() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(4).integers(-128, 128, (SAMPLES, 8)).astype(np.float32)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Twenty seconds of 200 Hz raw adc as headerless text."""
    path = tmp_path / "session.csv"
    np.savetxt(path, numbers(), fmt="%d", delimiter=",")
    return path


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int | str | None, str, str]:
    monkeypatch.setattr(sys, "argv", ["myocast", "record", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def test_a_replay_is_recorded_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], session: Path, tmp_path: Path
) -> None:
    code, out, err = run(monkeypatch, capsys, f"replay:{session}?speed=20", tmp_path / "new" / "a.mcap")
    assert (code, err) == (0, "")
    assert f"{SAMPLES} samples, 0 lost" in out
    recorded = read_session(tmp_path / "new" / "a.mcap")
    np.testing.assert_array_equal(recorded.emg, numbers())
    assert (recorded.rate_hz, recorded.unit, recorded.emg_mode) == (200.0, "adc", "raw")


def test_so_many_seconds_of_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], session: Path, tmp_path: Path
) -> None:
    code, _, _ = run(monkeypatch, capsys, f"replay:{session}", tmp_path / "a.mcap", "--seconds", "0.5")
    assert code == 0
    recorded = read_session(tmp_path / "a.mcap")
    assert len(recorded) == 100
    np.testing.assert_array_equal(recorded.emg, numbers()[:100])


@pytest.mark.parametrize("name", ["there.mcap", "there.mcap/a.mcap"])
def test_a_file_that_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], session: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "there.mcap").write_text("mine")
    code, out, err = run(monkeypatch, capsys, f"replay:{session}", tmp_path / name)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert (tmp_path / "there.mcap").read_text() == "mine"


def test_a_name_that_no_disk_takes_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], session: Path, tmp_path: Path
) -> None:
    code, out, err = run(monkeypatch, capsys, f"replay:{session}", tmp_path / f"{'x' * 300}.mcap")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "cannot be written" in err


def test_a_source_that_cannot_be_used_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(monkeypatch, capsys, "replay:none.csv", tmp_path / "a.mcap")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "none.csv" in err
    assert not (tmp_path / "a.mcap").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--smooth", "off"), "has an effect only with --labels"),
        (("--labels", "prompts", "--smooth", "7"), "expected auto, off, or MINCUTOFF,BETA[,STAGES]"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    session: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    why: str,
) -> None:
    code, out, err = run(monkeypatch, capsys, f"replay:{session}", tmp_path / "a.mcap", *options)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert why in err
    assert not (tmp_path / "a.mcap").exists()


@pytest.mark.parametrize("source", ["cyton:none", "serial:none", "dongle:none"])
def test_a_device_that_is_not_there_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str
) -> None:
    code, out, err = run(monkeypatch, capsys, source, tmp_path / "new" / "a.mcap")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "there is no port none" in err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_reported_before_the_source_is_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    code, out, err = run(monkeypatch, capsys, "cyton:none", tmp_path / "new" / "a.mcap")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert f"no permission to write in {tmp_path}" in err


def test_a_file_that_comes_up_meanwhile_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], session: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(record, "check_place", lambda _: None)
    (tmp_path / "a.mcap").write_text("mine")
    code, out, err = run(monkeypatch, capsys, f"replay:{session}", tmp_path / "a.mcap")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "exists already" in err
    assert (tmp_path / "a.mcap").read_text() == "mine"


class Kept:
    """A recorder that remembers."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self.events: list[object] = []

    def start_file(self, file: Path) -> None:
        self.file = file

    def on_event(self, _: int, event: object) -> None:
        assert self.file is not None
        self.events.append(event)


def test_events_before_the_first_sample_are_in_the_file(tmp_path: Path) -> None:
    kept, status = Kept(), DeviceStatus(0, lambda: None)
    events: list[Event] = [INFO, Raw(1.0, "port", b"x"), Notice(1.0, "connect"), frame(0), Battery(2.0, 50), frame(2)]

    async def main() -> None:
        recording = record_source._TimedRecording(kept, tmp_path / "a.mcap", status, None, asyncio.Event())  # type: ignore[arg-type]
        for event in events[:3]:
            recording.on_event(event)
        assert kept.file is None
        for event in events[3:]:
            recording.on_event(event)
        assert kept.events == events
        assert recording.samples == 4

    asyncio.run(main())


def test_a_device_that_never_gives_a_sample_is_recorded_all_the_same(tmp_path: Path) -> None:
    """What it says instead may tell why; and it must not pile up in memory."""
    kept, status = Kept(), DeviceStatus(0, lambda: None)

    async def main() -> None:
        recording = record_source._TimedRecording(kept, tmp_path / "a.mcap", status, None, asyncio.Event())  # type: ignore[arg-type]
        for n in range(5000):
            recording.on_event(Raw(float(n), "port", b"x"))

    asyncio.run(main())
    assert len(kept.events) == 5000


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals on Windows")
def test_stopped_before_the_first_sample_is_0_and_no_file(console: Console, tmp_path: Path) -> None:
    master, slave = open_pty()
    os.set_blocking(master, True)
    process = console.start("record", f"cyton:{os.ttyname(slave)}", "a.mcap")
    assert os.read(master, 10) == b"sv", "it asks the board, which says nothing"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (0, "a.mcap was not made: no sample came\n", "")
    assert not (tmp_path / "a.mcap").exists()
    os.close(master)
    os.close(slave)


def _recorded(path: Path) -> int:
    try:
        return len(read_session(path))
    except SessionError:
        return 0


def _wait_for(path: Path, samples: int, alive: Any) -> None:
    """Until a growing file holds so many samples: what is on disk can be read at any moment."""
    while _recorded(path) < samples:
        assert alive() is None


def test_sigterm_ends_it_with_0_and_the_file_is_whole(console: Console, session: Path, tmp_path: Path) -> None:
    process = console.start("record", f"replay:{session}?loop=1", "a.mcap")
    _wait_for(tmp_path / "a.mcap", 100, process.poll)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, err) == (0, "")
    recorded = read_session(tmp_path / "a.mcap")
    assert f"a.mcap: {len(recorded)} samples" in out
    np.testing.assert_array_equal(recorded.emg, np.tile(numbers(), (5, 1))[: len(recorded)])


def test_a_killed_recorder_leaves_all_but_the_last_second(console: Console, session: Path, tmp_path: Path) -> None:
    """While it runs, a second one follows what has been emitted; killed, the file lacks at most a second of it."""
    note = (
        "import drivers.replay.source as r; frame = r.ReplaySource._frame\n"
        "def told(self, *a):\n"
        "    made = frame(self, *a)\n"
        "    print(made.first_sample + len(made.samples), made.arrival, flush=True)\n"
        "    return made\n"
        "r.ReplaySource._frame = told"
    )
    process = console.start("record", f"replay:{session}?loop=1", "a.mcap", before=note)
    assert process.stdout is not None
    _wait_for(tmp_path / "a.mcap", 1, process.poll)
    emitted = [process.stdout.readline() for _ in range(200)]
    process.kill()
    emitted += process.stdout.read().splitlines(keepends=True)
    whole = [line.split() for line in emitted if line.endswith("\n")]
    last = float(whole[-1][1])
    due = max(int(sample) for sample, arrival in whole if float(arrival) <= last - 1.0)
    recorded = read_session(tmp_path / "a.mcap")
    assert due <= len(recorded) <= int(whole[-1][0])
    np.testing.assert_array_equal(recorded.emg, np.tile(numbers(), (5, 1))[: len(recorded)])


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits on Windows")
def test_a_disk_that_refuses_is_1_and_what_was_written_is_readable(
    console: Console, session: Path, tmp_path: Path
) -> None:
    """The system lets the file grow to 80 kB and no further."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, 80_000))"
    done = console.run("record", f"replay:{session}?speed=10&loop=1", "a.mcap", before=limit)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "readable in a.mcap" in done.stderr
    recorded = read_session(tmp_path / "a.mcap")
    assert len(recorded) > 0
    assert (tmp_path / "a.mcap").stat().st_size <= 80_000
    np.testing.assert_array_equal(recorded.emg, np.tile(numbers(), (5, 1))[: len(recorded)])


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.txt", "a.edf", "a.MCAP.bak"])
def test_a_name_of_another_format_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    code, out, err = run(monkeypatch, capsys, "synthetic:", tmp_path / name)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "a recording is MCAP, and its name ends in .mcap" in err
    assert not (tmp_path / name).exists()


def test_an_option_without_its_value_points_to_the_help_of_its_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(monkeypatch, capsys, "synthetic:", tmp_path / "a.mcap", "--labels")
    assert code == 2
    assert "record --help`" in err
