"""Fan-out: every message is encoded once and laid into each client's slots; nobody waits for anybody.

A client has one slot per device for the newest pose and a short backlog for the rest. Its own sender
task empties them as fast as the client reads, so a slow client costs only itself: a pose that was not
sent in time is replaced, and counted as dropped. `max_rate` holds poses back on a grid of its own.

Everything here runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from drivers.base import Frame, Imu
from drivers.clock import Clock, now
from service import wire
from service.pose import Pose
from service.wire import Encoding, Subscription

BACKLOG: Final = 64
Message = bytes | str
"""bytes go out as a binary message, str as text."""


class Client:
    """One subscriber's slots. `take` and `wait` are for its sender, the rest for the hub."""

    def __init__(self, wish: Subscription, encoding: Encoding, loop: asyncio.AbstractEventLoop) -> None:
        self.wish = wish
        self.encoding = encoding
        self.dropped = 0
        self.sent: Callable[[int], None] | None = None
        """Called with a pose's number once it was handed to the transport; only the benchmark asks."""
        self._loop = loop
        self._backlog: deque[Message] = deque()
        self._poses: dict[int, tuple[Message, int]] = {}
        self._released = False
        self._wake = asyncio.Event()
        self._grid = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def wants(self, stream: str) -> bool:
        return stream in self.wish.streams

    def put(self, message: Message) -> None:
        """Queue anything but a pose; the oldest goes when too many wait."""
        if len(self._backlog) >= BACKLOG:
            self._backlog.popleft()
            self.dropped += 1
        self._backlog.append(message)
        self._wake.set()

    def put_pose(self, device: int, message: Message, seq: int) -> None:
        """Lay the newest pose of a device into its slot."""
        unsent = self._released and device in self._poses
        self._poses[device] = (message, seq)
        if self.wish.max_rate is None:
            self.dropped += unsent
            self._release()
        elif self._released:
            self._miss_on_grid(unsent, 1.0 / self.wish.max_rate)
        elif self._timer is None:
            self._release_on_grid(self.wish.max_rate)

    def subscribe(self, wish: Subscription) -> None:
        """Replace the subscription; poses no longer wanted are forgotten."""
        self.wish = wish
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._grid = 0.0
        if not self.wants("pose"):
            self._poses.clear()
            self._released = False
        elif self._poses:
            self._release()

    async def wait(self) -> None:
        """Until there is something to take."""
        await self._wake.wait()

    def take(self) -> tuple[Message, int] | None:
        """The next message and its pose's number (-1 for others), or None: then wait."""
        if self._backlog:
            return self._backlog.popleft(), -1
        if self._released:
            device = next(iter(self._poses))
            item = self._poses.pop(device)
            self._released = bool(self._poses)
            return item
        self._wake.clear()
        return None

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._timer = None
        self._released = True
        self._wake.set()

    def _release_on_grid(self, max_rate: float) -> None:
        time, period = self._loop.time(), 1.0 / max_rate
        if time < self._grid:
            self._timer = self._loop.call_at(self._grid, self._release_due, period)
        else:
            self._release_due(period)

    def _miss_on_grid(self, unsent: bool, period: float) -> None:
        """What was released still waits: slowness costs the poses of the grid, not those between."""
        if self._loop.time() >= self._grid:
            self.dropped += unsent
            self._release_due(period)

    def _release_due(self, period: float) -> None:
        time = self._loop.time()
        behind = max(0.0, time - self._grid)
        self._grid = self._grid + (behind // period + 1.0) * period if self._grid else time + period
        self._release()


class Hub:
    """All clients. Publishing is synchronous and never waits."""

    def __init__(self, clock: Clock = now) -> None:
        self.clients: set[Client] = set()
        self.sinks: list[Callable[[Pose], None]] = []
        """Other outputs that take every pose as a value (the recorder, Leap, UDP, LSL)."""
        self.published: list[Callable[[Pose], None]] = []
        """Called when a pose lies in every slot; only the benchmark asks."""
        self.joined: list[Callable[[Client], None]] = []
        """Called with every new client; only the benchmark asks."""
        self.dropped_before = 0
        """Dropped messages of clients that have left."""
        self._clock = clock
        self._wants: dict[str, tuple[Client, ...]] = {}
        self._regroup()

    def connect(self, wish: Subscription, encoding: Encoding) -> Client:
        client = Client(wish, encoding, asyncio.get_running_loop())
        self.clients.add(client)
        self._regroup()
        for greet in self.joined:
            greet(client)
        return client

    def disconnect(self, client: Client) -> None:
        if client in self.clients:
            self.clients.remove(client)
            self.dropped_before += client.dropped
            client.close()
            self._regroup()

    @contextmanager
    def connected(self, wish: Subscription, encoding: Encoding) -> Iterator[Client]:
        client = self.connect(wish, encoding)
        try:
            yield client
        finally:
            self.disconnect(client)

    def resubscribe(self, client: Client, wish: Subscription) -> None:
        client.subscribe(wish)
        self._regroup()

    @property
    def dropped(self) -> int:
        return self.dropped_before + sum(client.dropped for client in self.clients)

    def publish_pose(self, pose: Pose) -> None:
        """Encode once per encoding in use and lay it into every slot."""
        for sink in self.sinks:
            sink(pose)
        clients = self._wants["pose"]
        if not clients:
            return
        age_ms = (self._clock() - pose.arrival) * 1e3
        text: str | None = None
        binary: bytes | None = None
        for client in clients:
            if client.encoding == "binary":
                binary = binary or wire.pose_binary(pose, age_ms)
                client.put_pose(pose.device, binary, pose.seq)
            else:
                text = text or wire.pose_json(pose, age_ms).decode()
                client.put_pose(pose.device, text, pose.seq)
        for done in self.published:
            done(pose)

    def wanted(self, stream: str) -> bool:
        """Whether anybody listens, so that nothing is encoded for nobody."""
        return bool(self._wants[stream])

    def publish_emg(self, device: int, frame: Frame, rate_hz: float) -> None:
        text: str | None = None
        binary: bytes | None = None
        for client in self._wants["emg"]:
            if client.encoding == "binary":
                binary = binary or wire.emg_binary(device, frame, rate_hz)
                client.put(binary)
            else:
                text = text or wire.emg_json(device, frame, rate_hz).decode()
                client.put(text)

    def publish_imu(self, device: int, imu: Imu) -> None:
        if clients := self._wants["imu"]:
            text = wire.imu_json(device, imu).decode()
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
        self._wants = {stream: tuple(c for c in self.clients if c.wants(stream)) for stream in wire.STREAMS}


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
