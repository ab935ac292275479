"""How the bytes of a board reach this computer: a link that can be opened, and the open port.

There are links over a serial port (`serial_port`), TCP and UDP (`network`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Chunk = tuple[bytes, float]
"""Bytes and the time they arrived, Unix seconds."""


class BytePort(Protocol):
    """An open connection to a board. All methods belong to the thread of the event loop."""

    async def read(self) -> list[Chunk]:
        """Wait for bytes; return all that arrived since the last call. Raises DeviceLost when the port is gone."""
        ...

    def write(self, data: bytes) -> None:
        """Send as soon as possible. A failure shows as the loss of the port in `read`."""
        ...

    async def close(self) -> None:
        """Close within half a second. Raises nothing."""
        ...


class ByteLink(Protocol):
    """A way to a board."""

    @property
    def name(self) -> str:
        """A port or an address, for messages."""
        ...

    @property
    def baud(self) -> int | None:
        """Bits per second, of a serial port."""
        ...

    async def open(self) -> BytePort:
        """Open the link. Raises DriverError, with what to do, if that is not possible now."""
        ...

    async def returns(self, answers: Callable[[BytePort], Awaitable[None]]) -> None:
        """Wait until the link can be used again or, where it never went away, until `answers` returns.

        Args:
            answers: returns when the device on an open port has answered; a DriverError from it means another attempt.
        """
        ...


async def sends_something(port: BytePort) -> None:
    """Return when anything has come: enough, for a board that sends unasked, to count as an answer."""
    await port.read()
