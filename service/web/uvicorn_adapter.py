"""uvicorn, with the error bodies of docs/protocol.md#errors and strict about clients that do not read.

This is the only module that overrides parts of uvicorn or reads attributes that its documentation does not name.
pyproject.toml therefore bounds uvicorn's version; before raising the bound, run
tests/unit/service/web/test_uvicorn_adapter.py, which checks every method and attribute used here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final, cast

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from service.broadcast.messages import MAX_CLIENT_MESSAGE
from service.limits import DEFAULT_LIMITS, Limits
from service.sockets import UNREAD_S
from service.token_bucket import TokenBucket
from service.web.connections import ConnectionTable
from service.web.errors import error_body
from service.web.frames import FRAME_CACHES
from service.web.listener import most_connections
from service.web.security_headers import HEADERS

CHECK_S: Final = 2.5
"""Seconds between two pings, and between two checks of a ping that has not been answered."""
UNANSWERED_S: Final = 60.0
"""Seconds until a client is closed that reads everything but has never answered a ping; it may not implement them."""
GRACEFUL_S: Final = 1
"""Seconds that requests under way get when the server stops."""
SLICE: Final = 2048
"""Bytes of a client's messages that are read in one turn of the event loop; poses of others go out in between."""
LINGER_S: Final = 2.0
"""Seconds that a client gets to take the reason why it is closed."""
STUCK_ANSWER_S: Final = 30.0
"""Seconds that an answer over HTTP may wait for its client to take more of it."""
WRITE: Final = "myocast.write"
"""The extension of a connection's ASGI scope that holds `StreamConnection.write`."""
ABORT: Final = "myocast.abort"
"""The extension of a request's ASGI scope that cuts the connection off: for an answer that cannot be completed."""
_BYTES_ACKED: Final = slice(120, 128)
"""Where `struct tcp_info` (linux/tcp.h) has tcpi_bytes_acked."""


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration, and what its connections share."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        connections: ConnectionTable,
        tls: ssl.SSLContext | None = None,
        **more: Any,
    ) -> None:
        super().__init__(app, **more)
        self.limits = limits
        self.connections = connections
        self.tls = tls

    def load(self) -> None:
        super().load()
        self.ssl = self.tls


def configuration(
    app: ASGIApp,
    limits: Limits = DEFAULT_LIMITS,
    connections: ConnectionTable | None = None,
    tls: ssl.SSLContext | None = None,
) -> ServerConfig:
    """The settings with which uvicorn serves Myocast."""
    return ServerConfig(
        app,
        limits,
        connections or ConnectionTable(limits.unfinished_per_address, most_connections()),
        tls,
        interface="asgi3",
        http=HttpConnection,
        ws=StreamConnection,
        ws_per_message_deflate=False,
        ws_max_size=MAX_CLIENT_MESSAGE,
        ws_ping_interval=CHECK_S,
        ws_ping_timeout=CHECK_S,
        h11_max_incomplete_event_size=limits.header_bytes,
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

    config: ServerConfig

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits = DEFAULT_LIMITS,
        connections: ConnectionTable | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(configuration(app, limits, connections, tls))
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections; uvicorn's own gives a TLS handshake a minute."""
        await self.lifespan.startup()
        loop, config = asyncio.get_running_loop(), self.config

        def connection() -> asyncio.Protocol:
            return HttpConnection(config, self.server_state, self.lifespan.state)

        handshake_s = config.limits.handshake_s if config.ssl is not None else None
        self.servers = [
            await loop.create_server(
                connection, sock=sock, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=handshake_s
            )
            for sock in sockets or ()
        ]
        self.started = True
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpConnection(H11Protocol):
    """A connection that answers malformed HTTP with the JSON error body, and that has to ask within a time.

    The header of a request has `header_s` from the connection or, after an answer, from its first byte on; the body
    has `body_s`. Between two requests uvicorn waits for 5 s. An answer that its client does not take is broken off.
    """

    config: ServerConfig
    _deadline: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None
    _reading_body = False
    _upgraded = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        application = self.app

        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            cast(dict[str, Any], scope.setdefault("extensions", {}))[ABORT] = self.cut
            await application(scope, receive, send)

        self.app = answered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_header()
        self.config.connections.opened(self, self._address(), self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._on_taken()
        self.config.connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and self.conn.their_state is h11.IDLE:
            self._wait_for_header()
        super().data_received(data)
        self._after_events()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.config.connections.begin(self, self._address(), self.loop.time())
        self._after_events()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._upgraded = True
        self._stop_waiting()
        self.config.connections.closed(self)
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(STUCK_ANSWER_S, self.cut)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._on_taken()

    def cut(self) -> None:
        """End the connection without another word."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = error_body(status, message)
            headers = [
                *HEADERS,
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode()),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        # Otherwise a response has begun already and can only be cut off.
        self.transport.close()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _after_events(self) -> None:
        """Begin or end the time for a request's parts, as far as it has come."""
        if self._upgraded:
            return
        if self.conn.their_state is h11.SEND_BODY:
            if not self._reading_body:
                self._reading_body = True
                self._wait(self.config.limits.body_s, "the body of the request did not come in time")
        elif self.conn.their_state is not h11.IDLE:
            self._reading_body = False
            self._stop_waiting()
            self.config.connections.finish(self)

    def _wait_for_header(self) -> None:
        self._reading_body = False
        self._wait(self.config.limits.header_s, "the header of the request did not come in time")

    def _wait(self, seconds: float, message: str) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self._expire, message)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self, message: str) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        self._refuse(408, message)

    def _on_taken(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _address(self) -> str:
        return self.client[0] if self.client else ""


class _Handshake(ServerProtocol):
    """websockets' own refusals (no key, another version, too long), with the JSON error body."""

    def reject(self, status: StatusLike, text: str) -> Response:
        response = super().reject(status, text)
        response.body = error_body(response.status_code, " ".join(text.split()))
        headers = [(name.decode(), value.decode()) for name, value in HEADERS]
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(response.body)))]
        for name, value in headers:
            if name in response.headers:
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

    config: ServerConfig
    _acknowledged = 0
    _acknowledged_at = 0.0
    _answers_pings = False
    _deadline: asyncio.TimerHandle | None = None
    _feeding: asyncio.Handle | None = None
    _check_due = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Handshake(max_size=self.config.ws_max_size, logger=self.conn.logger)
        limits = self.config.limits
        self._unread = bytearray()
        self._control_frames = TokenBucket(limits.control_frames_per_s, limits.control_frame_burst, self.loop.time())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.config.limits.handshake_s, self.cut)
        self.config.connections.opened(self, self.client[0] if self.client else "", self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish_handshake()
        self._unread.clear()
        if self._feeding is not None:
            self._feeding.cancel()
        self.config.connections.closed(self)
        super().connection_lost(exc)

    def cut(self) -> None:
        """End the connection without another word."""
        self.transport.abort()

    def write(self, message: bytes | str) -> bool:
        """Send a whole message if the transport takes it now; otherwise do nothing and return False."""
        if not self.writable.is_set() or self.conn.state is not State.OPEN or self.transport.is_closing():
            return False
        self.transport.write(FRAME_CACHES[type(message)].frame(message))
        return True

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated:
            super().data_received(data)
            if not self.handshake_initiated:
                self._refuse_handshake()
            return
        self._unread += data
        self._give_slice()

    def pause_writing(self) -> None:
        super().pause_writing()
        # Who does not read is not read: its pings would be answered into memory.
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read_on()

    async def receive(self) -> ASGIReceiveEvent:
        self._read_on()
        message = await super().receive()
        if self._unread or not self.writable.is_set():
            self.transport.pause_reading()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.handshake_complete and self._deadline is not None:
            self._finish_handshake()

    def handle_ping(self) -> None:
        if self._takes_control_frame():
            super().handle_ping()

    def _give_slice(self) -> None:
        """Read a slice of what came; the rest waits for the next turn, and for who must take what came first."""
        self._feeding = None
        if not self._unread or self.transport.is_closing():
            self._unread.clear()
            return
        if self.handshake_complete and self.writable.is_set() and not self.read_paused:
            data = bytes(self._unread[:SLICE])
            del self._unread[:SLICE]
            super().data_received(data)
        if self._unread:
            self.transport.pause_reading()
            if self.handshake_complete and self.writable.is_set() and not self.read_paused:
                self._feeding = self.loop.call_soon(self._give_slice)

    def _read_on(self) -> None:
        """Read what waits, and from the network once nothing does."""
        if self._unread:
            if self._feeding is None:
                self._feeding = self.loop.call_soon(self._give_slice)
        elif self.writable.is_set() and not self.read_paused:
            self.transport.resume_reading()

    def _takes_control_frame(self) -> bool:
        """Count a ping or pong; with too many of them the client is closed."""
        if self._control_frames.take(self.loop.time()):
            return True
        if not self.close_sent and not self.transport.is_closing():
            self._unread.clear()
            self.conn.data_to_send()
            self.conn.send_close(CloseCode.POLICY_VIOLATION, "too many pings")
            self.handle_parser_exception()
            self.loop.call_later(LINGER_S, self.transport.abort)
        return False

    def _finish_handshake(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.config.connections.finish(self)

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
        try:
            await super().run_asgi()
        finally:
            # What is still to be sent must not hold a client's socket that does not read.
            self.loop.call_later(LINGER_S, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(b"".join(self.frames)):
            # RFC 6455, section 8.1. uvicorn would log the client's error with a traceback.
            self.frames = []
            self.conn.send_close(CloseCode.INVALID_DATA)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def handle_pong(self, event: Frame) -> None:
        if not self._takes_control_frame():
            return
        self._answers_pings = True
        super().handle_pong(event)

    def send_keepalive_ping(self) -> None:
        self._check_due = self.loop.time() + CHECK_S
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        time = self.loop.time()
        late, self._check_due = time - self._check_due, time + CHECK_S
        if late > CHECK_S:
            # This process stood still, so that answers are still to be read.
            self.ping_sent_at += late
            self.pong_timer = self.loop.call_later(CHECK_S, self.keepalive_timeout)
            return
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
