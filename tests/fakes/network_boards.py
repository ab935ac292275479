"""Boards on the network of this machine: one that listens for a TCP connection, and one that sends datagrams."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from drivers.clock import Clock


class NetworkBoard:
    """Sends line after line at a rate of `clock`; subclasses say how a line is sent."""

    def __init__(self, lines: Sequence[bytes], rate_hz: float, clock: Clock, time_scale: float) -> None:
        self.lines = lines
        self.at = 0
        self.port = 0
        self.sending = True
        self._period, self._clock, self._time_scale = 1.0 / rate_hz, clock, time_scale
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.switch_on()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.switch_off()

    async def switch_on(self) -> None:
        """Appear on the network; the port stays the same."""
        self._task = asyncio.create_task(self._run())

    async def switch_off(self) -> None:
        """Vanish."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    def send(self, data: bytes) -> None:
        """Send now."""
        raise NotImplementedError

    async def _run(self) -> None:
        start, done = self._clock(), 0
        while True:
            await asyncio.sleep(max(self._period, 0.004) / self._time_scale)
            due = int((self._clock() - start) / self._period)
            if self.sending:
                for line in self.lines[self.at : self.at + due - done]:
                    self.send(line)
                self.at += due - done
            done = due


class TcpBoard(NetworkBoard):
    """A server that sends to whoever connects."""

    def __init__(self, lines: Sequence[bytes], rate_hz: float, clock: Clock, time_scale: float) -> None:
        super().__init__(lines, rate_hz, clock, time_scale)
        self.connections: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def switch_on(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]
        await super().switch_on()

    async def switch_off(self) -> None:
        await super().switch_off()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        connections, self.connections = self.connections, []
        for writer in connections:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def send(self, data: bytes) -> None:
        for writer in self.connections:
            writer.write(data)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        with suppress(OSError):
            await reader.read()
        if writer in self.connections:
            self.connections.remove(writer)
        writer.close()


class UdpBoard(NetworkBoard):
    """Sends each line in a datagram of its own to a port of this machine."""

    def __init__(self, lines: Sequence[bytes], rate_hz: float, clock: Clock, time_scale: float) -> None:
        super().__init__(lines, rate_hz, clock, time_scale)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def switch_on(self) -> None:
        if not self.port:
            self.port = free_udp_port()
        await super().switch_on()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        self._socket.close()

    def send(self, data: bytes) -> None:
        # Nobody listens yet: the system says so at the next datagram.
        with suppress(ConnectionError):
            self._socket.sendto(data, ("127.0.0.1", self.port))


def free_udp_port() -> int:
    """A UDP port that nothing uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
