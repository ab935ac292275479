"""The client process of the fan-out runs: many clients for little CPU.

Each is an asyncio protocol that implements a small part of WebSocket (RFC 6455): it makes the handshake, answers pings,
counts binary messages and reads their time. So one process can act as a thousand clients.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from array import array
from dataclasses import asdict
from typing import Final, cast
from urllib.parse import urlsplit

from service.bench.errors import BenchError
from service.bench.processes.worker_process import Channel, Message, cpu_percent, usage
from service.bench.report.statistics import Times
from service.event_loop import loop_factory
from service.web.listener import raise_descriptor_limit

AT_ONCE: Final = 50
"""Connections that are opened at the same time."""
OPEN_TIMEOUT_S: Final = 120.0
SETTLE_S: Final = 0.3
"""Seconds before counting begins: what came while nothing was read does not count."""
_T: Final = struct.Struct("<d")
_T_OFFSET: Final = 16
_BINARY, _CLOSE, _PING = 0x2, 0x8, 0x9


class Received:
    """What all clients of a round have received."""

    def __init__(self) -> None:
        self.counting = False
        self.latency = array("d")
        self.anchor = 0.0
        """Seconds from the system-wide monotonic clock to the server's clock."""


class LightClient(asyncio.Protocol):
    """One client. `ready` is done when the first pose is there."""

    def __init__(self, request: bytes, received: Received) -> None:
        self.messages = 0
        self.poses = 0
        self.over = asyncio.Event()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self._request, self._received = request, received
        self._buffered = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()
        self._fail("the server closed the connection")

    def data_received(self, data: bytes) -> None:
        received = time.perf_counter()
        if self._buffered or not self._open:
            data = self._buffered + data
            self._buffered = b""
        if not self._open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._buffered = head
                return
            self._open = True
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self._fail(head.split(b"\r\n", 1)[0].decode("latin-1"))
        self._frames(data, received)

    def _frames(self, data: bytes, received: float) -> None:
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = data[at + 2] << 8 | data[at + 3], at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if size - start < length:
                break
            opcode = data[at] & 0xF
            if opcode == _BINARY:
                self._pose(data, start, received)
            elif opcode >= _CLOSE:
                self._control(opcode, data[start : start + length])
            at = start + length
        self._buffered = data[at:]

    def _pose(self, data: bytes, start: int, received: float) -> None:
        self.messages += 1
        if self._received.counting:
            self.poses += 1
            self._received.latency.append(received + self._received.anchor - _T.unpack_from(data, start + _T_OFFSET)[0])
        elif not self.ready.done():
            self.ready.set_result(None)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING and self.transport is not None:
            # A mask of zeros leaves the payload as it is.
            self.transport.write(bytes((0x8A, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    def _fail(self, reason: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(BenchError(f"a client could not connect: {reason}"))


def generate_load(channel: Channel, request: Message) -> None:
    """Run many clients; commands: connect, measure, disconnect, stall, usage."""
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        generator = LoadGenerator(runner, channel)
        channel.serve(
            {
                "connect": generator.connect,
                "measure": generator.measure,
                "disconnect": generator.disconnect,
                "stall": generator.stall,
                "usage": lambda _: usage(),
            }
        )
        generator.disconnect({})


class LoadGenerator:
    """The clients, and a method per command; between two commands the event loop does not run."""

    def __init__(self, runner: asyncio.Runner, channel: Channel) -> None:
        self._runner, self._channel = runner, channel
        self._received = Received()
        self._clients: list[LightClient] = []
        self._stalled: socket.socket | None = None

    def connect(self, arguments: Message) -> Message:
        """Open `clients` connections to `url` and wait for the first pose of each."""
        self._received = Received()
        self._received.anchor = arguments["anchor"]
        try:
            self._runner.run(self._connect(arguments["url"], arguments["clients"], arguments.get("max_rate")))
        except (OSError, TimeoutError) as error:
            got = len(self._clients)
            raise BenchError(
                f"{arguments['clients']} clients: the server took {got} ({error or 'no pose came'})"
            ) from None
        return {"connected": len(self._clients)}

    def measure(self, arguments: Message) -> Message:
        """Count for `seconds` what each client gets, and how old it is. Answers `begun` when counting begins."""
        seconds, used = self._runner.run(self._count(arguments["seconds"]))
        poses = sorted(client.poses for client in self._clients)
        latency = Times.of(self._received.latency)
        for client in self._clients:
            client.poses = 0
        del self._received.latency[:]
        return {
            "seconds": seconds,
            "poses": poses,
            "cpu_percent": used,
            "lost": sum(client.over.is_set() for client in self._clients),
            "latency": asdict(latency),
        }

    def disconnect(self, _: Message) -> Message:
        """Close every connection."""
        self._runner.run(self._disconnect())
        self._clients = []
        if self._stalled is not None:
            self._stalled.close()
            self._stalled = None
        return {"disconnected": True}

    def stall(self, arguments: Message) -> Message:
        """Connect one more client to `url`, which never reads; JSON and a small buffer fill it soon."""
        parts = urlsplit(arguments["url"])
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((parts.hostname, parts.port))
        sock.sendall(handshake(arguments["url"], "myocast.v1.json", None))
        self._stalled = sock
        return {"stalled": True}

    async def _connect(self, url: str, count: int, max_rate: float | None) -> None:
        parts = urlsplit(url)
        request = handshake(url, "myocast.v1.binary", max_rate)
        loop = asyncio.get_running_loop()

        async def one() -> LightClient:
            _, client = await loop.create_connection(
                lambda: LightClient(request, self._received), parts.hostname or "", parts.port or 0
            )
            await client.ready
            return client

        async with asyncio.timeout(OPEN_TIMEOUT_S + count / AT_ONCE):
            while len(self._clients) < count:
                more = min(AT_ONCE, count - len(self._clients))
                self._clients += await asyncio.gather(*(one() for _ in range(more)))

    async def _count(self, seconds: float) -> tuple[float, float]:
        await asyncio.sleep(SETTLE_S)
        self._channel.send(begun=True)
        before = usage()
        self._received.counting = True
        await asyncio.sleep(seconds)
        self._received.counting = False
        after = usage()
        return after["at"] - before["at"], cpu_percent(before, after)

    async def _disconnect(self) -> None:
        for client in self._clients:
            if client.transport is not None:
                client.transport.abort()
        await asyncio.gather(*(client.over.wait() for client in self._clients))


def handshake(url: str, subprotocol: str, max_rate: float | None) -> bytes:
    """The upgrade request of a client that checks nothing, so its key may be any."""
    query = "" if max_rate is None else f"?max_rate={max_rate:g}"
    lines = (
        f"GET /v1/stream{query} HTTP/1.1", f"Host: {urlsplit(url).netloc}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: bXlvY2FzdCBiZW5jaCE+Pg==", "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {subprotocol}",
    )  # fmt: skip
    return "\r\n".join((*lines, "", "")).encode()
