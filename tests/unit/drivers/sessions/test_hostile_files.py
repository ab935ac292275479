"""Session files that would fill the memory, carry what no message can hold, or are damaged at random."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import zstandard
from mcap.writer import CompressionType, Writer

from drivers.sessions import SessionError, read_session, write_session
from drivers.sessions.mcap.copy import copy_mcap
from drivers.sessions.mcap.records import LARGEST_CHUNK, MAGIC
from drivers.sessions.summary import summary
from tests.support.mutated_files import check_one, samples, try_damaged

MB = 1 << 20


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Fails a test that takes more than 700 MB from Python's allocator or NumPy."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 700 * MB


def chunk(plain_size: int, packed: bytes, compression: bytes = b"zstd") -> bytes:
    body = struct.pack("<QQQI", 0, 0, plain_size, 0) + struct.pack("<I", len(compression)) + compression
    body += struct.pack("<Q", len(packed)) + packed
    return b"\x06" + struct.pack("<Q", len(body)) + body


def mcap(*said: tuple[str, dict[str, Any]], log_time: int = 10**18) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream, compression=CompressionType.ZSTD)
    writer.start()
    writer.add_metadata("myocast", {"rate": "200", "unit": "adc"})
    channels: dict[str, int] = {}
    good = ("/emg", {"device": 0, "sample": 0, "t": 1.0, "samples": [[1] * 8] * 10})
    for topic, payload in (good, *said, ("/emg", {"device": 0, "sample": 10, "t": 1.05, "samples": [[2] * 8] * 10})):
        if topic not in channels:
            channels[topic] = writer.register_channel(topic, "json", 0)
        at = log_time if payload.get("late") else 10**9
        writer.add_message(channels[topic], at, orjson.dumps(payload), 10**9)
    writer.finish()
    return stream.getvalue()


@pytest.mark.case("F8", "F9")
@pytest.mark.parametrize("size", [3 << 30, 10 << 30])
@pytest.mark.parametrize("stated", [1000, None])
def test_a_chunk_that_unpacks_to_gigabytes_is_damage(
    tmp_path: Path, little_memory: None, size: int, stated: int | None
) -> None:
    # The frame says how much it holds, and the library would take memory for it; a few blocks of zeros follow.
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(b"\0" * MB)
    lying = frame[:4] + bytes([0xE0 | frame[4] & 0x1F]) + struct.pack("<Q", size) + frame[6:]
    path = tmp_path / "a.mcap"
    whole = mcap()
    path.write_bytes(MAGIC + chunk(stated or size, lying) + whole[len(MAGIC) :])
    recording = read_session(path)
    assert len(recording) == 20
    assert recording.meta["dropped"][0]["reason"] == "damaged record"
    report, _ = copy_mcap(path, tmp_path / "b.mcap")
    assert report.dropped == 1


@pytest.mark.case("F8", "F9")
def test_chunks_that_unpack_to_much_together_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = b"\x05" + struct.pack("<Q", MB) + b"\0" * MB  # a record of a kind that is passed over
    packed = zstandard.compress(plain)
    path = tmp_path / "a.mcap"
    path.write_bytes(MAGIC + chunk(len(plain), packed) * 40 + mcap()[len(MAGIC) :])
    monkeypatch.setattr("drivers.sessions.source_bytes._ALWAYS", 30 * MB)
    monkeypatch.setattr("drivers.sessions.mcap.records._ALWAYS", 30 * MB)
    with pytest.raises(SessionError, match=r"its chunks unpack to more than 30 MB, as those of no recording do"):
        read_session(path)
    assert len(plain) < LARGEST_CHUNK


@pytest.mark.case("F9")
@pytest.mark.parametrize(
    ("line", "times", "message"),
    [(b"1" * MB, 200, "a line of more than"), (b"1,2,3,4,5,6,7,8\n" * 65536, 200, "unpacks to more than 128 MB")],
)
def test_gzip_of_one_line_or_of_endless_rows(
    tmp_path: Path, line: bytes, times: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if b"\n" in line:
        # The bound itself, at a size that takes no time.
        monkeypatch.setattr("drivers.sessions.source_bytes._ALWAYS", 16 * MB)
        message = "unpacks to more than 16 MB"
    path = tmp_path / "a.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(times if b"\n" not in line else 20):
            file.write(line)
    with pytest.raises(SessionError, match=message):
        read_session(path)


def test_an_archive_of_ordinary_rows_is_read(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).integers(-90, 90, (20_000, 8))
    text = "\n".join(",".join(map(str, row)) for row in rows.tolist())
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    np.testing.assert_array_equal(read_session(path).emg, rows)


@pytest.mark.case("F10")
@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("/emg", {"device": 0, "sample": 5, "t": 1.0, "samples": [[1] * 8], "late": True}),
        ("/emg", {"device": 0, "sample": 5, "t": None, "samples": [[1] * 8]}),
        ("/emg", {"device": 0, "sample": 5, "t": 1e300, "samples": [[1] * 8]}),
        ("/emg", {"device": 0, "sample": -1, "t": 1.0, "samples": [[1] * 8]}),
        ("/emg", {"device": 0, "sample": 5.5, "t": 1.0, "samples": [[1] * 8]}),
        ("/emg", {"device": 0, "sample": "7", "t": 1.0, "samples": [[1] * 8]}),
        ("/emg", {"device": 0, "sample": 5, "t": True, "samples": [[1] * 8]}),
        ("/emg", {"device": 0, "sample": 5, "t": 1.0, "samples": [["1"] * 8]}),
        ("/emg", {"device": 0, "sample": (1 << 63), "t": 1.0, "samples": [[1] * 8]}),
        ("/emg", {"device": 1 << 40, "sample": 5, "t": 1.0, "samples": [[1] * 8]}),
        ("/marker", {"t": 1.0, "label": "1" + "0" * 30, "kind": "class"}),
        ("/marker", {"t": 1.0, "label": 1e30, "kind": "class"}),
        ("/marker", {"t": None, "label": "fist"}),
        ("/event", {"t": 1.0, "kind": "battery", "percent": 1e30}),
        ("/event", {"t": 1.0, "kind": "battery", "percent": None}),
        ("/event", {"t": None, "kind": "sync"}),
        ("/event", {"t": 1.0, "kind": "gap", "sample": 1e30}),
        ("/label", {"t": None, "joints": [1.0] * 63}),
        ("/label", {"t": 1.0, "joints": [None] * 63}),
        ("/label", {"t": 1e300, "angles": {"index_mcp_fe": 3.0}}),
        ("/imu", {"t": None, "quaternion": [1, 0, 0, 0], "acceleration_g": [0, 0, 1], "gyro_dps": [0, 0, 0]}),
        ("/imu", {"t": 1.0, "quaternion": [1, 0, 0, None], "acceleration_g": [0, 0, 1], "gyro_dps": [0, 0, 0]}),
    ],
)
def test_a_value_that_nothing_can_carry_is_dropped_and_counted(
    tmp_path: Path, topic: str, payload: dict[str, Any]
) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(mcap((topic, payload), log_time=(1 << 64) - 1))
    recording = read_session(path)
    assert len(recording) == 20
    assert sum(drop["count"] for drop in recording.meta["dropped"]) == 1
    orjson.dumps(summary(recording))
    write_session(tmp_path / "b.mcap", recording)
    assert np.array_equal(read_session(tmp_path / "b.mcap").emg, recording.emg)


@pytest.mark.case("F10")
def test_metadata_of_damage_is_not_believed(tmp_path: Path) -> None:
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.start()
    writer.add_metadata("myocast", {"rate": "1e300", "label_lag_ms": "1e300", "device": "x" * 5_000_000})
    channel = writer.register_channel("/emg", "json", 0)
    for start in (0, 10):
        payload = {"sample": start, "t": 1 + start / 200, "samples": [[1] * 8] * 10}
        writer.add_message(channel, 10**9, orjson.dumps(payload), 10**9)
    writer.finish()
    (tmp_path / "a.mcap").write_bytes(stream.getvalue())
    recording = read_session(tmp_path / "a.mcap")
    assert recording.rate_hz == pytest.approx(200.0)
    assert len(recording.name) == 200


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return samples(tmp_path_factory.mktemp("samples"))


def test_every_sample_is_read_as_it_is(files: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in files.items():
        assert check_one(tmp_path / name, data) == "read", name


def test_damaged_files_of_every_kind_are_read_or_refused_in_one_line(files: dict[str, bytes], tmp_path: Path) -> None:
    """A few hundred of the ten thousand of `tools/measure_mutated_files.py`."""
    for name, content in files.items():
        try_damaged(name, content, tmp_path, 12, 5, lambda outcome, size: None)
