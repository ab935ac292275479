"""Recordings whose file other programs remove or change: it is told in status, log and answer."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.support.attack import PATIENCE_S, healthy, http
from tests.support.console import Console

pytestmark = pytest.mark.alone


@pytest.mark.case("F7")
@pytest.mark.parametrize("change", ["folder", "truncated"])
async def test_a_recording_that_is_gone_is_told(console: Console, tmp_path: Path, change: str) -> None:
    folder = tmp_path / "recordings"
    server = console.serve("synthetic:", "--recordings", folder)
    async with healthy(server) as other, http(server) as client, connect(server.stream + "?streams=status") as status:
        answer = await client.post("/api/v1/recording", json={"action": "start", "name": "a"})
        assert answer.status_code == 200
        while (await client.get("/api/v1/status")).json()["recording"]["bytes"] < 5000:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        if change == "folder":
            shutil.rmtree(folder)
        else:
            os.truncate(folder / "a.mcap", 1000)
        async with asyncio.timeout(PATIENCE_S):
            async for message in status:
                if '"recording_failed"' in str(message):
                    break
        answer = await client.post("/api/v1/recording", json={"action": "stop"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "recording_failed")
        assert (await client.get("/api/v1/status")).json()["recording"] is None
        again = await client.post("/api/v1/recording", json={"action": "start", "name": "b"})
        assert again.status_code == 200
        assert other.share >= 0.98
    assert server.stop() == 0
    assert "recording a was closed" in server.stderr()
    assert "Traceback" not in server.stderr()


@pytest.mark.case("W5")
async def test_a_replay_that_was_stopped_joins_the_present(console: Console, tmp_path: Path) -> None:
    """A process that stands still for seven seconds, as a machine that sleeps does."""
    path = tmp_path / "session.txt"
    _write(path, 20_000)
    server = console.serve(f"replay:{path}?rate=200")
    async with healthy(server) as other:
        server.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(7.0)
        count = len(other.seqs)
        server.process.send_signal(signal.SIGCONT)
        while len(other.seqs) < count + 50:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert other.gaps >= 1
        assert other.skipped < 50
        assert other.share >= 0.9
    async with http(server) as client:
        replay = (await client.get("/api/v1/status")).json()["replay"]
        assert replay["position_s"] > 7.0
    assert server.stop() == 0


def _write(path: Path, rows: int) -> None:
    path.write_text("1,2,3,4,5,6,7,8\n" * rows)
