"""What the server has always withstood, so that it stays so."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.support.attack import MB, Raw, healthy, http, memory
from tests.support.console import Console

pytestmark = pytest.mark.alone


async def test_forty_clients_that_never_read(console: Console) -> None:
    server = console.serve("synthetic:")
    async with healthy(server) as other:
        before = memory(server)
        raws = [await Raw.open(server, "?streams=pose,emg,imu,status", buffer=4096) for _ in range(40)]
        for raw in raws:
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(3.0)
        assert memory(server) - before < 40 * MB
        assert other.share >= 0.98
        for raw in raws:
            raw.close()
    assert server.stop() == 0


async def test_a_storm_of_connections(console: Console) -> None:
    """Five hundred that come and go, with their handshakes, a hundred at a time."""
    server = console.serve("synthetic:")

    async def come_and_go() -> None:
        async with connect(server.stream, compression=None, open_timeout=30) as client:
            assert '"hello"' in str(await client.recv())

    async with healthy(server) as other:
        for _ in range(5):
            await asyncio.gather(*(come_and_go() for _ in range(100)))
        assert other.share >= 0.97
    assert server.stop() == 0
    assert "Traceback" not in server.stderr()


async def test_noise_instead_of_frames_and_requests(console: Console) -> None:
    """A seed, so that a failure can be had again."""
    rng = random.Random(16)
    server = console.serve("synthetic:")
    async with healthy(server) as other:
        for number in range(200):
            with contextlib.suppress(ConnectionError):
                raw = await Raw.open(server, handshake=number % 2 == 0)
                raw.writer.write(rng.randbytes(rng.choice((1, 7, 100, 3000))))
                await raw.writer.drain()
                raw.close()
        async with http(server) as client:
            assert (await client.get("/healthz")).status_code == 200
        assert other.share >= 0.98
    assert server.stop() == 0
    assert "Traceback" not in server.stderr()


async def test_recordings_that_start_and_stop_at_once(console: Console, tmp_path: Path) -> None:
    server = console.serve("synthetic:", "--recordings", tmp_path)
    statuses: set[int] = set()

    async def press(action: str, name: str) -> None:
        async with http(server) as client:
            body = {"action": action, **({"name": name} if action == "start" else {})}
            statuses.add((await client.post("/api/v1/recording", json=body)).status_code)

    async with healthy(server) as other:
        for round_ in range(5):
            presses = [press(action, f"r{round_}-{n}") for n in range(4) for action in ("start", "stop")]
            await asyncio.gather(*presses)
        await press("stop", "")
        assert other.share >= 0.98
    assert statuses <= {200, 409}
    assert server.stop() == 0
    assert "Traceback" not in server.stderr()
