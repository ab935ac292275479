"""The parts of uvicorn and websockets that `service/web/uvicorn_adapter.py` relies on, none of them documented."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import h11
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.server import ServerProtocol

from service.web.uvicorn_adapter import configuration

VERSIONS = f"uvicorn {version('uvicorn')}, websockets {version('websockets')}"
ADVICE = "adapt service/web/uvicorn_adapter.py, or lower the bound of uvicorn in pyproject.toml"
HANDSHAKE = (
    b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

METHODS: list[tuple[type, str, list[str], bool]] = [
    (WebSocketsSansIOProtocol, "__init__", ["self", "config", "server_state", "app_state", "_loop"], False),
    (WebSocketsSansIOProtocol, "data_received", ["self", "data"], False),
    (WebSocketsSansIOProtocol, "handle_connect", ["self", "event"], False),
    (WebSocketsSansIOProtocol, "run_asgi", ["self"], True),
    (WebSocketsSansIOProtocol, "send_receive_event_to_app", ["self"], False),
    (WebSocketsSansIOProtocol, "handle_parser_exception", ["self"], False),
    (WebSocketsSansIOProtocol, "handle_pong", ["self", "event"], False),
    (WebSocketsSansIOProtocol, "keepalive_timeout", ["self"], False),
    (H11Protocol, "send_400_response", ["self", "msg"], False),
    (uvicorn.Server, "startup", ["self", "sockets"], True),
    (uvicorn.Server, "capture_signals", ["self"], False),
    (ServerProtocol, "reject", ["self", "status", "text"], False),
    (ServerProtocol, "data_to_send", ["self"], False),
    (ServerProtocol, "send_close", ["self", "code", "reason"], False),
]
"""Class, method, its parameters, and whether it is a coroutine function."""


def changed(what: str) -> str:
    return f"{what} ({VERSIONS}); {ADVICE}"


@pytest.mark.parametrize(("owner", "name", "parameters", "is_async"), METHODS, ids=[m[1] for m in METHODS])
def test_a_method_has_the_signature_that_is_overridden_or_called(
    owner: type, name: str, parameters: list[str], is_async: bool
) -> None:
    method = getattr(owner, name, None)
    assert method is not None, changed(f"{owner.__name__}.{name} is gone")
    found = list(inspect.signature(method).parameters)
    assert found == parameters, changed(f"{owner.__name__}.{name} takes {found}, expected {parameters}")
    assert inspect.iscoroutinefunction(inspect.unwrap(method)) is is_async, changed(
        f"{owner.__name__}.{name} is {'no longer' if is_async else 'now'} a coroutine function"
    )


class Transport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def close(self) -> None: ...


class Application:
    """Accepts a WebSocket and waits for one message."""

    def __init__(self) -> None:
        self.accepted = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.accepted.set()
        await receive()


def started(kind: type, application: Application) -> tuple[Any, Transport]:
    """uvicorn's own connection, not ours, that has a transport."""
    config = configuration(application)
    config.load()
    connection = kind(config=config, server_state=ServerState(), app_state={}, _loop=asyncio.get_running_loop())
    transport = Transport()
    connection.connection_made(transport)
    return connection, transport


def expect(owner: object, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        assert hasattr(owner, name), changed(f"{type(owner).__name__}.{name} is gone")
        found = getattr(owner, name)
        assert found == value, changed(f"{type(owner).__name__}.{name} is {found!r}, expected {value!r}")


async def test_a_websocket_connection_has_the_attributes_that_are_read_and_set() -> None:
    application = Application()
    connection, transport = started(WebSocketsSansIOProtocol, application)
    config = connection.config
    expect(connection, {
        "handshake_initiated": False, "handshake_complete": False, "close_sent": False, "initial_response": None,
        "frames": [], "pong_timer": None, "ping_sent_at": 0.0, "app": config.loaded_app, "transport": transport,
        "loop": asyncio.get_running_loop(),
    })  # fmt: skip
    assert type(connection.conn) is ServerProtocol, changed("the connection's protocol is another class")
    assert connection.writable.is_set(), changed("a fresh connection is not writable")
    assert config.ws_max_size == 4096
    connection.data_received(HANDSHAKE)
    expect(connection, {"handshake_initiated": True, "handshake_complete": False})
    assert connection.response.status_code == 101, changed("the handshake's response is not kept")
    assert isinstance(connection.scope["extensions"], dict), changed("the scope's extensions cannot be extended")
    (task,) = connection.tasks
    assert b"101 Switching Protocols" not in transport.written, changed("the handshake is answered before its task ran")
    await application.accepted.wait()
    expect(connection, {"handshake_complete": True})
    connection.data_received(b"\x81\x82\0\0\0\0hi")
    expect(connection, {"curr_msg_data_type": "text", "frames": []})
    await task
    connection.connection_lost(None)


async def test_an_unanswered_ping_ends_in_keepalive_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    application = Application()
    connection, _ = started(WebSocketsSansIOProtocol, application)
    timed_out = asyncio.Event()
    monkeypatch.setattr(connection, "keepalive_timeout", timed_out.set)
    connection.ping_timeout = 0.0
    connection.data_received(HANDSHAKE)
    await application.accepted.wait()
    connection.send_keepalive_ping()
    assert connection.pong_timer is not None, changed("the deadline of a ping is no timer in `pong_timer`")
    assert connection.ping_sent_at > 0.0, changed("the time of a ping is not kept in `ping_sent_at`")
    await timed_out.wait()
    connection.connection_lost(None)
    await asyncio.gather(*connection.tasks)


async def test_an_http_connection_reports_malformed_requests_by_send_400_response(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, transport = started(H11Protocol, Application())
    assert (connection.transport, connection.conn.our_state) == (transport, h11.IDLE)
    called: list[str] = []
    monkeypatch.setattr(connection, "send_400_response", called.append)
    connection.data_received(b"\x00\r\n\r\n")
    assert called, changed("a malformed request does not reach `send_400_response`")
    connection.connection_lost(None)


async def test_a_server_has_the_flags_that_start_and_stop_it() -> None:
    server = uvicorn.Server(configuration(Application()))
    expect(server, {"started": False, "should_exit": False})
