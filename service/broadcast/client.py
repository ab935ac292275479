"""One subscriber of the stream: its subscription, and the messages that wait to be sent to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from service.broadcast.messages import Encoding, Subscription
from service.engine.pose import Pose
from service.events import Output

BACKLOG: Final = 64
"""Messages other than poses that wait for a slow client at most; the oldest is dropped first."""
Message = bytes | str
"""bytes are sent as a binary message, str as a text message."""
Write = Callable[[Message], bool]
"""Hands a message to the transport if it takes it at once; returns False and does nothing otherwise."""
Forward = Callable[[Message], Awaitable[None]]
"""Sends a message, waiting until the transport takes it."""


class Observer(Output, Protocol):
    """Watches the stream on its way to the clients. The benchmark has the only ones."""

    def on_encoded(self, pose: Pose) -> None:
        """A pose has become a message and goes to clients now; called once for each encoding in use."""
        ...

    def on_sent(self, client: Client, seq: int) -> None:
        """The transport of a client has taken the pose of this number."""
        ...


class Client:
    """One subscriber's slots. `take` and `wait` are for its sender, the rest for the hub.

    Args:
        number: counts the connections of this server from 0.
        observer: is called for every pose that the client's transport takes.
    """

    def __init__(
        self, subscription: Subscription, encoding: Encoding, number: int = 0, observer: Observer | None = None
    ) -> None:
        self.subscription = subscription
        self.encoding = encoding
        self.number = number
        self.dropped = 0
        """Messages that this client missed because it did not read in time."""
        self.write: Write | None = None
        """Set once the client has been sent `hello`, where its transport can be written to directly."""
        self._observer = observer
        self._backlog: deque[Message] = deque()
        self._poses: dict[int, tuple[Message, int]] = {}
        self._wake = asyncio.Event()

    def wants(self, stream: str) -> bool:
        """Return whether the client has subscribed to a stream."""
        return stream in self.subscription.streams

    def put(self, message: Message) -> None:
        """Send or queue anything but a pose; the oldest message is dropped when too many wait."""
        if self._write_now(message, -1):
            return
        if len(self._backlog) >= BACKLOG:
            self._backlog.popleft()
            self.dropped += 1
        self._backlog.append(message)
        self._wake.set()

    def put_pose(self, device: int, message: Message, seq: int) -> None:
        """Send the newest pose of a device, or put it into the device's slot."""
        if self._write_now(message, seq):
            return
        self.dropped += device in self._poses
        self._poses[device] = (message, seq)
        self._wake.set()

    def subscribe(self, subscription: Subscription) -> None:
        """Replace the subscription; poses that it no longer includes are discarded."""
        self.subscription = subscription
        if not self.wants("pose"):
            self._poses.clear()

    async def wait(self) -> None:
        """Wait until there is something to take."""
        await self._wake.wait()

    def take(self) -> tuple[Message, int] | None:
        """Return the next message and its pose's number (-1 for others), or None if nothing waits."""
        if self._backlog:
            return self._backlog.popleft(), -1
        if self._poses:
            return self._poses.pop(next(iter(self._poses)))
        self._wake.clear()
        return None

    def sent(self, seq: int) -> None:
        """Report that the transport has taken the pose of this number (-1: another message)."""
        if self._observer is not None and seq >= 0:
            self._observer.on_sent(self, seq)

    def _write_now(self, message: Message, seq: int) -> bool:
        """Write past the slots if they are empty and the sender task is idle; return whether that worked."""
        if self.write is None or self._wake.is_set() or not self.write(message):
            return False
        if self._observer is not None:
            self.sent(seq)
        return True


async def pump(client: Client, send: Forward) -> None:
    """Send a client's messages as they come, until cancelled or `send` fails."""
    while True:
        await client.wait()
        while (item := client.take()) is not None:
            message, seq = item
            await send(message)
            client.sent(seq)
