"""Tells clients what they are connected to: `hello`, `status`, and the same as one object over HTTP."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from drivers.clock import Clock, now
from models.spec import ModelError
from models.version import package_version
from service.broadcast import messages
from service.broadcast.client import Client
from service.broadcast.hub import Hub
from service.devices.device import Device

log = logging.getLogger("myocast")


class StatusPublisher:
    """Composes what clients are told, and says it when something changes and once a second."""

    def __init__(
        self,
        hub: Hub,
        recording: Callable[[], dict[str, Any] | None],
        on_fatal: Callable[[ModelError], None],
        clock: Clock = now,
    ) -> None:
        self.session = uuid.uuid4().hex
        self.version = package_version()
        self.devices: Sequence[Device] = ()
        self._hub, self._recording, self._on_fatal, self._clock = hub, recording, on_fatal, clock
        self._hello_due = False

    def hello(self, client: Client) -> str:
        return messages.hello(
            self.version,
            self.session,
            self._clock(),
            [d.describe() for d in self.devices],
            client.subscription,
            client.encoding,
        ).decode()

    def statuses(self, client: Client) -> list[str]:
        """One status message per device, as this client should see it."""
        return [self._status(device)(client) for device in self.devices]

    def overview(self) -> dict[str, Any]:
        """`GET /api/v1/status`: hello's objects and status's fields in one."""
        descriptions = [d.describe() for d in self.devices]
        states = [self._fields(d) for d in self.devices]
        return {
            "server": self.version, "protocol": messages.PROTOCOL, "session": self.session,
            **states[0], **descriptions[0], "clients": len(self._hub.clients), "dropped": self._hub.dropped,
            "devices": [{"status": s, **d} for s, d in zip(states, descriptions, strict=True)],
        }  # fmt: skip

    def hello_changed(self) -> None:
        """Say hello again, once for all changes of this turn of the loop."""
        if not self._hello_due and self.devices:
            self._hello_due = True
            asyncio.get_running_loop().call_soon(self._say_hello)

    def status_changed(self, device: Device) -> None:
        if self._hub.has_subscribers("status"):
            self._hub.publish_status(self._status(device))

    def failed(self, device: Device, error: ModelError) -> None:
        device.status.set("failed", ("model_does_not_fit", str(error)))
        self._on_fatal(error)

    def warn(self, message: str) -> None:
        """Log a line that the user should read."""
        log.warning("%s", message)

    async def run(self) -> None:
        """Once a second, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            for device in self.devices:
                self.status_changed(device)

    def _say_hello(self) -> None:
        self._hello_due = False
        self._hub.broadcast(self.hello)

    def _fields(self, device: Device) -> dict[str, Any]:
        return device.status.as_message(device.playback, self._recording())

    def _status(self, device: Device) -> Callable[[Client], str]:
        fields = self._fields(device)
        clients = len(self._hub.clients)
        return lambda client: messages.status_json({**fields, "clients": clients, "dropped": client.dropped}).decode()
