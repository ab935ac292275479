"""What the routes work on, and how they get it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import Depends, HTTPException, Request
from fastapi.responses import JSONResponse

from drivers.clock import Clock, now
from service.arm.arm import Arm
from service.broadcast.hub import Hub
from service.devices.device import Device
from service.devices.status_publisher import StatusPublisher
from service.engine.model_library import ModelLibrary
from service.guard import Guard
from service.limits import DEFAULT_LIMITS, Limits
from service.recording.library import RecordingLibrary
from service.recording.recorder import Recorder
from service.web.access import AccessPolicy
from service.web.connections import ConnectionTable
from service.web.stream import StreamEndpoint


@dataclass(frozen=True)
class AppContext:
    """The parts of a service that its HTTP side uses."""

    devices: Sequence[Device]
    arms: Sequence[Arm]
    hub: Hub
    status_publisher: StatusPublisher
    recorder: Recorder
    recordings: RecordingLibrary
    stream: StreamEndpoint
    library: ModelLibrary
    policy: AccessPolicy
    guard: Guard
    connections: ConnectionTable
    limits: Limits = DEFAULT_LIMITS
    clock: Clock = now

    def device(self, index: int) -> Device:
        """The device of this index.

        Raises:
            HTTPException: there is none.
        """
        if index >= len(self.devices):
            raise HTTPException(400, f"`device`: expected 0 to {len(self.devices) - 1}, got {index}")
        return self.devices[index]

    def arm(self, index: int) -> Arm:
        """The arm that wears the armband of this index.

        Raises:
            HTTPException: there is none.
        """
        return self.arms[self.device(index).index]


def _context(request: Request) -> AppContext:
    context: AppContext = request.app.state.context
    return context


def require_json(request: Request) -> None:
    """Refuse a body of another type, which a page of another site could send without being asked (CSRF)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(400, f"expected a body of type application/json, got {kind or 'none'}")


Context = Annotated[AppContext, Depends(_context)]
"""The parameter of a route that gets the context."""


class JsonResponse(JSONResponse):
    """JSON made by orjson."""

    def render(self, content: object) -> bytes:
        return orjson.dumps(content)
