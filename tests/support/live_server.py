"""A real server of this process: uvicorn, sockets and all, around a source that the test directs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from drivers.source import Source
from service.run import READY, run
from service.settings import ServiceConfig
from service.web.access import AccessPolicy
from service.wiring import Service

TIMEOUT_S: Final = 30.0
JSON: Final = "myocast.v1.json"
BINARY: Final = "myocast.v1.binary"


class Live:
    """A running server, and clients of it."""

    def __init__(self, service: Service, line: str, http: httpx.AsyncClient) -> None:
        self.service = service
        self.line = line
        self.port = httpx.URL(line.removeprefix(READY)).port or 80
        self.http = http

    @property
    def stream(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    def connect(self, query: str = "", *subprotocols: str, **more: Any) -> connect:
        """A WebSocket client, as an async context manager."""
        names = [Subprotocol(name) for name in subprotocols] or None
        # An unbounded queue: a client that leaves with unread messages would wait for its own timeout.
        how = {"max_queue": None, "compression": None, "open_timeout": TIMEOUT_S, **more}
        return connect(self.stream + query, subprotocols=names, **how)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.http.post(path, json=body)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the server run until something holds."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(
    sources: Sequence[Source], policy: AccessPolicy | None = None, **settings: Any
) -> AsyncIterator[Live]:
    """Serve `sources` on a free port until the block ends; what `run` raises comes out of it.

    Poses are not held unless `hold_s` says so: a scripted source often waits for its test.
    """
    wanted = ServiceConfig(("scripted:",), policy or AccessPolicy(), port=0, **{"hold_s": None, **settings})
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    services: list[Service] = []

    def announce(line: str) -> None:
        if not ready.done():
            ready.set_result(line)

    running = asyncio.ensure_future(run(wanted, announce, sources=list(sources), prepare=services.append))
    await asyncio.wait((ready, running), return_when=asyncio.FIRST_COMPLETED, timeout=TIMEOUT_S)
    if running.done():
        running.result()
    line = ready.result()
    try:
        async with httpx.AsyncClient(base_url=line.removeprefix(READY).partition("#")[0], timeout=TIMEOUT_S) as http:
            yield Live(services[0], line, http)
    finally:
        services[0].stop.set()
        await asyncio.wait_for(running, TIMEOUT_S)


async def receive(client: ClientConnection) -> Any:
    """The next message: an object, or bytes."""
    message = await asyncio.wait_for(client.recv(), TIMEOUT_S)
    return json.loads(message) if isinstance(message, str) else message


async def receive_until(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The next text message of a type; what comes before is passed over."""
    while True:
        message = await receive(client)
        if isinstance(message, dict) and message["type"] == kind:
            return message


def recorded(folder: Path) -> list[str]:
    """The names of the session files in a folder."""
    return sorted(path.name for path in folder.glob("*.mcap"))


class RawClient:
    """A WebSocket client without a library: it reads only what the test reads."""

    def __init__(self, live: Live, buffer: int | None = None) -> None:
        self._live, self._buffer = live, buffer
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self, query: str = "") -> None:
        sock = socket.socket()
        if self._buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._live.port))
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=1024)
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write(
            f"GET /v1/stream{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert (await self.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 101")

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def close(self) -> None:
        self.writer.transport.abort()
