"""The recordings that were made: `GET /api/v1/recordings`, and the file of each."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
import pytest

from drivers.sessions import read_session
from service.recording.library import RecordingLibrary, RecordingRuns, UnknownRecording
from service.web.access import AccessPolicy
from tests.fakes.sources import INFO, Puppet, frames
from tests.integration.server.test_app import error_of
from tests.support.live_server import Live, serving

SECRET = b"nobody may read this"
LARGE = 64_000_000
"""Bytes that no socket takes at once."""


async def test_a_recording_is_listed_and_downloaded_once_it_is_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "my recordings"
    puppet = Puppet(INFO)
    async with serving([puppet], recordings=folder) as live:
        assert (await live.http.get("/api/v1/recordings")).json() == {"folder": str(folder), "recordings": []}
        await puppet.running.wait()
        await live.post("/api/v1/recording", action="start", name="first")
        puppet.emit(*frames(0, 40))
        (entry,) = (await live.http.get("/api/v1/recordings")).json()["recordings"]
        assert (entry["name"], entry["running"]) == ("first", True)
        assert "stop it first" in error_of(await live.http.get("/api/v1/recordings/first"), 409)["message"]
        stopped = (await live.post("/api/v1/recording", action="stop")).json()
        (entry,) = (await live.http.get("/api/v1/recordings")).json()["recordings"]
        assert (entry["running"], entry["bytes"]) == (False, stopped["bytes"])
        answer = await live.http.get("/api/v1/recordings/first")
        assert answer.headers["content-disposition"] == 'attachment; filename="first.mcap"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.content == (folder / "first.mcap").read_bytes()
        (tmp_path / "copy.mcap").write_bytes(answer.content)
        assert len(read_session(tmp_path / "copy.mcap")) == 40
        head = await live.http.head("/api/v1/recordings/first")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(answer.content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two recordings, and things that are none; a secret lies beside it."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for age, name in enumerate(("new.mcap", "old.mcap")):
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    (tmp_path / "secret.mcap").write_bytes(SECRET)
    (folder / "notes.txt").write_bytes(SECRET)
    (folder / ".hidden.mcap").write_bytes(SECRET)
    (folder / "a folder.mcap").mkdir()
    (folder / "deep").mkdir()
    (folder / "deep" / "inner.mcap").write_bytes(SECRET)
    (folder / "linked.mcap").symlink_to(tmp_path / "secret.mcap")
    os.mkfifo(folder / "pipe.mcap")
    return folder


async def test_only_recordings_are_listed_the_newest_first(folder: Path) -> None:
    async with serving([Puppet(INFO)], recordings=folder) as live:
        listed = (await live.http.get("/api/v1/recordings")).json()["recordings"]
    assert listed == [
        {"name": "new", "bytes": 8, "modified": 1e9, "running": False},
        {"name": "old", "bytes": 8, "modified": 1e9 - 1, "running": False},
    ]


OUTSIDE = (
    "..", "../secret", "..%2fsecret", "..%2Fsecret", "%2e%2e%2fsecret", "%2e%2e/secret", "..%5csecret", "..%252fsecret",
    "%2Fetc%2Fpasswd", "/etc/passwd", "C:%5csecret", "deep/inner", "deep%2Finner", "new/../../secret", "new%00",
    "new.mcap%00", "%20new", "new%0a", ".hidden", "linked", "pipe", "a%20folder", "notes", "notes.txt", "new.mcap",
    "none", "x" * 65,
)  # fmt: skip


async def test_a_recording_that_grows_or_goes_while_it_is_read(folder: Path) -> None:
    library = RecordingLibrary(folder, lambda: folder / ".." / folder.name / "old.mcap")
    with pytest.raises(RecordingRuns):
        library.open("old")
    file, size = library.open("new")
    (folder / "new.mcap").write_bytes(b"longer than it was")
    with file:
        assert size == len("new.mcap")
    (folder / "new.mcap").unlink()
    with pytest.raises(UnknownRecording):
        library.open("new")
    (folder / "old.mcap").unlink()
    (folder / "old.mcap").symlink_to(folder.parent / "secret.mcap")
    with pytest.raises(UnknownRecording):
        library.open("old")


async def test_no_name_leads_out_of_the_folder(folder: Path) -> None:
    """Sent as they are: a client library would tidy the paths first."""
    async with serving([Puppet(INFO)], recordings=folder) as live:
        assert (await live.http.get("/api/v1/recordings/new")).content == b"new.mcap"
        for name in OUTSIDE:
            answer = await raw_get(live, f"/api/v1/recordings/{name}")
            assert answer.split()[1] in (b"400", b"404"), (name, answer)
            assert SECRET not in answer, name
            assert b'{"error":{"code":"' in answer, name


async def raw_get(live: Live, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def test_recordings_need_the_token_and_an_allowed_page(folder: Path) -> None:
    policy = AccessPolicy(token="secret", origins=("https://app.example",))
    async with serving([Puppet(INFO)], policy, recordings=folder) as live:
        for path in ("/api/v1/recordings", "/api/v1/recordings/new"):
            assert error_of(await live.http.get(path), 401)["code"] == "unauthorized"
            assert error_of(await live.http.get(f"{path}?token=wrong"), 401)["code"] == "unauthorized"
            assert (await live.http.get(f"{path}?token=secret")).status_code == 200
            allowed = {"authorization": "Bearer secret"}
            assert (await live.http.get(path, headers=allowed)).status_code == 200
            for wrong in ({"origin": "http://evil.example"}, {"host": "evil.example"}):
                assert error_of(await live.http.get(path, headers={**allowed, **wrong}), 403)["code"] == "forbidden"


async def test_a_file_that_becomes_shorter_while_it_is_downloaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "long.mcap"
    with path.open("wb") as file:
        file.truncate(LARGE)
    async with serving([Puppet(INFO)], recordings=tmp_path) as live:
        async with live.http.stream("GET", "/api/v1/recordings/long") as answer:
            assert answer.headers["content-length"] == str(LARGE)
            os.truncate(path, 1000)
            with pytest.raises(httpx.RemoteProtocolError):
                await answer.aread()
        assert (await live.http.get("/healthz")).status_code == 200
    assert [record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == [
        "long.mcap became shorter while it was downloaded; the download was cut off"
    ]
