"""Labels from Hand Tracking Streamer, an app for Quest headsets, over UDP or TCP (`hts[:PORT]`).

The app sends to this machine: UDP over the network, or TCP, also through the cable (`adb reverse`). Both are listened
to. One port for both where one is named; without, those that the app has by default.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from drivers.clock import Clock, now
from drivers.errors import DriverError
from drivers.transport.asyncio_utils import cancel_and_wait
from service.labels.hts.protocol import LONGEST_LINE, HtsProtocolError, parse_line
from service.labels.source import EmitHand, LabelSource, SeenHand
from service.labels.source_clock import SourceClock

log = logging.getLogger("myocast")

HOST: Final = "127.0.0.1"
UDP_PORT: Final = 9000
TCP_PORT: Final = 8000
"""Ports to which the app sends by default."""
LARGEST_PORT: Final = 65535
FREE_PORT_TRIES: Final = 20
"""Ports free for TCP that are tried for UDP, too."""


def from_target(target: str) -> HtsLabels:
    """The source of `hts`, `hts:PORT` or `hts:HOST:PORT`.

    Raises:
        DriverError: it is none of these.
    """
    if not target:
        return HtsLabels(HOST, UDP_PORT, TCP_PORT)
    host, _, port = target.rpartition(":")
    if not port.isdecimal() or int(port) > LARGEST_PORT:
        raise DriverError(f"--labels hts:{target}: expected a port, like hts:9000, or hts:0 for a free one")
    return HtsLabels(host.strip("[]") or HOST, int(port), int(port))


class HtsLabels:
    """Listens for the lines of one headset.

    Args:
        host: address to listen on.
        udp_port: 0 takes a free one.
        tcp_port: the same; where both are 0, one port serves both.
    """

    name = "hts"

    def __init__(self, host: str, udp_port: int, tcp_port: int, clock: Clock = now) -> None:
        self._host, self._udp_port, self._tcp_port, self._clock = host, udp_port, tcp_port, clock
        self._emit: EmitHand | None = None
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._strange = 0

    @property
    def address(self) -> str:
        return f"udp://{self._host}:{self._udp_port} and tcp://{self._host}:{self._tcp_port}"

    async def __aenter__(self) -> LabelSource:
        for left in reversed(range(FREE_PORT_TRIES if self._udp_port == 0 else 1)):
            try:
                await self._open()
                return self
            except (OSError, OverflowError) as error:
                await self.__aexit__()
                if not left:
                    raise DriverError(
                        f"--labels hts: {self.address} cannot be listened on "
                        f"({getattr(error, 'strerror', None) or error}); choose another port, or 0 for a free one"
                    ) from None
        raise AssertionError("unreachable")

    async def __aexit__(self, *_: object) -> None:
        if self._datagrams is not None:
            self._datagrams.close()
        if self._server is not None:
            self._server.close()
            await cancel_and_wait(*self._clients)
            await self._server.wait_closed()
        self._server, self._datagrams = None, None

    def describe(self) -> dict[str, Any] | None:
        return None

    async def run(self, emit: EmitHand) -> None:
        self._emit = emit
        try:
            await asyncio.Event().wait()
        finally:
            self._emit = None

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._on_client, self._host, self._tcp_port, limit=LONGEST_LINE)
        tcp_port = self._server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        udp_port = self._udp_port or tcp_port
        self._datagrams, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(self._host, udp_port)
        )
        self._tcp_port, self._udp_port = tcp_port, udp_port

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        clock = SourceClock()
        try:
            while line := await reader.readline():
                self.take(line, clock)
        except (ValueError, OSError):
            # A line without an end, or a headset that went away: it connects again.
            return
        finally:
            self._clients.discard(task)
            writer.close()

    def take(self, data: bytes, clock: SourceClock) -> None:
        """Take one or several lines."""
        arrival, emit = self._clock(), self._emit
        for line in data.decode("utf-8", "replace").splitlines():
            try:
                hand = parse_line(line)
            except HtsProtocolError as error:
                self._on_strange(error)
                continue
            if hand is not None and emit is not None:
                t = arrival if hand.source_s is None else clock.at(hand.source_s, arrival)
                emit(SeenHand(t, arrival, hand.side, hand.joints))

    def _on_strange(self, error: HtsProtocolError) -> None:
        """Log the first line that is not understood: another program may send here."""
        self._strange += 1
        if self._strange == 1:
            log.warning("labels: %s; such lines are left out", error)


class _Datagrams(asyncio.DatagramProtocol):
    """Hands datagrams on; a headset's clock goes on from one to the next."""

    def __init__(self, source: HtsLabels) -> None:
        self._source, self._clock = source, SourceClock()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._source.take(data, self._clock)
