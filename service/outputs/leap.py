"""An endpoint like a Leap Motion service's, for programs that connect to `ws://127.0.0.1:6437/v6.json`."""

from __future__ import annotations

import asyncio
import contextlib
import http
import re
import socket
from collections.abc import Collection
from dataclasses import replace
from types import TracebackType
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.http11 import Request, Response

from drivers.transport.asyncio_utils import cancel_and_wait
from models.errors import MyocastError
from service.engine.pose import Pose
from service.events import DeviceEvent
from service.outputs.leap_frame import LeapEncoder
from service.outputs.origin import allowed
from service.sockets import listen

HOST: Final = "127.0.0.1"
BACKLOG: Final = 128
NORMAL_CLOSURE: Final = 1000
_PATH: Final = re.compile(r"/v[1-7]\.json")


class LeapError(MyocastError):
    """The endpoint cannot be opened."""


class LeapOutput:
    """The endpoint. Each client has one slot for the newest frame, so that a slow one delays no other."""

    def __init__(self, port: int, origins: Collection[str] = ()) -> None:
        self.encoder = LeapEncoder()
        self._port, self._origins = port, origins
        self._slots: set[_Slot] = set()
        self._server: Server | None = None

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
        self._server = await serve(
            self._handle,
            sock=listener,
            process_request=self._check,
            compression=None,
            ping_interval=None,
            close_timeout=1.0,
            max_size=4096,
            server_header=None,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            # leapjs takes close code 1001 as a request to use an older protocol version.
            self._server.close(code=NORMAL_CLOSURE)
            await self._server.wait_closed()
            self._server = None

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Send a pose to every client; without clients it is not encoded."""
        if self._slots and isinstance(event, Pose):
            # Leap's clients take a frame of the same time for one that they know.
            frame = self.encoder.encode(replace(event, t=event.finished) if event.held else event)
            for slot in self._slots:
                slot.put(frame)

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        if not _PATH.fullmatch(request.path.partition("?")[0]):
            return connection.respond(http.HTTPStatus.NOT_FOUND, "A Leap client asks for /v6.json.\n")
        origins = request.headers.get_all("Origin")
        if len(origins) > 1 or not allowed(origins[0] if origins else None, self._origins):
            return connection.respond(http.HTTPStatus.FORBIDDEN, "This origin is not listed; see `serve --origin`.\n")
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        await connection.send(self.encoder.version(), text=True)
        await connection.send(self.encoder.device_event(), text=True)
        slot = _Slot()
        sender = asyncio.create_task(_send(connection, slot), name="leap-sender")
        self._slots.add(slot)
        try:
            # Messages of Leap clients (focus, background, heartbeat) have no effect here.
            async for _ in connection:
                pass
        except ConnectionClosedError:
            return
        finally:
            self._slots.discard(slot)
            await cancel_and_wait(sender)


class _Slot:
    """Room for the newest frame."""

    def __init__(self) -> None:
        self._frame: bytes | None = None
        self._filled = asyncio.Event()

    def put(self, frame: bytes) -> None:
        self._frame = frame
        self._filled.set()

    async def take(self) -> bytes:
        while self._frame is None:
            self._filled.clear()
            await self._filled.wait()
        frame, self._frame = self._frame, None
        return frame


async def _send(connection: ServerConnection, slot: _Slot) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.send(await slot.take(), text=True)


def _listen(port: int) -> socket.socket:
    try:
        return listen(HOST, port, BACKLOG)
    except OSError as error:
        raise LeapError(
            f"--leap {port}: {error.strerror}; is a Leap service running? Choose another port, or 0 for a free one"
        ) from None
