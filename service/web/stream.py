"""`WS /v1/stream`: one client's conversation, from its handshake to its goodbye."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from drivers.clock import Clock, now
from service.broadcast import messages
from service.broadcast.hub import Client, Forward, Hub, Message, Write, pump
from service.broadcast.messages import Encoding, InvalidMessage, Ping, Subscription, SubscriptionError
from service.devices.status_publisher import StatusPublisher
from service.web.access import AccessDenied, query_value, refuse
from service.web.uvicorn_adapter import WRITE

BAD_MESSAGES: Final = 10
MAX_CLIENTS: Final = 4096


class StreamEndpoint:
    """An ASGI application. The gate has checked Host, Origin and token already."""

    def __init__(
        self, hub: Hub, announcer: StatusPublisher, *, max_clients: int = MAX_CLIENTS, clock: Clock = now
    ) -> None:
        self._hub, self._announcer, self._max_clients, self._clock = hub, announcer, max_clients, clock
        self._goodbye: str | None = None
        self._conversations: dict[asyncio.Future[tuple[int, str]], asyncio.Future[None]] = {}
        """Each conversation, and when its client has been told why it ended."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            wish, encoding, subprotocol = negotiate(scope)
        except SubscriptionError as error:
            await refuse(AccessDenied(400, "bad_request", str(error)), scope, send)
            return
        await receive()
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        if self._goodbye is not None or len(self._hub.clients) >= self._max_clients:
            full = self._goodbye is None
            await _close(send, 1013 if full else 1001, "too many clients" if full else str(self._goodbye))
            return
        with self._hub.connected(wish, encoding) as client:
            await self._converse(client, receive, send, scope["extensions"].get(WRITE))

    async def close_all(self, reason: str) -> None:
        """Say goodbye to everyone; new clients are turned away. Bounded in time whatever clients do."""
        self._goodbye = reason
        for conversation in list(self._conversations):
            conversation.cancel(reason)
        if self._conversations:
            await asyncio.wait(list(self._conversations.values()), timeout=0.5)

    async def _converse(self, client: Client, receive: Receive, send: Send, write: Write | None) -> None:
        async def forward(message: Message) -> None:
            await send({"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message})

        # A fresh client's slots are empty until here, so hello is always first.
        await forward(self._announcer.hello(client))
        client.write = write
        self._greet(client)
        pumping = asyncio.ensure_future(pump(client, forward))
        listening = asyncio.ensure_future(self._listen(client, receive))
        conversation = asyncio.ensure_future(_first(pumping, listening))
        told = self._conversations[conversation] = asyncio.get_running_loop().create_future()
        try:
            try:
                code, reason = await self._ending(conversation)
            finally:
                await _end(pumping, listening)
            if code:
                with contextlib.suppress(OSError, TimeoutError):
                    await asyncio.wait_for(_leave(client, forward, send, code, reason), 0.3)
        finally:
            del self._conversations[conversation]
            told.set_result(None)

    async def _ending(self, conversation: asyncio.Future[tuple[int, str]]) -> tuple[int, str]:
        """How a conversation ended: by itself, or because the server stops."""
        try:
            return await conversation
        except asyncio.CancelledError:
            if self._goodbye is None:
                raise
            return 1001, self._goodbye

    async def _listen(self, client: Client, receive: Receive) -> tuple[int, str]:
        """Answer the client until it leaves (code 0) or must go."""
        bad_in_a_row = 0
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return 0, ""
            text = message.get("text")
            asked = messages.parse_client(text if text is not None else message.get("bytes") or b"")
            bad_in_a_row = bad_in_a_row + 1 if isinstance(asked, InvalidMessage) else 0
            self._answer(client, asked)
            if bad_in_a_row >= BAD_MESSAGES:
                return 1008, f"{BAD_MESSAGES} bad messages in a row"

    def _answer(self, client: Client, asked: Ping | Subscription | InvalidMessage) -> None:
        if isinstance(asked, Ping):
            client.put(messages.pong(asked.id, self._clock()).decode())
        elif isinstance(asked, InvalidMessage):
            client.put(messages.error_message(asked).decode())
        else:
            self._hub.resubscribe(client, asked)
            client.put(self._announcer.hello(client))
            self._greet(client)

    def _greet(self, client: Client) -> None:
        if client.wants("status"):
            for status in self._announcer.statuses(client):
                client.put(status)


class NoSuchStream:
    """An ASGI application that refuses WebSockets at any other address."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = AccessDenied(404, "not_found", f"no stream at {scope['path']}; it is at /v1/stream")
        await refuse(refusal, scope, send)


def negotiate(scope: Mapping[str, Any]) -> tuple[Subscription, Encoding, str | None]:
    """What a handshake asks for: subscription, encoding, and the subprotocol to answer with.

    Raises:
        SubscriptionError: an unknown stream, a bad `max_rate`, or only unknown subprotocols offered.
    """
    offered = [name for name in scope["subprotocols"] if name]
    subprotocol = next((name for name in offered if name in messages.SUBPROTOCOLS), None)
    if offered and subprotocol is None:
        raise SubscriptionError(
            f"unknown subprotocol {', '.join(offered)}; expected {' or '.join(messages.SUBPROTOCOLS)}"
        )
    streams, max_rate = query_value(scope, "streams"), query_value(scope, "max_rate")
    wish = messages.subscription(
        None if streams is None else streams.split(","), None if max_rate is None else _number(max_rate)
    )
    return wish, messages.SUBPROTOCOLS[subprotocol] if subprotocol else "json", subprotocol


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


async def _first(*tasks: asyncio.Future[Any]) -> tuple[int, str]:
    """The result of the task that ends first. A failed send is a client that left."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        error = task.exception()
        if error is None:
            result: tuple[int, str] = task.result()
            return result
        if not isinstance(error, OSError):
            raise error
    return 0, ""


async def _end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait for them.

    Not in `_first`: a server that stops may cancel that before its first step, or a second time while it waits.
    """
    for task in tasks:
        task.add_done_callback(_look)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _look(task: asyncio.Future[Any]) -> None:
    """Take notice of how a task ended, so that asyncio does not complain that nobody has."""
    if not task.cancelled():
        task.exception()


async def _leave(client: Client, forward: Forward, send: Send, code: int, reason: str) -> None:
    """What is still waiting (the answers to bad messages), then the close."""
    while (item := client.take()) is not None:
        await forward(item[0])
    await _close(send, code, reason)


async def _close(send: Send, code: int, reason: str) -> None:
    if code == 1001 or code == 1013:
        await send({"type": "websocket.send", "text": messages.bye(reason).decode()})
    await send({"type": "websocket.close", "code": code, "reason": reason})
