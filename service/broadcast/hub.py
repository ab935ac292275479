"""Fan-out: every message is encoded once and laid into each client's slots; nobody waits for anybody.

A message goes straight into the transport of a client that keeps up. Where it cannot, the client has one
slot per device for the newest pose and a short backlog for the rest, and its own sender task empties them
as fast as the client reads. So a slow client costs only itself: a pose that was not sent in time is
replaced, and counted as dropped. Clients with the same `max_rate` share a grid that holds poses back.

Everything here runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from drivers.clock import Clock, now
from drivers.events import Frame, Imu
from service.broadcast import messages
from service.broadcast.messages import Encoding, Subscription
from service.broadcast.rate_limiter import RateLimiter
from service.engine.pose import Pose

BACKLOG: Final = 64
JOIN_S: Final = 0.02
"""A client with a `max_rate` joins others of the same rate if their next pose is due so soon."""
Message = bytes | str
"""bytes go out as a binary message, str as text."""
Write = Callable[[Message], bool]
"""Hands a message to the transport if it takes it at once; False, and nothing done, where one must wait."""


class Client:
    """One subscriber's slots. `take` and `wait` are for its sender, the rest for the hub."""

    def __init__(self, wish: Subscription, encoding: Encoding) -> None:
        self.wish = wish
        self.encoding = encoding
        self.dropped = 0
        self.sent: Callable[[int], None] | None = None
        """Called with a pose's number once it was handed to the transport; only the benchmark asks."""
        self.write: Write | None = None
        """Set once the client has been greeted, where its connection can be written to straight away."""
        self._backlog: deque[Message] = deque()
        self._poses: dict[int, tuple[Message, int]] = {}
        self._wake = asyncio.Event()

    def wants(self, stream: str) -> bool:
        return stream in self.wish.streams

    def put(self, message: Message) -> None:
        """Send or queue anything but a pose; the oldest goes when too many wait."""
        if self._straight(message, -1):
            return
        if len(self._backlog) >= BACKLOG:
            self._backlog.popleft()
            self.dropped += 1
        self._backlog.append(message)
        self._wake.set()

    def put_pose(self, device: int, message: Message, seq: int) -> None:
        """Send the newest pose of a device, or lay it into its slot."""
        if self._straight(message, seq):
            return
        self.dropped += device in self._poses
        self._poses[device] = (message, seq)
        self._wake.set()

    def subscribe(self, wish: Subscription) -> None:
        """Replace the subscription; poses no longer wanted are forgotten."""
        self.wish = wish
        if not self.wants("pose"):
            self._poses.clear()

    async def wait(self) -> None:
        """Until there is something to take."""
        await self._wake.wait()

    def take(self) -> tuple[Message, int] | None:
        """The next message and its pose's number (-1 for others), or None: then wait."""
        if self._backlog:
            return self._backlog.popleft(), -1
        if self._poses:
            return self._poses.pop(next(iter(self._poses)))
        self._wake.clear()
        return None

    def _straight(self, message: Message, seq: int) -> bool:
        """Send past the slots, if nothing lies in them and the sender task has nothing in its hands."""
        if self.write is None or self._wake.is_set() or not self.write(message):
            return False
        if self.sent is not None and seq >= 0:
            self.sent(seq)
        return True


class _Group:
    """Clients that get poses on the same grid of `max_rate`: one timer and one encoding for all of them."""

    def __init__(self, max_rate: float, send: Callable[[Pose, Iterable[Client]], None]) -> None:
        self.max_rate = max_rate
        self.clients: set[Client] = set()
        self._send = send
        self._pacers: dict[int, RateLimiter[Pose]] = {}
        self._loop = asyncio.get_running_loop()

    def open_to(self, max_rate: float) -> bool:
        """Whether a client that comes now would get its first pose without a wait that anybody notices."""
        time = self._loop.time()
        return max_rate == self.max_rate and all(pacer.due <= time + JOIN_S for pacer in self._pacers.values())

    def put(self, pose: Pose) -> None:
        pacer = self._pacers.get(pose.device)
        if pacer is None:
            pacer = self._pacers[pose.device] = RateLimiter(self.max_rate, self._release, self._loop)
        pacer.put(pose)

    def close(self) -> None:
        for pacer in self._pacers.values():
            pacer.close()

    def _release(self, pose: Pose) -> None:
        self._send(pose, self.clients)


class Hub:
    """All clients. Publishing is synchronous and never waits."""

    def __init__(self, clock: Clock = now) -> None:
        self.clients: set[Client] = set()
        self.sinks: list[Callable[[Pose], None]] = []
        """Other outputs that take every pose as a value (the recorder, Leap, UDP, LSL)."""
        self.encoded: list[Callable[[Pose], None]] = []
        """Called when a pose has become a message, before it goes to anybody; only the benchmark asks."""
        self.joined: list[Callable[[Client], None]] = []
        """Called with every new client; only the benchmark asks."""
        self.dropped_before = 0
        """Dropped messages of clients that have left."""
        self._clock = clock
        self._wants: dict[str, tuple[Client, ...]] = {}
        self._prompt: tuple[Client, ...] = ()
        self._groups: list[_Group] = []
        self._regroup()

    def connect(self, wish: Subscription, encoding: Encoding) -> Client:
        client = Client(wish, encoding)
        self.clients.add(client)
        self._join(client)
        self._regroup()
        for greet in self.joined:
            greet(client)
        return client

    def disconnect(self, client: Client) -> None:
        if client in self.clients:
            self.clients.remove(client)
            self.dropped_before += client.dropped
            self._part(client)
            self._regroup()

    @contextmanager
    def connected(self, wish: Subscription, encoding: Encoding) -> Iterator[Client]:
        client = self.connect(wish, encoding)
        try:
            yield client
        finally:
            self.disconnect(client)

    def resubscribe(self, client: Client, wish: Subscription) -> None:
        self._part(client)
        client.subscribe(wish)
        self._join(client)
        self._regroup()

    @property
    def dropped(self) -> int:
        return self.dropped_before + sum(client.dropped for client in self.clients)

    def publish_pose(self, pose: Pose) -> None:
        """To everyone who wants poses: at once, or when its `max_rate` allows."""
        for sink in self.sinks:
            sink(pose)
        if not self._wants["pose"]:
            return
        self._send(pose, self._prompt)
        for group in self._groups:
            group.put(pose)

    def _send(self, pose: Pose, clients: Iterable[Client]) -> None:
        """Encode once per encoding in use."""
        age_ms = (self._clock() - pose.arrival) * 1e3
        text: str | None = None
        binary: bytes | None = None
        for client in clients:
            if client.encoding == "binary":
                if binary is None:
                    binary = messages.pose_binary(pose, age_ms)
                    self._note_encoded(pose)
                client.put_pose(pose.device, binary, pose.seq)
            else:
                if text is None:
                    text = messages.pose_json(pose, age_ms).decode()
                    self._note_encoded(pose)
                client.put_pose(pose.device, text, pose.seq)

    def _note_encoded(self, pose: Pose) -> None:
        for note in self.encoded:
            note(pose)

    def wanted(self, stream: str) -> bool:
        """Whether anybody listens, so that nothing is encoded for nobody."""
        return bool(self._wants[stream])

    def publish_emg(self, device: int, frame: Frame, rate_hz: float) -> None:
        text: str | None = None
        binary: bytes | None = None
        for client in self._wants["emg"]:
            if client.encoding == "binary":
                binary = binary or messages.emg_binary(device, frame, rate_hz)
                client.put(binary)
            else:
                text = text or messages.emg_json(device, frame, rate_hz).decode()
                client.put(text)

    def publish_imu(self, device: int, imu: Imu) -> None:
        if clients := self._wants["imu"]:
            text = messages.imu_json(device, imu).decode()
            for client in clients:
                client.put(text)

    def publish_status(self, message: Callable[[Client], str]) -> None:
        """A status names the client's own drops, so it is made for each."""
        for client in self._wants["status"]:
            client.put(message(client))

    def broadcast(self, message: Callable[[Client], str]) -> None:
        """To every client (hello, bye)."""
        for client in self.clients:
            client.put(message(client))

    def _regroup(self) -> None:
        self._wants = {stream: tuple(c for c in self.clients if c.wants(stream)) for stream in messages.STREAMS}
        self._prompt = tuple(client for client in self._wants["pose"] if client.wish.max_rate is None)

    def _join(self, client: Client) -> None:
        max_rate = client.wish.max_rate
        if max_rate is None or not client.wants("pose"):
            return
        group = next((group for group in self._groups if group.open_to(max_rate)), None)
        if group is None:
            group = _Group(max_rate, self._send)
            self._groups.append(group)
        group.clients.add(client)

    def _part(self, client: Client) -> None:
        for group in [group for group in self._groups if client in group.clients]:
            group.clients.remove(client)
            if not group.clients:
                group.close()
                self._groups.remove(group)


Forward = Callable[[Message], Awaitable[None]]


async def pump(client: Client, send: Forward) -> None:
    """Send a client's messages as they come, until cancelled or `send` fails."""
    while True:
        await client.wait()
        while (item := client.take()) is not None:
            message, seq = item
            await send(message)
            if client.sent is not None and seq >= 0:
                client.sent(seq)
