"""One connection to a broker, and its errors in one line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import nats.errors
from nats.aio.client import Client

from drivers.errors import DeviceLost, DriverError, connection_error
from drivers.nats.address import NatsAddress

CONNECT_S: Final = 3
"""Seconds that the connection may take."""
PING_S: Final = 2
"""Seconds between two pings of the broker; after two without an answer the connection counts as lost."""


async def connect(address: NatsAddress, lost: Callable[[], None], *, before: bool) -> Client:
    """Connect once; whoever called makes the connection anew when it is lost.

    Args:
        lost: is called once the connection has ended.
        before: whether it was connected before, so that a failure is one to try again after.

    Raises:
        DriverError: the broker refuses, or nothing answers there (`DeviceLost` where it was connected before).
    """
    client = Client()

    async def closed() -> None:
        lost()

    async def quiet(_: Exception) -> None:
        """Errors of the connection end it, which `closed` tells."""

    try:
        async with asyncio.timeout(CONNECT_S):
            await client.connect(
                address.server,
                name="myocast",
                user=address.user if address.password is not None else None,
                password=address.password,
                token=address.user if address.password is None else None,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_S,
                ping_interval=PING_S,
                max_outstanding_pings=2,
                error_cb=quiet,
                disconnected_cb=closed,
                closed_cb=closed,
            )
    except nats.errors.Error as error:
        await _drop(client)
        if "authorization" in str(error).lower():
            raise DriverError(
                f"{address.server} refuses user, password or token; give nats://USER:PASSWORD@{address.host} or "
                f"nats://TOKEN@{address.host}"
            ) from None
        raise connection_error(_unanswered(address), connected_before=before) from None
    except (OSError, TimeoutError):
        await _drop(client)
        raise connection_error(_unanswered(address), connected_before=before) from None
    return client


async def close(client: Client) -> None:
    """Send what is written and close."""
    try:
        async with asyncio.timeout(CONNECT_S):
            if client.is_connected:
                await client.flush()
            await client.close()
    except (nats.errors.Error, OSError, TimeoutError):
        return


async def until_lost(lost: asyncio.Event, address: NatsAddress) -> None:
    """Wait for the end of the connection, and raise DeviceLost."""
    await lost.wait()
    raise DeviceLost(f"{address.server}: the connection to the broker is lost")


async def answered(call: Awaitable[object]) -> bool:
    """Wait for a call; return whether it came through. JetStream may be off, or refuse us."""
    try:
        await call
    except (nats.errors.Error, TimeoutError):
        return False
    return True


def _unanswered(address: NatsAddress) -> str:
    return f"{address.server}: no broker answers; start one with `nats-server -js`, or give another address"


async def _drop(client: Client) -> None:
    try:
        await client.close()
    except (nats.errors.Error, OSError):
        return
