"""The Godot 3 example, run without a window against servers."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.small_session import write_session
from tests.fakes.stream import FakeStream, pose_message, until
from tests.support.console import Console

PROJECT = Path(__file__).parents[3] / "clients" / "godot"
GODOT = shutil.which("godot3-server")

pytestmark = [pytest.mark.peer, pytest.mark.skipif(GODOT is None, reason="needs Godot 3 (godot3-server)")]


@asynccontextmanager
async def godot(tmp_path: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    project = shutil.copytree(PROJECT, tmp_path / "godot", dirs_exist_ok=True)  # it writes into its folder
    process = await asyncio.create_subprocess_exec(
        str(GODOT), "--path", str(project), *arguments,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def report(process: asyncio.subprocess.Process) -> dict[str, Any]:
    out = (await process.communicate())[0].decode()
    assert "SCRIPT ERROR" not in out, out
    line = next((line for line in out.splitlines() if line.startswith("{")), None)
    assert line is not None, out
    result: dict[str, Any] = json.loads(line)
    return result


@pytest.mark.parametrize("hand", ["left", "right"])
@pytest.mark.parametrize("truth", [False, True])
async def test_it_shows_the_poses_that_were_sent(tmp_path: Path, hand: str, truth: bool) -> None:
    async with (
        FakeStream(hand=hand, token="T /") as server,
        godot(tmp_path, f"--address={server.url}#token=T%20%2F", "--poses=50") as process,
    ):
        await until(lambda: server.clients)
        await server.send(*(pose_message(seq, hand=hand, truth=truth) for seq in range(50)))
        seen = await report(process)
    expected = pose_message(49)
    assert (seen["poses"], seen["missed"], seen["seq"]) == (50, 0, 49)
    assert (seen["sample"], seen["t"]) == (expected["sample"], expected["t"])
    assert (seen["left"], seen["truth"]) == (hand == "left", truth)
    points = np.reshape(expected["joints"], (21, 3))[[0, 4, 20]] / 1000
    np.testing.assert_allclose(seen["points"], points, atol=1e-6)


async def test_it_comes_back_after_a_restart_and_counts_what_it_missed(tmp_path: Path) -> None:
    async with FakeStream() as server, godot(tmp_path, f"--address={server.url}", "--poses=4") as process:
        # What waits unread when a connection is cut would take the poses that are on their way with it.
        await until(lambda: server.clients and server.pings)
        await server.send(pose_message(0), pose_message(1))
        await server.stop(rude=True)
        await server.start()
        await until(lambda: server.accepted == 2 and server.clients)
        await server.send(pose_message(6), pose_message(7))
        seen = await report(process)
    assert (seen["poses"], seen["missed"], seen["seq"]) == (4, 4, 7)


async def test_the_server_itself(console: Console, tiny_window: Path, tmp_path: Path) -> None:
    session = write_session(console.folder / "session.csv", 60)
    server = console.serve(f"replay:{session}?hand=left", "--model", tiny_window, "--hop", 2, "--token", "T")
    async with godot(tmp_path, f"--address={server.url}#token=T", "--poses=200") as process:
        seen = await report(process)
    assert (seen["poses"], seen["left"]) == (200, True)
    assert seen["missed"] < 20  # a busy machine may cost some
    assert seen["shown"] > 10
    assert abs(seen["clock_offset"]) < 0.1  # one machine, one clock
    assert 0 < seen["round_trip"] < 1
    assert 0 < seen["latency"] + seen["round_trip"] / 2 < 2  # the offset is off by half the round trip at most


async def test_it_says_why_there_is_no_connection(console: Console, tmp_path: Path) -> None:
    server = console.serve("synthetic:", "--token", "T")
    for address, words in (
        (f"{server.url}#token=wrong", "Myocast: a token is needed"),
        (f"http://127.0.0.1:{unused_port()}/", "Myocast: no server answers at http://127.0.0.1:"),
    ):
        async with godot(tmp_path, f"--address={address}") as process:
            assert process.stdout is not None
            async with asyncio.timeout(30):
                while words not in (line := (await process.stdout.readline()).decode()):
                    assert line, "it has ended"
                    assert "SCRIPT ERROR" not in line, line


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
