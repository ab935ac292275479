"""The listening socket and uvicorn's WebSocket connection, made strict about clients that do not read."""

from __future__ import annotations

import socket
import sys
from http import HTTPStatus
from typing import Any, Final, cast

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from models.errors import MyocastError
from service import sockets
from service.sockets import UNREAD_S
from service.web.errors import error_body

UNANSWERED_S: Final = 60.0
"""Patience with a client that takes everything but has never answered a ping: it may not know pings."""
CHECK_S: Final = 2.5
"""How often a ping goes out, and how often an unanswered one is looked at."""
BACKLOG: Final = 2048
"""Clients that may knock at the same moment."""
WRITE: Final = "myocast.write"
"""The extension of a connection's ASGI scope that holds `StreamConnection.write`."""
_BYTES_ACKED: Final = slice(120, 128)
"""Where `struct tcp_info` (linux/tcp.h) has tcpi_bytes_acked."""


class PortError(MyocastError):
    """The address cannot be listened on."""


class _Framer:
    """Makes a message a WebSocket frame, once for all clients that get it in a row."""

    def __init__(self, opcode: Opcode) -> None:
        self._first = bytes((0x80 | opcode,))
        self._message: bytes | str | None = None
        self._frame = b""

    def frame(self, message: bytes | str) -> bytes:
        """The whole message as one unmasked frame (RFC 6455, section 5.2)."""
        if message is not self._message:
            payload = message.encode() if isinstance(message, str) else message
            self._message, self._frame = message, self._first + _length(len(payload)) + payload
        return self._frame


def _length(size: int) -> bytes:
    if size < 126:
        return bytes((size,))
    return b"\x7e" + size.to_bytes(2) if size < 65536 else b"\x7f" + size.to_bytes(8)


_FRAMERS: Final = {bytes: _Framer(Opcode.BINARY), str: _Framer(Opcode.TEXT)}


class _Handshake(ServerProtocol):
    """The protocol's own refusals (no key, another version, too long), with the body that every error has."""

    def reject(self, status: StatusLike, text: str) -> Response:
        response = super().reject(status, text)
        response.body = error_body(response.status_code, " ".join(text.split()))
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(response.body)))):
            del response.headers[name]
            response.headers[name] = value
        return response


class StreamConnection(WebSocketsSansIOProtocol):
    """A connection that can be written to without a detour, and ends at once when its client no longer reads.

    A message that goes to hundreds of clients is framed once, and no task wakes to send it.

    uvicorn closes such a transport politely, which first waits for the very buffer that nobody reads. Here
    a ping that stays unanswered is looked at again every few seconds. Bytes that nobody takes end the
    connection after 10 s, and so does silence after earlier answers; a client that takes everything but has
    never answered a ping has a minute.
    """

    _taken = 0
    _taken_at = 0.0
    _knows_pings = False

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.conn = _Handshake(max_size=self.config.ws_max_size, logger=self.conn.logger)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            self._refuse_handshake()

    def _refuse_handshake(self) -> None:
        """uvicorn hands over a whole request; one that is no handshake to websockets would go unanswered."""
        answer = b"".join(self.conn.data_to_send())
        if not answer:
            answer = self.conn.reject(HTTPStatus.BAD_REQUEST, "the WebSocket handshake is not HTTP").serialize()
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(answer)
        self.transport.close()

    async def run_asgi(self) -> None:
        application = self.app

        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            await application(scope, receive, send)
            # A refusal with a body completes the handshake too; uvicorn would log it as an error.
            self.handshake_complete = self.handshake_complete or self.initial_response is not None

        self.app = answered
        await super().run_asgi()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(b"".join(self.frames)):
            # RFC 6455, section 8.1. uvicorn would log a client's mistake with a traceback.
            self.frames = []
            self.conn.send_close(CloseCode.INVALID_DATA)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            # The application's task starts later, so the scope can still be added to.
            cast(dict[str, Any], self.scope["extensions"])[WRITE] = self.write

    def write(self, message: bytes | str) -> bool:
        """Send a whole message if the transport takes it now; else do nothing and say False."""
        if not self.writable.is_set() or self.conn.state is not State.OPEN or self.transport.is_closing():
            return False
        self.transport.write(_FRAMERS[type(message)].frame(message))
        return True

    def handle_pong(self, event: Frame) -> None:
        self._knows_pings = True
        super().handle_pong(event)

    def keepalive_timeout(self) -> None:
        time = self.loop.time()
        waiting, taken = self._progress()
        if not waiting or taken != self._taken:
            self._taken, self._taken_at = taken, time
        unanswered = time - self.ping_sent_at
        stuck = unanswered >= UNREAD_S and (self._knows_pings or time - self._taken_at >= CHECK_S)
        if stuck or unanswered >= UNANSWERED_S:
            self.pong_timer = None
            self.transport.abort()
        else:
            self.pong_timer = self.loop.call_later(CHECK_S, self.keepalive_timeout)

    def _progress(self) -> tuple[int, int]:
        """Bytes that wait for the client's machine, and a number that changes whenever it takes some."""
        buffered = self.transport.get_write_buffer_size()
        if sys.platform != "linux":
            return buffered, -buffered
        import fcntl
        import termios

        sock: socket.socket = self.transport.get_extra_info("socket")
        unacknowledged = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
        acknowledged = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)[_BYTES_ACKED]
        return buffered + int.from_bytes(unacknowledged, sys.byteorder), int.from_bytes(acknowledged, sys.byteorder)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one.

    Raises:
        PortError: the port is taken, or the address is not this machine's.
    """
    try:
        return sockets.listen(host, port, BACKLOG)
    except (OSError, OverflowError) as error:
        raise PortError(_explain(host, port, error)) from None


def _explain(host: str, port: int, error: OSError | OverflowError) -> str:
    if isinstance(error, socket.gaierror):
        return f"--host {host}: no such address; use an address of this machine, such as 127.0.0.1 or 0.0.0.0"
    reason = error.strerror if isinstance(error, OSError) else "not a port number"
    return f"cannot listen on {host}:{port} ({reason}); choose another --port, or --port 0 for a free one"


def raise_descriptor_limit() -> None:
    """Let the process hold as many sockets as the system grants; every client is one."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
