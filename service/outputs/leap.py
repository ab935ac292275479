"""An endpoint like a Leap Motion service's, for programs that connect to `ws://127.0.0.1:6437/v6.json`.

It is served as the stream is, so that the same limits hold: clients, messages, pings, handshakes, and clients that do
not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from types import TracebackType
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from drivers.transport.asyncio_utils import cancel_and_wait
from models.errors import MyocastError
from service.engine.pose import Pose
from service.events import DeviceEvent
from service.limits import DEFAULT_LIMITS, Limits
from service.outputs.leap_frame import LeapEncoder
from service.outputs.origin import allowed
from service.sockets import listen
from service.token_bucket import TokenBucket
from service.web.access import LOOPBACK_NAMES, host_name
from service.web.errors import error_response
from service.web.uvicorn_adapter import HttpServer

HOST: Final = "127.0.0.1"
BACKLOG: Final = 128
NORMAL_CLOSURE: Final = 1000
"""leapjs takes close code 1001 as a request to use an older protocol version."""
POLICY_VIOLATION: Final = 1008
TRY_AGAIN_LATER: Final = 1013
STOP_S: Final = 3.0
"""Seconds that the endpoint gets to end."""
_PATH: Final = re.compile(r"/v[1-7]\.json")


class LeapError(MyocastError):
    """The endpoint cannot be opened."""


class LeapOutput:
    """The endpoint. Each client has one slot for the newest frame, so that a slow one delays no other."""

    def __init__(self, port: int, origins: Collection[str] = (), limits: Limits = DEFAULT_LIMITS) -> None:
        self.encoder = LeapEncoder()
        self._port, self._origins, self._limits = port, origins, limits
        self._slots: set[_Slot] = set()
        self._tasks: set[asyncio.Task[int]] = set()
        self._server: HttpServer | None = None
        self._serving: asyncio.Future[None] | None = None

    @property
    def address(self) -> str:
        """Address for clients, with the port that was taken."""
        return f"ws://{HOST}:{self._port}/v6.json"

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._slots)

    async def __aenter__(self) -> LeapOutput:
        """Open the port.

        Raises:
            LeapError: the port is taken.
        """
        listener = _listen(self._port)
        self._port = listener.getsockname()[1]
        self._server = HttpServer(self._answer, self._limits)
        self._serving = asyncio.ensure_future(self._server.serve([listener]))
        await self._server.accepting.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is None or self._serving is None:
            return
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=STOP_S)
        self._server.should_exit = True
        await asyncio.wait([self._serving], timeout=STOP_S)
        self._server = None

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Send a pose to every client; without clients it is not encoded."""
        if self._slots and isinstance(event, Pose):
            # Leap's clients take a frame of the same time for one that they know.
            frame = self.encoder.encode(replace(event, t=event.finished) if event.held else event).decode()
            for slot in self._slots:
                slot.put(frame)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application: one client, or what is no client."""
        refusal = self._denied(scope)
        if refusal is not None:
            await error_response(*refusal)(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        if len(self._slots) >= self._limits.clients:
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "too many clients"})
            return
        await self._serve(receive, send)

    def _denied(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if host_name(headers.get("host", "")) not in LOOPBACK_NAMES:
            return 403, f"this Host is not served; a Leap client connects to {self.address}"
        if not _PATH.fullmatch(scope["path"]):
            return 404, "a Leap client asks for /v6.json"
        if scope["type"] != "websocket":
            return 426, "this is a WebSocket; a Leap client connects to it"
        origins = headers.getlist("origin")
        if len(origins) > 1 or not allowed(origins[0] if origins else None, self._origins):
            return 403, "this origin is not listed; see `serve --origin`"
        return None

    async def _serve(self, receive: Receive, send: Send) -> None:
        async def text(message: str) -> None:
            await send({"type": "websocket.send", "text": message})

        await text(self.encoder.version().decode())
        await text(self.encoder.device_event().decode())
        slot = _Slot()
        sending = asyncio.create_task(_send(text, slot), name="leap-sender")
        receiving = asyncio.create_task(self._receive(receive), name="leap-receiver")
        self._slots.add(slot)
        self._tasks.add(receiving)
        code, reason = NORMAL_CLOSURE, "the server is stopping"
        try:
            await asyncio.wait([sending, receiving], return_when=asyncio.FIRST_COMPLETED)
            if receiving.done() and not receiving.cancelled():
                code, reason = receiving.result(), "too many messages"
        finally:
            self._slots.discard(slot)
            await cancel_and_wait(sending, receiving)
            self._tasks.discard(receiving)
        if code:
            with contextlib.suppress(OSError):
                await send({"type": "websocket.close", "code": code, "reason": reason})

    async def _receive(self, receive: Receive) -> int:
        """Read a client's messages until it leaves (0) or must be closed (a code).

        What Leap clients send (focus, background, heartbeat) has no effect here.
        """
        time = asyncio.get_running_loop().time
        bucket = TokenBucket(self._limits.messages_per_s, self._limits.message_burst, time())
        while (await receive())["type"] == "websocket.receive":
            if not bucket.take(time()):
                return POLICY_VIOLATION
            await asyncio.sleep(0)
        return 0


class _Slot:
    """Room for the newest frame."""

    def __init__(self) -> None:
        self._frame: str | None = None
        self._filled = asyncio.Event()

    def put(self, frame: str) -> None:
        self._frame = frame
        self._filled.set()

    async def take(self) -> str:
        while self._frame is None:
            self._filled.clear()
            await self._filled.wait()
        frame, self._frame = self._frame, None
        return frame


async def _send(send: Callable[[str], Awaitable[None]], slot: _Slot) -> None:
    with contextlib.suppress(OSError):
        while True:
            await send(await slot.take())


def _listen(port: int) -> socket.socket:
    try:
        return listen(HOST, port, BACKLOG)
    except OSError as error:
        raise LeapError(
            f"--leap {port}: {error.strerror}; is a Leap service running? Choose another port, or 0 for a free one"
        ) from None
