"""Processes that are killed, or meet a full disk, while they write a session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drivers.sessions import read_session
from tests.support.sessions import index_of

ROOT = Path(__file__).resolve().parents[3]

RECORD_WITHOUT_END = """
import sys
from drivers.sessions import SessionWriter
from tests.support.sessions import INFO, frame
writer = SessionWriter(sys.argv[1], flush_every_s=0.01)
writer.write(INFO)
sample = 0
while True:
    writer.write(frame(sample))
    sample += 2
"""


def test_a_killed_recorder_leaves_a_file_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with subprocess.Popen([sys.executable, "-c", RECORD_WITHOUT_END, str(path)], cwd=ROOT) as process:
        while not (path.exists() and path.stat().st_size > 50_000):
            assert process.poll() is None
        process.kill()
    rec = read_session(path)
    assert len(rec) > 100
    assert index_of(rec.emg).tolist() == list(range(len(rec)))
    assert rec.sample.tolist() == list(range(len(rec)))


RECORD_TOO_MUCH = """
import resource, sys
from drivers.sessions import SessionWriter
from tests.support.sessions import INFO, frame
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
writer = SessionWriter(sys.argv[1], flush_every_s=0.0)
writer.write(INFO)
sample = 0
try:
    while True:
        writer.write(frame(sample))
        sample += 2
except OSError:
    writer.close()
print(writer.samples_saved, writer.samples_lost, sample + 2)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_real_file_that_may_not_grow_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    done = subprocess.run(
        [sys.executable, "-c", RECORD_TOO_MUCH, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    saved, lost, given = map(int, done.stdout.split())
    assert saved + lost == given
    assert lost == 2
    rec = read_session(path)
    assert rec.sample.tolist() == list(range(saved))
    assert rec.meta["notes"] == []


SAVE_TOO_MUCH = """
import resource, sys
from pathlib import Path
from drivers.sessions import SessionWriteError, write_session
from tests.support.sessions import recording
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
try:
    write_session(Path(sys.argv[1]), recording(20_000))
except SessionWriteError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("suffix", [".mcap", ".csv", ".csv.gz"])
def test_a_disk_that_refuses_leaves_nothing_half_done(tmp_path: Path, suffix: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAVE_TOO_MUCH, str(tmp_path / f"a{suffix}")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be written (File too large)" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
