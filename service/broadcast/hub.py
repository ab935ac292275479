"""Fan-out: every message is encoded once and put into each client's slots, so no client waits for another.

A message goes straight into the transport of a client that keeps up. Where it cannot, the client has one
slot per device for the newest pose and a short backlog for the rest, and its own sender task empties them
as fast as the client reads. So a slow client costs only itself: a pose that was not sent in time is
replaced, and counted as dropped. Clients with about the same `max_rate` share a grid of send times.

A client's subscription costs the same however many others there are, so that none can slow the others by changing it.

Everything here runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from math import floor, log2
from typing import Final

from drivers.clock import Clock, now
from drivers.events import Frame, Imu, Playback, SourceInfo
from service.broadcast import messages
from service.broadcast.client import Client, Message, Observer
from service.broadcast.emg_batch import EmgBatch
from service.broadcast.messages import Encoding, Subscription
from service.broadcast.rate_limiter import RateLimiter
from service.engine.pose import Pose
from service.events import DeviceEvent

JOIN_S: Final = 0.02
"""Seconds to the next pose of a group at most for a new client of the same `max_rate` to join it."""
GRIDS_OF_A_RATE: Final = 8
"""Grids of one rate at most; with so many a new client joins the one that is due first."""
SAME_ENCODING_S: Final = 0.005
"""Seconds for which a pose that was encoded for some clients goes to others as it is."""
COMMON_RATES: Final = frozenset(
    map(float, (1, 2, 5, 10, 12, 15, 20, 24, 25, 30, 40, 45, 48, 50, 60, 72, 75, 80, 90, 100, 120, 125, 144, 200, 1000))
)
"""Rates that have a grid of their own; others are rounded down by 1 % at most, so that they share some."""
STEPS_PER_OCTAVE: Final = 64


def grid_rate(max_rate: float) -> float:
    """The rate of the grid that serves a `max_rate`, poses per second: not more, and at most 1.1 % less."""
    if max_rate in COMMON_RATES:
        return max_rate
    rounded = 2.0 ** (floor(log2(max_rate) * STEPS_PER_OCTAVE) / STEPS_PER_OCTAVE)
    return min(rounded or max_rate, max_rate)


class _Group:
    """Clients that get poses on the same grid: one timer for all of them."""

    def __init__(self, rate: float, send: Callable[[Pose, Iterable[Client]], None]) -> None:
        self.rate = rate
        self.clients: dict[Client, None] = {}
        self._send = send
        self._limiters: dict[int, RateLimiter[Pose]] = {}
        self._loop = asyncio.get_running_loop()

    @property
    def wait_s(self) -> float:
        """Seconds that a client which joins now may have to wait for its first pose."""
        time = self._loop.time()
        return max((limiter.due - time for limiter in self._limiters.values()), default=0.0)

    def put(self, pose: Pose) -> None:
        """Send a pose to the group, or hold it until the grid's next time."""
        limiter = self._limiters.get(pose.device)
        if limiter is None:
            limiter = self._limiters[pose.device] = RateLimiter(self.rate, self._release, self._loop)
        limiter.put(pose)

    def close(self) -> None:
        """Discard what is held."""
        for limiter in self._limiters.values():
            limiter.close()

    def _release(self, pose: Pose) -> None:
        self._send(pose, self.clients)


class Hub:
    """All clients. Publishing is synchronous and never waits."""

    def __init__(self, clock: Clock = now) -> None:
        self.clients: set[Client] = set()
        self.observer: Observer | None = None
        """Watches the poses on their way; set it before the first client connects."""
        self._connections = 0
        self._dropped_before = 0
        self._clock = clock
        # Dictionaries serve as sets that keep their order.
        self._subscribers: dict[str, dict[Client, None]] = {stream: {} for stream in messages.STREAMS}
        self._unlimited: dict[Client, None] = {}
        self._groups: dict[float, list[_Group]] = {}
        self._group_of: dict[Client, _Group] = {}
        self._encoded: dict[Encoding, tuple[Pose, float, Message]] = {}
        self._batches: dict[int, EmgBatch] = {}

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Send what clients have subscribed to: frames as EMG messages, poses, and inertial samples."""
        match event:
            case Frame():
                self._on_frame(device, event)
            case Pose():
                self._on_pose(event)
            case Imu():
                self._on_imu(device, event)
            case SourceInfo():
                self._batch(device).nominal_hz = event.rate_hz
            case Playback():
                self._batch(device).speed = event.speed

    def flush_emg(self, device: int) -> None:
        """Send the samples that wait to fill an EMG message: no more come for now."""
        self._batch(device).flush()

    def connect(self, subscription: Subscription, encoding: Encoding) -> Client:
        """Add a client."""
        client = Client(subscription, encoding, self._connections, self.observer)
        self._connections += 1
        self.clients.add(client)
        self._join(client)
        return client

    def disconnect(self, client: Client) -> None:
        """Remove a client; removing it again does nothing."""
        if client in self.clients:
            self.clients.remove(client)
            self._dropped_before += client.dropped
            self._part(client)

    @contextmanager
    def connected(self, subscription: Subscription, encoding: Encoding) -> Iterator[Client]:
        """Connect a client for the time of a block."""
        client = self.connect(subscription, encoding)
        try:
            yield client
        finally:
            self.disconnect(client)

    def resubscribe(self, client: Client, subscription: Subscription) -> None:
        """Replace a client's subscription."""
        self._part(client)
        client.subscribe(subscription)
        self._join(client)

    @property
    def dropped(self) -> int:
        """Messages dropped for all clients, those that have left included."""
        return self._dropped_before + sum(client.dropped for client in self.clients)

    def has_subscribers(self, stream: str) -> bool:
        """Return whether any client has subscribed to a stream, so that nothing is encoded without a recipient."""
        return bool(self._subscribers[stream])

    def publish_status(self, message: Callable[[Client], str]) -> None:
        """Send a status, which is made for each client because it names the client's own drops."""
        for client in self._subscribers["status"]:
            client.put(message(client))

    def broadcast(self, message: Callable[[Client], str]) -> None:
        """Send a message to every client, whatever it has subscribed to."""
        for client in self.clients:
            client.put(message(client))

    def _on_pose(self, pose: Pose) -> None:
        """Send a pose at once to those without a `max_rate`, to the others when their grid allows."""
        if not self._subscribers["pose"]:
            return
        self._send_pose(pose, self._unlimited)
        for groups in self._groups.values():
            for group in groups:
                group.put(pose)

    def _send_pose(self, pose: Pose, clients: Iterable[Client]) -> None:
        """Send a pose, encoded once per encoding in use for all who get it at about the same time."""
        now_ = self._clock()
        ready: dict[Encoding, Message] = {}
        for client in clients:
            message = ready.get(client.encoding)
            if message is None:
                message = ready[client.encoding] = self._encode(pose, client.encoding, now_)
            client.put_pose(pose.device, message, pose.seq)

    def _encode(self, pose: Pose, encoding: Encoding, time: float) -> Message:
        known = self._encoded.get(encoding)
        if known is not None and known[0] is pose and time - known[1] <= SAME_ENCODING_S:
            return known[2]
        age_ms = (time - pose.arrival) * 1e3
        message: Message = (
            messages.pose_binary(pose, age_ms) if encoding == "binary" else messages.pose_json(pose, age_ms).decode()
        )
        self._encoded[encoding] = pose, time, message
        self._tell_encoded(pose)
        return message

    def _tell_encoded(self, pose: Pose) -> None:
        if self.observer is not None:
            self.observer.on_encoded(pose)

    def _on_frame(self, device: int, frame: Frame) -> None:
        batch = self._batch(device)
        if self._subscribers["emg"]:
            batch.push(frame)
        else:
            batch.clear()

    def _batch(self, device: int) -> EmgBatch:
        batch = self._batches.get(device)
        if batch is None:
            batch = self._batches[device] = EmgBatch(partial(self._send_emg, device))
        return batch

    def _send_emg(self, device: int, frame: Frame, rate_hz: float) -> None:
        text: str | None = None
        binary: bytes | None = None
        for client in self._subscribers["emg"]:
            if client.encoding == "binary":
                binary = binary or messages.emg_binary(device, frame, rate_hz)
                client.put(binary)
            else:
                text = text or messages.emg_json(device, frame, rate_hz).decode()
                client.put(text)

    def _on_imu(self, device: int, imu: Imu) -> None:
        if clients := self._subscribers["imu"]:
            text = messages.imu_json(device, imu).decode()
            for client in clients:
                client.put(text)

    def _join(self, client: Client) -> None:
        for stream in client.subscription.streams:
            self._subscribers[stream][client] = None
        max_rate = client.subscription.max_rate
        if not client.wants("pose"):
            return
        if max_rate is None:
            self._unlimited[client] = None
            return
        group = self._group(grid_rate(max_rate))
        group.clients[client] = None
        self._group_of[client] = group

    def _group(self, rate: float) -> _Group:
        """A grid of this rate that a client can join without waiting for its first pose; else a new one."""
        groups = self._groups.setdefault(rate, [])
        first = min(groups, key=lambda group: group.wait_s, default=None)
        if first is None or (first.wait_s > JOIN_S and len(groups) < GRIDS_OF_A_RATE):
            first = _Group(rate, self._send_pose)
            groups.append(first)
        return first

    def _part(self, client: Client) -> None:
        for stream in client.subscription.streams:
            self._subscribers[stream].pop(client, None)
        self._unlimited.pop(client, None)
        group = self._group_of.pop(client, None)
        if group is None:
            return
        del group.clients[client]
        if not group.clients:
            group.close()
            groups = self._groups[group.rate]
            groups.remove(group)
            if not groups:
                del self._groups[group.rate]
