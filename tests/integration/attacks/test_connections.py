"""Connections that never finish, and tokens that are guessed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.attack import REPOSITORY, Raw, healthy, http
from tests.support.console import Console, Server
from tests.support.training import run_cli

pytestmark = pytest.mark.alone

BEGINNINGS = {
    "nothing": b"",
    "header": b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: webso",
    "body": b"POST /api/v1/recording HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 50\r\n\r\n{",
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Servers that several tests share."""
    console = Console(REPOSITORY, tmp_path_factory.mktemp("served"))
    yield console
    console.close()


@pytest.fixture(scope="module")
def server(servers: Console) -> Server:
    return servers.serve("synthetic:")


@pytest.fixture(scope="module")
def impatient(servers: Console) -> Server:
    """A server that gives a second to what others get ten for."""
    return servers.serve("synthetic:", *_limits(header_s=1, body_s=1, handshake_s=1))


@pytest.mark.case("F12")
@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
async def test_what_never_finishes_is_gone_in_time(impatient: Server, beginning: bytes) -> None:
    server = impatient
    async with healthy(server) as other:
        raws = [await Raw.open(server, handshake=False) for _ in range(100)]
        for raw in raws:
            raw.writer.write(beginning)
        async with asyncio.timeout(20):
            for raw in raws:
                await raw.ended()
                raw.close()
        assert other.share >= 0.98
    assert "Traceback" not in server.stderr()


@pytest.mark.case("F12")
async def test_a_header_that_comes_byte_by_byte_has_no_more_time(impatient: Server) -> None:
    raw = await Raw.open(impatient, handshake=False)
    begun = asyncio.get_running_loop().time()
    with contextlib.suppress(ConnectionError):
        for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000:
            raw.writer.write(bytes([byte]))
            await raw.writer.drain()
            await asyncio.sleep(0.05)
    assert asyncio.get_running_loop().time() - begun < 15
    raw.close()


@pytest.mark.case("F12")
@pytest.mark.skipif(sys.platform == "win32", reason="descriptors have no such limit")
async def test_few_descriptors_and_many_connections(console: Console) -> None:
    """New ones get in, health checks and clients alike; who asked for nothing is cut."""
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))"
    server = console.serve("synthetic:", before=few)
    async with healthy(server) as other:
        held = [await Raw.open(server, handshake=False) for _ in range(400)]
        async with http(server) as client:
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/readyz")).status_code == 200
        async with connect(server.stream) as client:
            assert '"hello"' in str(await client.recv())
        assert other.share >= 0.98
        for raw in held:
            raw.close()
    assert server.stop() == 0


@pytest.mark.case("F12")
async def test_one_address_keeps_few_that_asked_for_nothing(console: Console) -> None:
    server = console.serve("synthetic:", *_limits(unfinished_per_address=20))
    held = [await Raw.open(server, handshake=False) for _ in range(20)]
    await asyncio.sleep(1.2)  # so old they must be to be cut
    more = [await Raw.open(server, handshake=False) for _ in range(20)]
    async with asyncio.timeout(9):  # less than their time for a header
        for raw in held:
            await raw.ended()
            raw.close()
    async with http(server) as client:
        assert (await client.get("/healthz")).status_code == 200
    for raw in more:
        raw.close()
    assert server.stop() == 0


@pytest.mark.case("W1")
async def test_tokens_cannot_be_guessed(console: Console) -> None:
    server = console.serve("synthetic:", "--token", "a-long-secret")
    looked_at = 0
    async with http(server, headers={"Authorization": "Bearer a-long-secret"}) as known, http(server) as guessing:
        assert (await known.get("/api/v1/status")).status_code == 200
        for number in range(200):
            answer = await guessing.get("/api/v1/status", params={"token": f"guess-{number}"})
            looked_at += answer.status_code == 401
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "too_many_requests"
        assert int(answer.headers["retry-after"]) >= 1
        assert looked_at <= 15
        assert (await known.get("/api/v1/status")).status_code == 200, "who has shown the token goes on"
        assert (await guessing.get("/healthz")).status_code == 200
        await asyncio.sleep(float(answer.headers["retry-after"]))
        async with http(server) as new:
            assert (await new.get("/api/v1/status?token=a-long-secret")).status_code == 200
    assert server.stop() == 0


@pytest.mark.case("W1")
async def test_a_request_has_one_token(console: Console) -> None:
    server = console.serve("synthetic:", "--token", "a-long-secret")
    twice = "?token=other&token=a-long-secret"
    async with http(server) as client:
        assert (await client.get(f"/api/v1/status{twice}")).status_code == 401
        both = {"Authorization": "Bearer other"}
        assert (await client.get("/api/v1/status?token=a-long-secret", headers=both)).status_code == 401
        two = httpx.Headers([("Authorization", "Bearer a-long-secret"), ("Authorization", "Bearer a")])
        assert (await client.get("/api/v1/status", headers=two)).status_code == 401
        assert (await client.get("/api/v1/status?token=a-long-secret")).status_code == 200
    with pytest.raises(InvalidStatus) as refused:
        async with connect(server.stream + twice):
            pass
    assert refused.value.response.status_code == 401
    assert server.stop() == 0


@pytest.mark.case("W1")
@pytest.mark.parametrize("token", ["", "a", "abcde"])
def test_a_short_token_is_refused(capsys: pytest.CaptureFixture[str], token: str) -> None:
    code, _, said = run_cli(capsys, "serve", "synthetic:", "--token", token, "--port", 0)
    assert (code, said.count("\n")) == (2, 1)
    assert "at least 6" in said


@pytest.mark.case("W3")
async def test_a_host_that_is_not_ours_gets_nothing(server: Server) -> None:
    async with http(server, headers={"Host": "rebound.example"}) as client:
        for path in ("/", "/metrics", "/readyz", "/docs", "/openapi.json", "/asyncapi.json", "/api/v1/status",
                     "/client.js", "/examples/", "/nothing"):  # fmt: skip
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), path
        assert (await client.get("/healthz")).status_code == 200, "it says nothing"


@pytest.mark.case("F14")
async def test_every_answer_has_security_headers(server: Server) -> None:
    async with http(server) as client:
        answers = [
            await client.get(path)
            for path in ("/", "/docs", "/examples/", "/examples/three.html", "/client.js", "/healthz", "/metrics",
                         "/api/v1/status", "/openapi.json", "/nothing", "/v1/stream")
        ]  # fmt: skip
        answers.append(await client.post("/api/v1/recording", json={"action": "stop"}))
        answers.append(await client.post("/api/v1/recording", content="x" * 70_000))
        answers.append(await client.get("/api/v1/status", headers={"Host": "rebound.example"}))
        answers.append(await client.request("BREW", "/"))
    for answer in answers:
        headers = answer.headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; frame-ancestors 'none'"), answer.url
        assert "unsafe-inline" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] in ("same-origin", "cross-origin")
    assert answers[4].headers["cross-origin-resource-policy"] == "cross-origin", "other pages may import the client"
    for raw_request in (b"\0\r\n\r\n", b"GET /v1/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                        b"Connection: upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n"):  # fmt: skip
        raw = await Raw.open(server, handshake=False)
        raw.writer.write(raw_request)
        received = (await raw.reader.read(65536)).lower()
        assert b"content-security-policy: default-src 'none'" in received
        assert b"nosniff" in received
        raw.close()


def _limits(**values: float) -> list[str]:
    return [text for name, value in values.items() for text in ("--limit", f"{name}={value}")]
