"""Compose and send `hello` and `status`, and the same as one object for HTTP."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from drivers.clock import Clock, now
from models.spec import ModelError
from models.version import package_version
from service.broadcast import messages
from service.broadcast.client import Client
from service.broadcast.hub import Hub
from service.broadcast.messages import JsonObject
from service.devices.device import Device

log = logging.getLogger("myocast")

EVERYTHING: Final = messages.Subscription(messages.STREAMS)


class StatusPublisher:
    """Sends `hello` and `status` when something in them changes, and `status` once a second too.

    Args:
        recording: returns `status.recording`.
        on_fatal: is called with an error that ends the server.
    """

    def __init__(
        self,
        hub: Hub,
        recording: Callable[[], Mapping[str, object] | None],
        on_fatal: Callable[[ModelError], None],
        clock: Clock = now,
    ) -> None:
        self.session = uuid.uuid4().hex
        self.version = package_version()
        self.devices: Sequence[Device] = ()
        self._hub, self._recording, self._on_fatal, self._clock = hub, recording, on_fatal, clock
        self._hello_due = False

    def hello(self, client: Client) -> str:
        """Encode `hello` for a client."""
        return messages.hello(
            self.version,
            self.session,
            self._clock(),
            [d.describe() for d in self.devices],
            client.subscription,
            client.encoding,
        ).decode()

    def statuses(self, client: Client) -> list[str]:
        """Encode one status message per device for a client."""
        return [self._status(device)(client) for device in self.devices]

    def describe(self, device: Device) -> tuple[bytes, bytes]:
        """Encode `hello` and `status` of one device, as if it were the only one, for what has no client."""
        described = [device.describe()]
        hello = messages.hello(self.version, self.session, self._clock(), described, EVERYTHING, "binary")
        fields = {**self._fields(device), "clients": len(self._hub.clients), "dropped": self._hub.dropped}
        return hello, messages.status_json(fields)

    def overview(self) -> JsonObject:
        """Return `GET /api/v1/status`: hello's objects and status's fields in one."""
        descriptions = [d.describe() for d in self.devices]
        states = [self._fields(d) for d in self.devices]
        return {
            "server": self.version,
            "protocol": messages.PROTOCOL,
            "session": self.session,
            **states[0],
            **descriptions[0],
            "clients": len(self._hub.clients),
            "dropped": self._hub.dropped,
            "devices": [{"status": s, **d} for s, d in zip(states, descriptions, strict=True)],
        }

    def hello_changed(self) -> None:
        """Send `hello` again, once for all changes of this iteration of the event loop."""
        if not self._hello_due and self.devices:
            self._hello_due = True
            asyncio.get_running_loop().call_soon(self._send_hello)

    def status_changed(self, device: Device) -> None:
        """Send the status of a device."""
        if self._hub.has_subscribers("status"):
            self._hub.publish_status(self._status(device))

    def failed(self, device: Device, error: ModelError) -> None:
        """Stop the server because the given model does not fit a device."""
        device.status.set("failed", ("model_does_not_fit", str(error)))
        self._on_fatal(error)

    def warn(self, message: str) -> None:
        """Log a line that the user should read."""
        log.warning("%s", message)

    async def run(self) -> None:
        """Send the status of every device once a second, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            for device in self.devices:
                self.status_changed(device)

    def _send_hello(self) -> None:
        self._hello_due = False
        self._hub.broadcast(self.hello)

    def _fields(self, device: Device) -> dict[str, object]:
        return {**device.status.as_message(device.playback, self._recording()), **device.describe_arm()}

    def _status(self, device: Device) -> Callable[[Client], str]:
        fields = self._fields(device)
        clients = len(self._hub.clients)
        return lambda client: messages.status_json({**fields, "clients": clients, "dropped": client.dropped}).decode()
