"""What is no request, or no handshake, is answered like every other error, and logged without a traceback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from service.web import body_limit
from tests.fakes.sources import Puppet
from tests.support.live_server import TIMEOUT_S, Live, receive, serving

HANDSHAKE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
POST = "POST /api/v1/recording HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def answer(live: Live, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(request)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


def handshake(target: str = "/v1/stream", method: str = "GET", without: str = "", **changes: str) -> bytes:
    headers = {name: value for name, value in (HANDSHAKE | changes).items() if name != without}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def code_of(answered: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    status, headers, body = answered
    assert headers["content-type"] == "application/json"
    error: dict[str, Any] = json.loads(body)["error"]
    assert list(error) == ["code", "message"]
    assert "\n" not in error["message"]
    return status, error["code"]


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        POST.encode() + b"Content-Length: many\r\n\r\n",
        POST.encode() + b"Transfer-Encoding: chunked\r\n\r\nno length\r\n",
    ],
)
async def test_what_is_no_http_is_a_bad_request(tiny_window: Path, request_: bytes) -> None:
    async with serving([Puppet()], model=tiny_window) as live:
        assert code_of(await answer(live, request_)) == (400, "bad_request")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (handshake(without="Sec-WebSocket-Key"), (400, "bad_request")),
        (handshake(**{"Sec-WebSocket-Key": "x"}), (400, "bad_request")),
        (handshake(**{"Sec-WebSocket-Version": "8"}), (400, "bad_request")),
        (handshake(method="POST"), (405, "method_not_allowed")),
        (handshake(f"/v1/stream?x={'a' * 9000}"), (414, "too_large")),
        (handshake("/v1/stream?max_rate=0"), (400, "bad_request")),
        (handshake("/v1/elsewhere"), (404, "not_found")),
        (handshake(Host="evil.example"), (403, "forbidden")),
    ],
)
async def test_a_refused_handshake_has_the_body_and_is_no_error_of_the_server(
    tiny_window: Path, request_: bytes, expected: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with serving([Puppet()], model=tiny_window) as live:
            assert code_of(await answer(live, request_)) == expected
    assert [record.getMessage() for record in caplog.records] == []


async def test_text_that_is_no_utf8_closes_with_1007_without_a_traceback(
    tiny_window: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with serving([Puppet()], model=tiny_window) as live:
            reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
            writer.write(handshake("/v1/stream?streams=emg"))
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"\x81\x82\0\0\0\0\xff\xfe")
            frames = await reader.read()
            writer.close()
    assert frames.endswith(b"\x88\x02" + (1007).to_bytes(2))
    assert [record.getMessage() for record in caplog.records] == []


async def test_a_body_has_a_limit(tiny_window: Path) -> None:
    async with serving([Puppet()], model=tiny_window) as live:
        for size, expected in ((60_000, 409), (70_000, 413), (3_000_000, 413)):
            response = await live.post("/api/v1/recording", action="stop", more="x" * size)
            assert response.status_code == expected
        assert response.json()["error"]["code"] == "too_large"


async def test_a_body_without_an_end_is_cut_off(tiny_window: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "DISCARDED", 1_000_000)
    async with serving([Puppet()], model=tiny_window) as live:
        _, writer = await asyncio.open_connection("127.0.0.1", live.port)
        writer.write(POST.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    writer.write(b"2710\r\n" + b" " * 10_000 + b"\r\n")
                    await writer.drain()
        assert writer.is_closing()


async def test_a_body_that_ends_early_is_no_crash(tiny_window: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with serving([Puppet()], model=tiny_window) as live:
            _, writer = await asyncio.open_connection("127.0.0.1", live.port)
            writer.write(POST.encode() + b"Content-Length: 100\r\n\r\n{")
            await writer.drain()
            async with live.connect() as client:
                await receive(client)
            writer.transport.abort()
            assert (await live.http.get("/healthz")).status_code == 200
    assert caplog.records == []
