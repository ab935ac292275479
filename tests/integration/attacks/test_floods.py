"""Clients that flood the server with pings and messages: it stays small, and others notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.attack import MB, Raw, close_code, frame, healthy, memory, text
from tests.support.console import Console

pytestmark = pytest.mark.alone


async def flood(raw: Raw, data: bytes, seconds: float) -> float:
    """Write without pause; return the seconds after which the server had closed, or all of them."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(seconds):
            while not raw.writer.is_closing():
                raw.writer.write(data)
                await raw.writer.drain()
                await asyncio.sleep(0)  # what comes back is read, too
    return loop.time() - begun


async def sip(raw: Raw) -> None:
    """Read 2 KB in every half second."""
    with contextlib.suppress(ConnectionError):
        while await raw.reader.read(2048):  # noqa: ASYNC110 (slow on purpose)
            await asyncio.sleep(0.5)


@pytest.mark.case("F1")
@pytest.mark.parametrize("payload", [b"", b"x" * 125], ids=["empty", "full"])
async def test_pings_of_one_who_hardly_reads(console: Console, payload: bytes) -> None:
    server = console.serve("synthetic:")
    async with healthy(server) as other:
        before = memory(server)
        raw = await Raw.open(server, buffer=4096)
        sipping = asyncio.ensure_future(sip(raw))
        took_s = await flood(raw, frame(9, payload) * 200, 12.0)
        sipping.cancel()
        assert took_s < 11.0
        assert memory(server) - before < 16 * MB
        assert other.share >= 0.98
        raw.close()
    assert server.stop() == 0


@pytest.mark.case("F1")
async def test_pings_that_are_few_but_never_answered_into_memory(console: Console) -> None:
    """Within the limit, from a client that reads nothing at all: it is gone after 10 s, like any other."""
    server = console.serve(
        "synthetic:", "--limit", "control_frames_per_s=5000", "--limit", "control_frame_burst=1000000"
    )
    async with healthy(server) as other:
        before = memory(server)
        raw = await Raw.open(server, buffer=4096)
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        assert await flood(raw, frame(9, b"x" * 125) * 200, 15.0) < 14.0
        assert memory(server) - before < 16 * MB
        assert other.share >= 0.98
    assert server.stop() == 0


@pytest.mark.case("F2")
@pytest.mark.parametrize(
    "message", [{"type": "subscribe", "streams": ["pose", "emg"]}, {"type": "ping", "id": 1}, {"type": "x"}, 7],
    ids=["subscribe", "ping", "unknown", "no object"],
)  # fmt: skip
async def test_messages_without_pause(console: Console, message: object) -> None:
    server = console.serve("synthetic:")
    async with healthy(server) as other:
        raw = await Raw.open(server)
        ended = asyncio.ensure_future(raw.ended())
        await flood(raw, text(message) * 500, 10.0)
        last = await ended
        assert last.endswith((b"\x88\x13" + b"\x03\xf0too many messages", b"in a row"))
        assert other.share >= 0.98
        assert other.longest_wait_s < 0.5
    assert server.stop() == 0


@pytest.mark.case("F2")
async def test_messages_beyond_the_limit_get_an_error_and_are_ignored(console: Console) -> None:
    server = console.serve("synthetic:", "--limit", "messages_per_s=5", "--limit", "message_burst=20")
    async with connect(server.stream + "?streams=status") as client:
        for number in range(30):
            await client.send(f'{{"type":"ping","id":{number}}}')
        answers = [m async for m in _until_error(client)]
        assert sum('"pong"' in m for m in answers) in (20, 21)
        assert '"too_many_messages"' in answers[-1]
        for _ in range(1100):
            await client.send("{}")
        assert await close_code(client) == 1008
    assert server.stop() == 0


async def _until_error(client: ClientConnection) -> AsyncIterator[str]:
    async for message in client:
        yield str(message)
        if '"type":"error"' in str(message):
            return
