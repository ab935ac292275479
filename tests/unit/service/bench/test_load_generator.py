"""The light clients of the fan-out: frames however they are cut, pings answered, refusals told."""

from __future__ import annotations

import asyncio
import struct
import time
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bench.errors import BenchError
from service.bench.processes.load_generator import LightClient, Received, handshake

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


class Written:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def frame(opcode: int, payload: bytes) -> bytes:
    """A frame as servers send them: final, not masked."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 126)) + struct.pack(">H", size)
    else:
        head = bytes((0x80 | opcode, 127)) + struct.pack(">Q", size)
    return head + payload


def pose(t: float, size: int = 296) -> bytes:
    return frame(0x2, bytes(16) + struct.pack("<d", t) + bytes(size - 24))


HELLO, PING, STATUS = frame(0x1, b'{"type":"hello"}'), frame(0x9, b"abcd"), frame(0x1, b"x" * 300)
STREAM = ACCEPTED + HELLO + pose(1.0) + PING + pose(2.0, 548) + STATUS + pose(3.0, 70000)


async def play(pieces: list[bytes], *, counting: bool = True) -> tuple[LightClient, Received, Written]:
    received, transport = Received(), Written()
    client = LightClient(b"GET", received)
    client.connection_made(cast(asyncio.BaseTransport, transport))
    received.counting = counting
    for piece in pieces:
        client.data_received(piece)
    return client, received, transport


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_frames_are_counted_however_they_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:stop] for start, stop in pairwise(edges) if stop > start]
    client, received, transport = asyncio.run(play(pieces))
    assert client.messages == client.poses == len(received.latency) == 3
    assert transport.data == b"GET" + bytes((0x8A, 0x84, 0, 0, 0, 0)) + b"abcd"


async def test_latency_is_from_the_poses_time_to_now() -> None:
    before = time.perf_counter()
    _, received, _ = await play([ACCEPTED, pose(before)])
    assert 0.0 <= received.latency[0] <= time.perf_counter() - before


async def test_ready_with_the_first_pose() -> None:
    client, received, _ = await play([ACCEPTED + frame(0x1, b"{}")], counting=False)
    assert not client.ready.done()
    client.data_received(pose(1.0))
    await client.ready
    assert (client.messages, client.poses, len(received.latency)) == (1, 0, 0)


async def test_a_refused_handshake_is_an_error() -> None:
    client, _, _ = await play([b"HTTP/1.1 403 Forbidden\r\n\r\n"])
    with pytest.raises(BenchError, match="403"):
        await client.ready
    client, _, _ = await play([])
    client.connection_lost(None)
    with pytest.raises(BenchError, match="closed"):
        await client.ready


def test_handshake_is_one_a_server_takes() -> None:
    from websockets.server import ServerProtocol

    server = ServerProtocol()
    server.receive_data(handshake("http://127.0.0.1:8765/", "myocast.v1.binary", 30.0))
    (request,) = server.events_received()
    assert getattr(request, "path", "") == "/v1/stream?max_rate=30"
    assert server.accept(request).status_code == 101  # type: ignore[arg-type]
