"""The client process of the fan-out runs: many clients at the price of few.

Each is an asyncio protocol that speaks just enough WebSocket (RFC 6455): it shakes hands, answers pings,
counts binary messages and looks at their time. So one process can stand for a thousand programs.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from array import array
from dataclasses import asdict
from typing import Any, Final, cast
from urllib.parse import urlsplit

from service.bench.processes.worker_process import BenchError, Line, percent, usage
from service.bench.report.statistics import Times
from service.event_loop import loop_factory
from service.web.listener import raise_descriptor_limit

AT_ONCE: Final = 50
OPEN_TIMEOUT_S: Final = 120.0
SETTLE_S: Final = 0.3
_T: Final = struct.Struct("<d")
_T_OFFSET: Final = 16
_BINARY, _CLOSE, _PING = 0x2, 0x8, 0x9


class Tally:
    """What all clients of a round have seen."""

    def __init__(self) -> None:
        self.counting = False
        self.latency = array("d")
        self.anchor = 0.0
        """Seconds from the system-wide monotonic clock to the server's clock."""


class LightClient(asyncio.Protocol):
    """One client. `ready` is done when the first pose is there."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self.messages = 0
        self.poses = 0
        self.over = asyncio.Event()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self._request, self._tally = request, tally
        self._rest = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()
        self._refuse("the server closed the connection")

    def data_received(self, data: bytes) -> None:
        received = time.perf_counter()
        if self._rest or not self._open:
            data = self._rest + data
            self._rest = b""
        if not self._open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._open = True
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self._refuse(head.split(b"\r\n", 1)[0].decode("latin-1"))
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
        self._rest = data[at:]

    def _pose(self, data: bytes, start: int, received: float) -> None:
        self.messages += 1
        if self._tally.counting:
            self.poses += 1
            self._tally.latency.append(received + self._tally.anchor - _T.unpack_from(data, start + _T_OFFSET)[0])
        elif not self.ready.done():
            self.ready.set_result(None)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING and self.transport is not None:
            # A mask of zeros leaves the payload as it is.
            self.transport.write(bytes((0x8A, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    def _refuse(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(BenchError(f"a client could not connect: {why}"))


def crowd(line: Line, request: dict[str, Any]) -> None:
    """Rounds of clients, as ordered: connect, measure, leave, stall, usage."""
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        rounds = Rounds(runner, line)
        line.obey(
            {
                "connect": rounds.connect, "measure": rounds.measure, "leave": rounds.leave, "stall": rounds.stall,
                "usage": lambda _: usage(),
            }
        )  # fmt: skip
        rounds.leave({})


class Rounds:
    """The orders of a crowd, one at a time; between two orders nothing runs."""

    def __init__(self, runner: asyncio.Runner, line: Line) -> None:
        self._runner, self._line = runner, line
        self._tally = Tally()
        self._clients: list[LightClient] = []
        self._stalled: socket.socket | None = None

    def connect(self, order: dict[str, Any]) -> dict[str, Any]:
        """`clients` connections to `url`; when each has its first pose, the round can begin."""
        self._tally = Tally()
        self._tally.anchor = order["anchor"]
        try:
            self._runner.run(self._connect(order["url"], order["clients"], order.get("max_rate")))
        except (OSError, TimeoutError) as error:
            got = len(self._clients)
            raise BenchError(f"{order['clients']} clients: the server took {got} ({error or 'no pose came'})") from None
        return {"connected": len(self._clients)}

    def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        """Count for `seconds`; what each client got, and how old it was. Answers `begun` when counting begins."""
        seconds, cpu_percent = self._runner.run(self._count(order["seconds"]))
        poses = sorted(client.poses for client in self._clients)
        latency = Times.of(self._tally.latency)
        for client in self._clients:
            client.poses = 0
        del self._tally.latency[:]
        return {
            "seconds": seconds,
            "poses": poses,
            "cpu_percent": cpu_percent,
            "lost": sum(client.over.is_set() for client in self._clients),
            "latency": asdict(latency),
        }

    def leave(self, _: dict[str, Any]) -> dict[str, Any]:
        self._runner.run(self._leave())
        self._clients = []
        if self._stalled is not None:
            self._stalled.close()
            self._stalled = None
        return {"left": True}

    def stall(self, order: dict[str, Any]) -> dict[str, Any]:
        """One more client of `url`, which never reads; JSON, and a small buffer, so that it is full soon."""
        parts = urlsplit(order["url"])
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((parts.hostname, parts.port))
        sock.sendall(handshake(order["url"], "myocast.v1.json", None))
        self._stalled = sock
        return {"stalled": True}

    async def _connect(self, url: str, count: int, max_rate: float | None) -> None:
        parts = urlsplit(url)
        request = handshake(url, "myocast.v1.binary", max_rate)
        loop = asyncio.get_running_loop()

        async def one() -> LightClient:
            _, client = await loop.create_connection(
                lambda: LightClient(request, self._tally), parts.hostname or "", parts.port or 0
            )
            await client.ready
            return client

        async with asyncio.timeout(OPEN_TIMEOUT_S + count / AT_ONCE):
            while len(self._clients) < count:
                more = min(AT_ONCE, count - len(self._clients))
                self._clients += await asyncio.gather(*(one() for _ in range(more)))

    async def _count(self, seconds: float) -> tuple[float, float]:
        # What came between two orders, while nobody read, is no part of it.
        await asyncio.sleep(SETTLE_S)
        self._line.send(begun=True)
        before = usage()
        self._tally.counting = True
        await asyncio.sleep(seconds)
        self._tally.counting = False
        after = usage()
        return after["at"] - before["at"], percent(before, after)

    async def _leave(self) -> None:
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
