"""Bytes over TCP and UDP: boards with Wi-Fi, and bridges from a serial port to the network."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from drivers.clock import Clock
from drivers.errors import DeviceLost, DriverError
from drivers.transport.byte_link import BytePort, Chunk

CONNECT_S: Final = 5.0
"""Seconds that a TCP connection may take to be made."""
RETRY_S: Final = 1.0
"""Seconds between attempts to connect to what does not answer."""
BUFFER_BYTES: Final = 1 << 20
"""Bytes of datagrams that may wait: minutes of EMG. Datagrams beyond are dropped and counted."""
_READ_BYTES: Final = 1 << 16
_CLOSE_S: Final = 0.5
_LARGEST_PORT: Final = 65_535


def address_of(text: str, expected: str) -> tuple[str, int]:
    """Split `HOST:PORT` or `[IPv6]:PORT`; the host may be empty.

    Args:
        text: what to split.
        expected: how it should look, for the message.

    Raises:
        DriverError: it is none.
    """
    host, colon, port = text.rstrip("/").rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= len(str(_LARGEST_PORT)) else 0
    if not colon or not 0 < number <= _LARGEST_PORT or (":" in host and not bracketed) or "/" in host:
        raise DriverError(f"{text!r} is no address; expected {expected}, with a port from 1 to {_LARGEST_PORT}")
    return (host[1:-1] if bracketed else host), number


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class TcpLink:
    """A TCP connection that this computer makes.

    Args:
        host: name or address.
        port: 1 to 65535.
        clock: Unix seconds.
    """

    host: str
    port: int
    clock: Clock
    baud: None = None

    @property
    def name(self) -> str:
        """The address."""
        return _shown(self.host, self.port)

    async def open(self) -> TcpPort:
        """Connect. Raises DriverError where nothing answers."""
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(self.host, self.port)
        except TimeoutError:
            raise DriverError(f"{self.name} does not answer; check that the board is on, and its address") from None
        except OSError as error:
            raise DriverError(self._problem(error)) from None
        return TcpPort(self.name, reader, writer, self.clock)

    async def returns(self, answers: Callable[[BytePort], Awaitable[None]]) -> None:
        """Connect again and again until the board behind the address answers."""
        while True:
            with suppress(DriverError):
                port = await self.open()
                try:
                    return await answers(port)
                finally:
                    await port.close()
            await asyncio.sleep(RETRY_S)

    def _problem(self, error: OSError) -> str:
        if isinstance(error, socket.gaierror):
            return f"there is no computer {self.host!r} on this network; check the name, or give its address"
        if error.errno == errno.ECONNREFUSED:
            return f"nothing listens at {self.name}; start the board's server there, or check its port"
        return f"{self.name} cannot be reached ({_reason(error)}); check its address, and that you are on its network"


class TcpPort:
    """A connection as a `BytePort`."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clock: Clock) -> None:
        self._name, self._reader, self._writer, self._clock = name, reader, writer, clock

    async def read(self) -> list[Chunk]:
        """Wait for bytes."""
        try:
            data = await self._reader.read(_READ_BYTES)
        except OSError as error:
            raise DeviceLost(f"the connection to {self._name} is lost ({_reason(error)})") from None
        if not data:
            raise DeviceLost(f"{self._name} has closed the connection")
        return [(data, self._clock())]

    def write(self, data: bytes) -> None:
        """Send as soon as possible."""
        self._writer.write(data)

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()


@dataclass(frozen=True, slots=True)
class UdpLink:
    """A UDP port of this computer that a board sends to.

    Args:
        host: which of this computer's addresses; "" for all.
        port: 1 to 65535.
        clock: Unix seconds.
    """

    host: str
    port: int
    clock: Clock
    baud: None = None

    @property
    def name(self) -> str:
        """The port."""
        return f"UDP port {self.port}" if not self.host else f"UDP {_shown(self.host, self.port)}"

    async def open(self) -> UdpPort:
        """Take the port. Raises DriverError where it is in use, or is none of this computer's."""
        loop = asyncio.get_running_loop()
        try:
            _, port = await loop.create_datagram_endpoint(
                lambda: UdpPort(self.clock), local_addr=(self.host or "0.0.0.0", self.port)
            )
        except OSError as error:
            raise DriverError(self._problem(error)) from None
        return port

    async def returns(self, answers: Callable[[BytePort], Awaitable[None]]) -> None:
        """Wait until a datagram comes."""
        while True:
            with suppress(DriverError):
                port = await self.open()
                try:
                    return await answers(port)
                finally:
                    await port.close()
            await asyncio.sleep(RETRY_S)

    def _problem(self, error: OSError) -> str:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            return f"{self.host!r} is no address of this computer; leave it out to listen on all: udp://:{self.port}"
        if error.errno == errno.EADDRINUSE:
            return f"{self.name} is in use by another program; close it, or let the board send to another port"
        return f"{self.name} cannot be listened on ({_reason(error)}); choose another port"


class UdpPort(asyncio.DatagramProtocol):
    """Datagrams of one sender, each with whole lines, as a `BytePort`.

    The first sender is the board until the port is closed; what others send is left out and counted, since lines of
    two boards would be mixed.
    """

    def __init__(self, clock: Clock) -> None:
        self.dropped = 0
        """Bytes that arrived while the event loop was blocked for too long."""
        self.strangers: dict[str, int] = {}
        """Datagrams left out, by who sent them; of the first sixteen."""
        self._clock = clock
        self._sender: tuple[str, int] | None = None
        self._waiting: list[Chunk] = []
        self._size = 0
        self._not_empty = asyncio.Event()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take a datagram of the first sender; its last line ends with it."""
        sender = addr[0], addr[1]
        if self._sender is None:
            self._sender = sender
        if sender != self._sender:
            self._count(_shown(*sender))
            return
        if self._size + len(data) > BUFFER_BYTES:
            self.dropped += len(data)
            return
        self._waiting.append((data if data.endswith((b"\n", b"\r")) else data + b"\n", self._clock()))
        self._size += len(data)
        self._not_empty.set()

    def error_received(self, exc: Exception) -> None:
        """Ignore what the network says of datagrams that were sent: none are."""

    async def read(self) -> list[Chunk]:
        """Wait for a datagram; return all that came since the last call."""
        while not self._waiting:
            self._not_empty.clear()
            await self._not_empty.wait()
        chunks, self._waiting, self._size = self._waiting, [], 0
        return chunks

    def write(self, data: bytes) -> None:
        """Send nothing: the board sends unasked."""

    async def close(self) -> None:
        """Give the port back."""
        if self._transport is not None:
            self._transport.close()
            # The socket is closed by a callback of the loop's next pass.
            await asyncio.sleep(0)

    def _count(self, sender: str) -> None:
        if sender in self.strangers or len(self.strangers) < 16:
            self.strangers[sender] = self.strangers.get(sender, 0) + 1


def _reason(error: OSError) -> str:
    # Where several addresses were tried, asyncio joins what each of them said into one text.
    return (os.strerror(error.errno) if error.errno else str(error)) or type(error).__name__
