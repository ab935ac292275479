"""What the tests of attacks share: an ordinary client beside the attack, and clients that keep to no rule."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.console import Server

REPOSITORY: Final = Path(__file__).resolve().parents[2]
MB: Final = 1 << 20
PATIENCE_S: Final = 30.0
POSE_RATE_HZ: Final = 50.0


class Healthy:
    """An ordinary client: what it got of the stream."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.late_s: list[float] = []
        self.skipped = 0
        self.gaps = 0

    @property
    def share(self) -> float:
        """Share of the poses, as the server counts them, that came."""
        if len(self.seqs) < 2:
            return 0.0
        return len(self.seqs) / (self.seqs[-1] - self.seqs[0] + 1)

    @property
    def longest_wait_s(self) -> float:
        """The longest time between two poses."""
        return max(self.late_s, default=float("inf"))


@asynccontextmanager
async def healthy(server: Server, query: str = "") -> AsyncIterator[Healthy]:
    """An ordinary client for the time of a block."""
    got = Healthy()
    names = [Subprotocol("myocast.v1.binary")]
    async with connect(server.stream + query, subprotocols=names, compression=None, max_queue=None) as client:
        reading = asyncio.ensure_future(_read(client, got))
        while not got.seqs:  # noqa: ASYNC110 (the server has no event to wait for)
            await asyncio.sleep(0.01)
        yield got
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading


async def _read(client: Any, got: Healthy) -> None:
    time = asyncio.get_running_loop().time
    before = time()
    async for message in client:
        if isinstance(message, bytes) and message[0] == 1:
            got.seqs.append(struct.unpack_from("<I", message, 4)[0])
            got.gaps += message[2] >> 2 & 1
            got.skipped += struct.unpack_from("<I", message, 32)[0]
            got.late_s.append(time() - before)
            before = time()


def memory(server: Server) -> int:
    """Bytes of memory that the server's process holds."""
    return int(psutil.Process(server.process.pid).memory_info().rss)


def http(server: Server, **more: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=PATIENCE_S, **more)


async def metric(server: Server, name: str) -> float:
    """The sum of a metric over its labels."""
    async with http(server) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition(" ")[0].partition("{")[0] == name)


class Raw:
    """A WebSocket client without a library, which reads and sends what a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, server: Server, query: str = "", *, buffer: int | None = None, handshake: bool = True) -> Raw:
        sock = socket.socket()
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=2048)
        raw = cls(reader, writer)
        if handshake:
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(
                f"GET /v1/stream{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        return raw

    async def ended(self) -> bytes:
        """Read to the end of the connection; return the last bytes."""
        last = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                while data := await self.reader.read(65536):
                    last = (last + data)[-256:]
        return last

    def close(self) -> None:
        self.writer.transport.abort()


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A masked frame of less than 64 KiB (RFC 6455, section 5.2)."""
    size = len(payload)
    head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    return head + b"\0\0\0\0" + payload


def text(message: object) -> bytes:
    return frame(1, json.dumps(message, separators=(",", ":")).encode())


async def close_code(client: Any) -> int:
    """Read until the server closes; return its code."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(PATIENCE_S):
            async for _ in client:
                pass
    return int(client.close_code)
