"""A server of `myocast.v1` in a few lines, for the tests of the clients: it sends the messages that a test gives it.

It keeps to docs/protocol.md#negotiation (token, subprotocols, parameters) and answers `GET /api/v1/status` without
content. It can be stopped, restarted on the same port and made mute, which the real server should not be.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

STREAMS = ("pose", "emg", "imu", "status")
PROTOCOLS = [Subprotocol("myocast.v1.binary"), Subprotocol("myocast.v1.json")]


def pose_message(seq: int, *, hand: str = "right", truth: bool = False, **fields: Any) -> dict[str, Any]:
    """A pose whose x of point i is seq % 1000 + i, so that a client can be checked by arithmetic."""
    joints = [float(v) for i in range(21) for v in (seq % 1000 + i, -i, i / 4)]
    message: dict[str, Any] = {
        "type": "pose", "device": 0, "seq": seq, "sample": 4 * seq + 31, "t": 1.7e9 + seq / 64, "age_ms": 1.5,
        "infer_ms": 0.5, "skipped": 0, "state": "live", "hand": hand, "joints": joints,
    }  # fmt: skip
    return message | ({"truth": [v + 1 for v in joints]} if truth else {}) | fields


def to_binary(message: dict[str, Any]) -> bytes:
    """The binary form of a pose (docs/protocol.md#binary-pose)."""
    flags = (message["hand"] == "left") | bool(message.get("held")) << 1 | bool(message.get("gap")) << 2
    flags |= ("truth" in message) << 3 | ("confidence" in message) << 4
    head = struct.pack(
        "<BBHIQdffIB3x63ff", 1, 1, flags, message["seq"], message["sample"], message["t"], message["age_ms"],
        message["infer_ms"], message["skipped"], message["device"], *message["joints"],
        message.get("confidence", 0.0),
    )  # fmt: skip
    return head + (struct.pack("<63f", *message["truth"]) if "truth" in message else b"")


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that another task or process brings about; the test's own time-out ends it."""
    while not condition():  # noqa: ASYNC110 (it has no event)
        await asyncio.sleep(0.002)


class FakeStream:
    """Use as `async with FakeStream() as server`; poses are sent with `send` or by a `ticker`."""

    def __init__(self, *, token: str | None = None, hand: str = "right") -> None:
        self.token = token
        self.hand = hand
        self.session = "a" * 16
        self.port = 0
        self.accepted = 0
        self.pings = 0
        self.mute = False
        self.greeting: str | None = None
        self.subscriptions: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        self.headers: list[Headers] = []
        self.clients: set[ServerConnection] = set()
        self.on_client: Callable[[ServerConnection], None] = lambda _: None
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def __aenter__(self) -> FakeStream:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await serve(
            self._handle, "127.0.0.1", self.port, subprotocols=PROTOCOLS, process_request=self._check,
            compression=None, ping_interval=None,
        )  # fmt: skip
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self, *, rude: bool = False) -> None:
        """Close with 1001, or rudely by cutting every connection."""
        server, self._server = self._server, None
        if server is None:
            return
        for client in list(self.clients) if rude else ():
            client.transport.abort()
        server.close()
        await server.wait_closed()

    async def send(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            for client in list(self.clients):
                binary = client.subprotocol == PROTOCOLS[0] and message["type"] == "pose"
                with contextlib.suppress(ConnectionClosed):
                    await client.send(to_binary(message) if binary else json.dumps(message))

    async def tick(self, count: int, rate_hz: float, first: int = 0) -> None:
        """Send poses on a grid of 1/rate_hz, however late the loop runs."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for k in range(count):
            await asyncio.sleep(max(0.0, start + k / rate_hz - loop.time()))
            await self.send(pose_message(first + k, hand=self.hand))

    def hello(self, streams: list[str], binary: bool) -> str:
        device = {
            "uri": "fake:", "name": "fake", "channels": 8, "rate_hz": 200.0, "unit": "adc", "emg_mode": "raw",
            "hand": self.hand,
        }  # fmt: skip
        pose = {"points": 21, "order": "mediapipe21", "unit": "mm", "frame": "hand", "rate_hz": 100.0}
        model = {
            "name": "fake", "sha256": "0" * 64, "kind": "window", "window": 32, "hop": 2, "rate_hz": 200.0,
            "parameters": 1,
        }  # fmt: skip
        entry = {"device": device, "model": model, "pose": pose}
        hello = {"type": "hello", "protocol": "myocast.v1", "server": "0.1.0", "session": self.session, "t": 1.7e9}
        encoding = "binary" if binary else "json"
        return json.dumps(hello | entry | {"devices": [entry], "streams": streams, "encoding": encoding})

    def _check(self, client: ServerConnection, request: Request) -> Response | None:
        query = parse_qs(urlsplit(request.path).query)
        given = [request.headers.get("Authorization", "").removeprefix("Bearer "), *query.get("token", [])]
        path = urlsplit(request.path).path
        if path not in ("/v1/stream", "/api/v1/status"):
            return _refuse(client, 403, "forbidden", "this is not the stream")
        if self.token is not None and self.token not in given:
            return _refuse(client, 401, "unauthorized", "the token is missing or wrong; add ?token=")
        if path == "/api/v1/status":
            return client.respond(http.HTTPStatus.OK, "{}")
        if not set(query.get("streams", ["pose"])[0].split(",")) <= set(STREAMS):
            return _refuse(client, 400, "bad_request", "unknown stream; use pose, emg, imu or status")
        return None

    async def _handle(self, client: ServerConnection) -> None:
        assert client.request is not None
        self.headers.append(client.request.headers)
        streams = parse_qs(urlsplit(client.request.path).query).get("streams", ["pose"])[0].split(",")
        binary = client.subprotocol == PROTOCOLS[0]
        await client.send(self.greeting or self.hello(streams, binary))
        self.accepted += 1
        self.clients.add(client)
        self.on_client(client)
        try:
            with contextlib.suppress(ConnectionClosed):
                async for message in client:
                    await self._answer(client, json.loads(message), binary)
        finally:
            self.clients.discard(client)

    async def _answer(self, client: ServerConnection, message: dict[str, Any], binary: bool) -> None:
        self.pings += message["type"] == "ping"
        if self.mute:
            return
        if message["type"] == "ping":
            await client.send(json.dumps({"type": "pong", "id": message["id"], "t": message["id"] + 100.0}))
        elif message["type"] in ("label", "marker"):
            self.told.append(message)
        elif set(message.get("streams", ["pose"])) <= set(STREAMS):
            self.subscriptions.append(message)
            await client.send(self.hello(message.get("streams", ["pose"]), binary))
        else:
            await client.send(json.dumps({"type": "error", "code": "bad_subscription", "message": "unknown stream"}))


def _refuse(client: ServerConnection, status: int, code: str, message: str) -> Response:
    response = client.respond(http.HTTPStatus(status), json.dumps({"error": {"code": code, "message": message}}))
    response.headers["Content-Type"] = "application/json"
    return response
