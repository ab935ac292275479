"""uvicorn, with the error bodies of docs/protocol.md#errors and strict about clients that do not read.

This is the only module that overrides parts of uvicorn or reads attributes that its documentation does not name.
pyproject.toml therefore bounds uvicorn's version; before raising the bound, run
tests/unit/service/web/test_uvicorn_adapter.py, which checks every method and attribute used here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final, cast

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from service.broadcast.messages import MAX_CLIENT_MESSAGE
from service.sockets import UNREAD_S
from service.web.errors import error_body
from service.web.frames import FRAME_CACHES

CHECK_S: Final = 2.5
"""Seconds between two pings, and between two checks of a ping that has not been answered."""
UNANSWERED_S: Final = 60.0
"""Seconds until a client is closed that reads everything but has never answered a ping; it may not implement them."""
GRACEFUL_S: Final = 1
"""Seconds that requests under way get when the server stops."""
WRITE: Final = "myocast.write"
"""The extension of a connection's ASGI scope that holds `StreamConnection.write`."""
_BYTES_ACKED: Final = slice(120, 128)
"""Where `struct tcp_info` (linux/tcp.h) has tcpi_bytes_acked."""


def configuration(app: ASGIApp) -> uvicorn.Config:
    """The settings with which uvicorn serves Myocast."""
    return uvicorn.Config(
        app,
        http=HttpConnection,
        ws=StreamConnection,
        ws_per_message_deflate=False,
        ws_max_size=MAX_CLIENT_MESSAGE,
        ws_ping_interval=CHECK_S,
        ws_ping_timeout=CHECK_S,
        access_log=False,
        log_config=None,
        log_level="warning",
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACEFUL_S,
    )


class HttpServer(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before its exit code is set."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(configuration(app))
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpConnection(H11Protocol):
    """A connection that answers malformed HTTP with the JSON error body, like every other error."""

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = error_body(400, msg)
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        # Otherwise a response has begun already and can only be cut off.
        self.transport.close()


class _Handshake(ServerProtocol):
    """websockets' own refusals (no key, another version, too long), with the JSON error body."""

    def reject(self, status: StatusLike, text: str) -> Response:
        response = super().reject(status, text)
        response.body = error_body(response.status_code, " ".join(text.split()))
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(response.body)))):
            del response.headers[name]
            response.headers[name] = value
        return response


class StreamConnection(WebSocketsSansIOProtocol):
    """A WebSocket connection that is written to directly, and is aborted when its client stops reading.

    `write` hands a message to the transport without waking a task, so that a pose reaches hundreds of clients in one
    turn of the event loop.

    uvicorn closes a connection whose ping was not answered in an orderly way, which first waits for its write buffer
    to drain; with a client that does not read, it never does. Here an unanswered ping is checked every `CHECK_S`.
    The connection is aborted after `UNREAD_S` if data stays unread, or if the client answered earlier pings, and after
    `UNANSWERED_S` in any case.
    """

    _acknowledged = 0
    _acknowledged_at = 0.0
    _answers_pings = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Handshake(max_size=self.config.ws_max_size, logger=self.conn.logger)

    def write(self, message: bytes | str) -> bool:
        """Send a whole message if the transport takes it now; otherwise do nothing and return False."""
        if not self.writable.is_set() or self.conn.state is not State.OPEN or self.transport.is_closing():
            return False
        self.transport.write(FRAME_CACHES[type(message)].frame(message))
        return True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            self._refuse_handshake()

    def _refuse_handshake(self) -> None:
        """Answer a request that websockets cannot read as a handshake; uvicorn would leave it without an answer."""
        answer = b"".join(self.conn.data_to_send())
        if not answer:
            answer = self.conn.reject(HTTPStatus.BAD_REQUEST, "the WebSocket handshake is not HTTP").serialize()
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(answer)
        self.transport.close()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            # The application's task has not started yet, so its scope can still be extended.
            cast(dict[str, Any], self.scope["extensions"])[WRITE] = self.write

    async def run_asgi(self) -> None:
        application = self.app

        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            await application(scope, receive, send)
            # A refusal with a body also completes the handshake; uvicorn would log it as an error.
            self.handshake_complete = self.handshake_complete or self.initial_response is not None

        self.app = answered
        await super().run_asgi()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(b"".join(self.frames)):
            # RFC 6455, section 8.1. uvicorn would log the client's error with a traceback.
            self.frames = []
            self.conn.send_close(CloseCode.INVALID_DATA)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def handle_pong(self, event: Frame) -> None:
        self._answers_pings = True
        super().handle_pong(event)

    def keepalive_timeout(self) -> None:
        time = self.loop.time()
        unsent, acknowledged = self._progress()
        if not unsent or acknowledged != self._acknowledged:
            self._acknowledged, self._acknowledged_at = acknowledged, time
        unanswered = time - self.ping_sent_at
        stuck = unanswered >= UNREAD_S and (self._answers_pings or time - self._acknowledged_at >= CHECK_S)
        if stuck or unanswered >= UNANSWERED_S:
            self.pong_timer = None
            self.transport.abort()
        else:
            self.pong_timer = self.loop.call_later(CHECK_S, self.keepalive_timeout)

    def _progress(self) -> tuple[int, int]:
        """Bytes that the client's machine has not taken yet, and a number that changes whenever it takes some."""
        buffered = self.transport.get_write_buffer_size()
        if sys.platform != "linux":
            return buffered, -buffered
        import fcntl
        import termios

        sock: socket.socket = self.transport.get_extra_info("socket")
        unacknowledged = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
        acknowledged = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)[_BYTES_ACKED]
        return buffered + int.from_bytes(unacknowledged, sys.byteorder), int.from_bytes(acknowledged, sys.byteorder)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
