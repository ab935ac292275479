"""`WS /v1/stream`: one client from its handshake to its close (docs/protocol.md#the-stream)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Final
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from drivers.clock import Clock, now
from drivers.transport.asyncio_utils import cancel_and_wait
from service.broadcast import messages
from service.broadcast.client import Client, Forward, Message, Write, pump
from service.broadcast.hub import Hub
from service.broadcast.labels import LabelError
from service.broadcast.messages import (
    BAD_LABEL,
    ClientMessage,
    Encoding,
    InvalidMessage,
    Ping,
    Subscription,
    SubscriptionError,
)
from service.devices.label_intake import LabelIntake
from service.devices.status_publisher import StatusPublisher
from service.limits import DEFAULT_LIMITS, Limits
from service.loopback import is_address, is_loopback
from service.token_bucket import TokenBucket
from service.web.access import Scope as AccessScope
from service.web.access import allows
from service.web.access_middleware import SCOPE
from service.web.errors import error_response
from service.web.token_guesses import network_of
from service.web.uvicorn_adapter import WRITE

MAX_INVALID: Final = 10
"""Invalid messages in a row after which a client is closed."""
TOO_MANY: Final = "too_many_messages"
"""Code of the error that a client gets which sends more messages than it may."""
IGNORED: Final = 1000
"""Messages beyond the limit that are ignored; with one more the client is closed. A message within it forgives one."""
ERROR_EVERY_S: Final = 1.0
"""Seconds between two errors about too many messages."""
LAST_MESSAGES_S: Final = 0.3
"""Seconds that a client gets to take what still waits for it before it is closed."""
CLOSE_ALL_S: Final = 0.5
"""Seconds that all clients together get when the server stops."""
TRY_AGAIN_LATER: Final = 1013
GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008

Ending = tuple[int, str]
"""Close code and reason."""
LEFT: Final[Ending] = (0, "")
"""The client has left, so that nothing need be sent."""


class StreamEndpoint:
    """An ASGI application for WebSockets. Host, Origin and token have been checked before."""

    def __init__(
        self, hub: Hub, status_publisher: StatusPublisher, *, limits: Limits = DEFAULT_LIMITS, clock: Clock = now
    ) -> None:
        self._hub, self._status_publisher, self._limits, self._clock = hub, status_publisher, limits, clock
        self._of_address: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """Clients that were refused or closed because of a limit, by the limit."""
        self._labels = LabelIntake(lambda: status_publisher.devices, clock)
        self._stop_reason: str | None = None
        self._running: dict[asyncio.Task[Ending], asyncio.Future[None]] = {}
        """The task that serves each client, and a future that is done when its connection has been closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            subscription, encoding, subprotocol = negotiate(scope)
        except SubscriptionError as error:
            await error_response(400, str(error))(scope, receive, send)
            return
        address = network_of(tuple(scope.get("client") or ("", 0)))
        await receive()
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        if self._stop_reason is not None:
            await _close(send, GOING_AWAY, self._stop_reason)
        elif (limit := self._full(address)) is not None:
            self.refused[limit] += 1
            await _close(send, TRY_AGAIN_LATER, "too many clients")
        else:
            self._of_address[address] += 1
            try:
                with self._hub.connected(subscription, encoding) as client:
                    await self._serve(client, scope, receive, send)
            finally:
                self._of_address[address] -= 1
                if not self._of_address[address]:
                    del self._of_address[address]

    async def close_all(self, reason: str) -> None:
        """Close every client and refuse new ones. It takes at most `CLOSE_ALL_S`, whatever clients do."""
        self._stop_reason = reason
        for task in list(self._running):
            task.cancel(reason)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=CLOSE_ALL_S)

    def _full(self, address: str) -> str | None:
        """The limit that one client more would break, or None."""
        if len(self._hub.clients) >= self._limits.clients:
            return "clients"
        local = is_address(address) and is_loopback(address)
        if not local and self._of_address[address] >= self._limits.clients_per_address:
            return "clients_per_address"
        return None

    async def _serve(self, client: Client, scope: Scope, receive: Receive, send: Send) -> None:
        write: Write | None = scope["extensions"].get(WRITE)

        async def forward(message: Message) -> None:
            await send({"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message})

        # Nothing can be in the new client's slots yet, so `hello` is always first.
        await forward(self._status_publisher.hello(client))
        client.write = write
        self._put_statuses(client)
        sending = asyncio.create_task(pump(client, forward))
        receiving = asyncio.create_task(self._receive_all(client, scope.get(SCOPE, "control"), receive))
        task = asyncio.create_task(_first_result(sending, receiving))
        closed = self._running[task] = asyncio.get_running_loop().create_future()
        try:
            try:
                code, reason = await self._ending(task)
            finally:
                await _end(sending, receiving)
            if code:
                with contextlib.suppress(OSError, TimeoutError):
                    await asyncio.wait_for(_flush_and_close(client, forward, send, code, reason), LAST_MESSAGES_S)
        finally:
            del self._running[task]
            closed.set_result(None)

    async def _ending(self, task: asyncio.Task[Ending]) -> Ending:
        """How a connection ends: by itself, or because the server stops."""
        try:
            return await task
        except asyncio.CancelledError:
            if self._stop_reason is None:
                raise
            return GOING_AWAY, self._stop_reason

    async def _receive_all(self, client: Client, held: AccessScope, receive: Receive) -> Ending:
        """Answer the client's messages until it leaves or must be closed. `held` is what its token allows."""
        invalid_in_a_row = ignored = 0
        told = -ERROR_EVERY_S
        time = asyncio.get_running_loop().time
        bucket = TokenBucket(self._limits.messages_per_s, self._limits.message_burst, time())
        while True:
            event = await receive()
            if event["type"] != "websocket.receive":
                return LEFT
            if not bucket.take(time()):
                ignored += 1
                if time() - told >= ERROR_EVERY_S:
                    told = time()
                    client.put(messages.error_message(self._too_many()).decode())
                if ignored > IGNORED:
                    self.refused["messages_per_s"] += 1
                    return POLICY_VIOLATION, "too many messages"
                await asyncio.sleep(0)
                continue
            ignored = max(0, ignored - 1)
            text = event.get("text")
            message = messages.parse_client(text if text is not None else event.get("bytes") or b"")
            if not isinstance(message, InvalidMessage):
                invalid_in_a_row = 0
            elif message.code != BAD_LABEL:
                # A camera that loses the hand sends wrong labels for a while; that is no reason to end its stream.
                invalid_in_a_row += 1
            self._answer(client, held, message)
            # Messages that came together are read without a pause in between; poses and other clients go first.
            await asyncio.sleep(0)
            if invalid_in_a_row >= MAX_INVALID:
                return POLICY_VIOLATION, f"{MAX_INVALID} bad messages in a row"

    def _too_many(self) -> InvalidMessage:
        text = f"more than {self._limits.messages_per_s:g} messages a second; those beyond are ignored"
        return InvalidMessage(TOO_MANY, text)

    def _answer(self, client: Client, held: AccessScope, message: ClientMessage) -> None:
        match message:
            case Ping():
                client.put(messages.pong(message.id, self._clock()).decode())
            case InvalidMessage():
                client.put(messages.error_message(message).decode())
            case Subscription():
                self._hub.resubscribe(client, message)
                client.put(self._status_publisher.hello(client))
                self._put_statuses(client)
            case _ if not allows(held, "label"):
                refusal = InvalidMessage("forbidden", "this token allows to watch only; use one that may send labels")
                client.put(messages.error_message(refusal).decode())
            case _:
                try:
                    self._labels.take(message)
                except LabelError as error:
                    client.put(messages.error_message(InvalidMessage(BAD_LABEL, str(error))).decode())

    def _put_statuses(self, client: Client) -> None:
        if client.wants("status"):
            for status in self._status_publisher.statuses(client):
                client.put(status)


class NoSuchStream:
    """An ASGI application that refuses WebSockets at any other address."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = error_response(404, f"no stream at {scope['path']}; it is at /v1/stream")
        await response(scope, receive, send)


def negotiate(scope: Scope) -> tuple[Subscription, Encoding, str | None]:
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
    subscription = messages.subscription(
        None if streams is None else streams.split(","), None if max_rate is None else _number(max_rate)
    )
    return subscription, messages.SUBPROTOCOLS[subprotocol] if subprotocol else "json", subprotocol


def query_value(scope: Scope, name: str) -> str | None:
    """The last value of a query parameter, or None."""
    values = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get(name)
    return values[-1] if values else None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


async def _first_result(*tasks: asyncio.Task[Ending | None]) -> Ending:
    """The result of the task that is done first. A send that failed is a client that has left."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        error = task.exception()
        if error is None:
            return task.result() or LEFT
        if not isinstance(error, OSError):
            raise error
    return LEFT


async def _end(*tasks: asyncio.Task[object]) -> None:
    """Cancel tasks and wait for them; their exceptions count as retrieved even if the wait is cancelled.

    `_first_result` cannot do it: a server that stops may cancel it before its first step, or again while it waits.
    """
    for task in tasks:
        task.add_done_callback(_retrieve_exception)
    await cancel_and_wait(*tasks)


def _retrieve_exception(task: asyncio.Future[object]) -> None:
    """Mark a task's exception as retrieved, for asyncio logs those that nobody has looked at."""
    if not task.cancelled():
        task.exception()


async def _flush_and_close(client: Client, forward: Forward, send: Send, code: int, reason: str) -> None:
    """Send what still waits, such as the answers to invalid messages, and close the connection."""
    while (item := client.take()) is not None:
        await forward(item[0])
    await _close(send, code, reason)


async def _close(send: Send, code: int, reason: str) -> None:
    if code in (GOING_AWAY, TRY_AGAIN_LATER):
        await send({"type": "websocket.send", "text": messages.bye(reason).decode()})
    await send({"type": "websocket.close", "code": code, "reason": reason})
