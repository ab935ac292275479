"""Fan-out: every message is encoded once and put into each client's slots, so no client waits for another.

A message goes straight into the transport of a client that keeps up. Where it cannot, the client has one
slot per device for the newest pose and a short backlog for the rest, and its own sender task empties them
as fast as the client reads. So a slow client costs only itself: a pose that was not sent in time is
replaced, and counted as dropped. Clients with the same `max_rate` share a grid of send times.

Everything here runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from drivers.clock import Clock, now
from drivers.events import Frame, Imu, Playback, SourceInfo
from service.broadcast import messages
from service.broadcast.client import Client, Observer
from service.broadcast.emg_batch import EmgBatch
from service.broadcast.messages import Encoding, Subscription
from service.broadcast.rate_limiter import RateLimiter
from service.engine.pose import Pose
from service.events import DeviceEvent

JOIN_S: Final = 0.02
"""Seconds to the next pose of a group at most for a new client of the same `max_rate` to join it."""


class _Group:
    """Clients that get poses on the same grid of `max_rate`: one timer and one encoding for all of them."""

    def __init__(self, max_rate: float, send: Callable[[Pose, Iterable[Client]], None]) -> None:
        self.max_rate = max_rate
        self.clients: set[Client] = set()
        self._send = send
        self._limiters: dict[int, RateLimiter[Pose]] = {}
        self._loop = asyncio.get_running_loop()

    def open_to(self, max_rate: float) -> bool:
        """Return whether a client that joins now would get its first pose without a noticeable wait."""
        time = self._loop.time()
        return max_rate == self.max_rate and all(limiter.due <= time + JOIN_S for limiter in self._limiters.values())

    def put(self, pose: Pose) -> None:
        """Send a pose to the group, or hold it until the grid's next time."""
        limiter = self._limiters.get(pose.device)
        if limiter is None:
            limiter = self._limiters[pose.device] = RateLimiter(self.max_rate, self._release, self._loop)
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
        self._subscribers: dict[str, tuple[Client, ...]] = {}
        self._unlimited: tuple[Client, ...] = ()
        self._groups: list[_Group] = []
        self._batches: dict[int, EmgBatch] = {}
        self._regroup()

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
        self._regroup()
        return client

    def disconnect(self, client: Client) -> None:
        """Remove a client; removing it again does nothing."""
        if client in self.clients:
            self.clients.remove(client)
            self._dropped_before += client.dropped
            self._part(client)
            self._regroup()

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
        self._regroup()

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
        for group in self._groups:
            group.put(pose)

    def _send_pose(self, pose: Pose, clients: Iterable[Client]) -> None:
        """Encode a pose once per encoding in use."""
        age_ms = (self._clock() - pose.arrival) * 1e3
        text: str | None = None
        binary: bytes | None = None
        for client in clients:
            if client.encoding == "binary":
                if binary is None:
                    binary = messages.pose_binary(pose, age_ms)
                    self._tell_encoded(pose)
                client.put_pose(pose.device, binary, pose.seq)
            else:
                if text is None:
                    text = messages.pose_json(pose, age_ms).decode()
                    self._tell_encoded(pose)
                client.put_pose(pose.device, text, pose.seq)

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

    def _regroup(self) -> None:
        self._subscribers = {stream: tuple(c for c in self.clients if c.wants(stream)) for stream in messages.STREAMS}
        self._unlimited = tuple(c for c in self._subscribers["pose"] if c.subscription.max_rate is None)

    def _join(self, client: Client) -> None:
        max_rate = client.subscription.max_rate
        if max_rate is None or not client.wants("pose"):
            return
        group = next((group for group in self._groups if group.open_to(max_rate)), None)
        if group is None:
            group = _Group(max_rate, self._send_pose)
            self._groups.append(group)
        group.clients.add(client)

    def _part(self, client: Client) -> None:
        for group in [group for group in self._groups if client in group.clients]:
            group.clients.remove(client)
            if not group.clients:
                group.close()
                self._groups.remove(group)
