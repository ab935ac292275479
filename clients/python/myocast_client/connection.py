"""One WebSocket to the stream: opened, greeted, and read without a task in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as _connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.typing import Subprotocol

from myocast_client.errors import ClientError, Unreachable, handshake_error

Encoding = Literal["binary", "json"]
Take = Callable[[bytes | str], None]


class Connection(ClientConnection):
    """Hands whole messages over as they are read, without a task that first has to wake.

    What is left to `recv` are messages in fragments, texts that are none, and the end.
    """

    def __init__(self, *args: Any, take: Take, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.first: asyncio.Future[bytes | str] = self.loop.create_future()
        self.failure: Exception | None = None
        """What `take` raised; it ended the connection."""
        self.silent = False
        """Whether this side gave the connection up because the server no longer answered."""
        self._take = take

    def process_event(self, event: Event) -> None:
        """Take a whole message at once; leave the rest to `recv`."""
        message = _whole(event)
        if message is None:
            super().process_event(event)
        elif self.failure is None:
            try:
                self._take(message)
            except Exception as error:
                self.failure = error
                self.transport.abort()
            if not self.first.done():
                self.first.set_result(message)


def _whole(event: Event) -> bytes | str | None:
    if not isinstance(event, Frame) or not event.fin:
        return None
    data = bytes(event.data)
    if event.opcode is Opcode.BINARY:
        return data
    try:
        return data.decode() if event.opcode is Opcode.TEXT else None
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True, slots=True)
class Dialer:
    """How connections to one server are made.

    Attributes:
        take: gets every message as it arrives, the hello first.
        timeout: seconds for a connection and its hello.
    """

    encoding: Encoding
    timeout: float
    take: Take

    async def dial(self, url: str, token: str | None) -> Connection:
        """Connect, and return once the hello has been taken.

        Raises:
            Unreachable: nothing answers there, or no Myocast.
            Refused: the server says no.
        """
        try:
            async with asyncio.timeout(self.timeout):
                connection = await _connect(
                    url,
                    subprotocols=[Subprotocol(f"myocast.v1.{self.encoding}")],
                    additional_headers={"Authorization": f"Bearer {token}"} if token else None,
                    compression=None, proxy=None, ping_interval=None, close_timeout=1.0, open_timeout=None,
                    create_connection=partial(Connection, take=self.take),  # type: ignore[arg-type]
                )  # fmt: skip
                return await _greeted(cast(Connection, connection))
        except InvalidStatus as error:
            raise handshake_error(error.response.status_code, error.response.body) from None
        except InvalidURI as error:
            raise ClientError(str(error)) from None
        except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
            reason = str(error) or "no answer in time"
            raise Unreachable(f"no Myocast stream at {url.partition('?')[0]}: {reason}") from None


async def _greeted(connection: Connection) -> Connection:
    closed = asyncio.ensure_future(connection.wait_closed())
    try:
        await asyncio.wait((connection.first, closed), return_when=asyncio.FIRST_COMPLETED)
        first = connection.first.result() if connection.first.done() else await connection.recv()
        if not isinstance(first, str) or '"hello"' not in first:
            raise Unreachable("the server there does not begin with a hello: it is not Myocast")
    except BaseException:
        connection.transport.abort()
        raise
    finally:
        closed.cancel()
    return connection
