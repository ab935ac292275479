"""Who may come in: Host, then Origin, then token, for any spelling of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.loopback import is_loopback
from service.web.access import (
    MAX_ORIGINS_LOGGED,
    AccessDenied,
    AccessMiddleware,
    AccessPolicy,
    host_name,
    query_value,
)

LOOPBACK = AccessPolicy()
ABROAD = AccessPolicy("0.0.0.0", token="secret")


def status(policy: AccessPolicy, headers: dict[str, str], query: str = "") -> int:
    refusal = policy.check(headers, query)
    return 200 if refusal is None else refusal.status


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8765", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8765", "LOCALHOST:8765"]
)
def test_loopback_names_are_always_served(host: str) -> None:
    assert status(LOOPBACK, {"host": host}) == 200
    assert status(AccessPolicy("192.168.1.5"), {"host": host}) == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.5",
        "0.0.0.0",
        "[fe80::1]",
        "[",
        "]",
        "[::1",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost/",
        "localhost#",
        "localhost?x",
        "a b",
        "localhost:x",
        "local\thost",
    ],
)
def test_any_other_host_is_refused_on_loopback(host: str) -> None:
    assert status(LOOPBACK, {"host": host}) == 403


def test_no_host_is_refused() -> None:
    assert status(LOOPBACK, {}) == 403


@pytest.mark.parametrize("host", ["192.168.1.5", "192.168.1.5:8765", "[fe80::1]:8765", "10.0.0.1"])
def test_bound_elsewhere_addresses_are_served(host: str) -> None:
    assert status(AccessPolicy("0.0.0.0"), {"host": host}) == 200
    assert status(AccessPolicy("::"), {"host": host}) == 200


def test_the_address_that_is_printed_is_served() -> None:
    assert status(AccessPolicy("127.0.0.2"), {"host": "127.0.0.2:8765"}) == 200
    assert status(AccessPolicy("127.0.0.2"), {"host": "127.0.0.3:8765"}) == 403


def test_bound_elsewhere_this_machines_name_is_served_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Lab-PC.example.org")
    for host in ("lab-pc.example.org", "lab-pc:8765", "LAB-PC"):
        assert status(AccessPolicy("0.0.0.0"), {"host": host}) == 200
    assert status(AccessPolicy("0.0.0.0"), {"host": "evil.example"}) == 403
    assert status(LOOPBACK, {"host": "lab-pc"}) == 403


def test_the_host_of_a_listed_origin_is_served() -> None:
    policy = AccessPolicy(origins=("https://myocast.example:8443", "null", "*"))
    assert status(policy, {"host": "myocast.example"}) == 200
    assert status(policy, {"host": "other.example"}) == 403


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (None, "localhost:8765", 200),
        ("http://localhost:8765", "localhost:8765", 200),
        ("http://127.0.0.1:8765", "127.0.0.1:8765", 200),
        ("https://LOCALHOST:8765", "localhost:8765", 200),
        ("http://localhost:9000", "localhost:8765", 403),
        ("http://127.0.0.1:8765", "localhost:8765", 403),
        ("http://evil.example", "localhost:8765", 403),
        ("null", "localhost:8765", 403),
        ("", "localhost:8765", 403),
        ("http://[", "localhost:8765", 403),
        ("http://[::1", "localhost:8765", 403),
        ("file://", "localhost:8765", 403),
        ("http://evil.example@localhost:8765", "localhost:8765", 403),
        ("chrome-extension://abc", "localhost:8765", 403),
        ("localhost:8765", "localhost:8765", 403),
    ],
)
def test_an_origin_is_absent_or_the_servers_own(origin: str | None, host: str, expected: int) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    assert status(LOOPBACK, headers) == expected


@pytest.mark.parametrize(
    ("listed", "origin", "expected"),
    [
        ("https://app.example", "https://app.example", 200),
        ("https://app.example/", "https://APP.example", 200),
        ("https://app.example", "http://app.example", 403),
        ("https://app.example", "https://app.example:444", 403),
        ("https://app.example", "https://app.example.evil", 403),
        ("null", "null", 200),
        ("null", "https://app.example", 403),
        ("*", "https://app.example", 200),
        ("*", "null", 200),
        ("*", "http://[", 200),
        ("localhost", "http://localhost:3000", 200),
        ("localhost", "https://LOCALHOST:5173", 200),
        ("localhost", "http://localhost", 200),
        ("localhost", "http://127.0.0.1:8080", 200),
        ("localhost", "https://[::1]:1", 200),
        ("localhost", "http://localhost.evil.example", 403),
        ("localhost", "http://evil.example/localhost", 403),
        ("localhost", "http://localhost:1@evil.example", 403),
        ("localhost", "http://localhost:port", 403),
        ("localhost", "http://[::2]:1", 403),
        ("localhost", "ftp://localhost", 403),
        ("localhost", "null", 403),
        ("https://localhost", "https://localhost:3000", 403),
    ],
)
def test_listed_origins(listed: str, origin: str, expected: int) -> None:
    assert status(AccessPolicy(origins=(listed,)), {"host": "localhost:1", "origin": origin}) == expected


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({}, "", 401),
        ({"authorization": "Bearer secret"}, "", 200),
        ({"authorization": "bearer  secret "}, "", 200),
        ({"authorization": "Bearer wrong"}, "", 401),
        ({"authorization": "Bearer "}, "", 401),
        ({"authorization": "Basic secret"}, "", 401),
        ({"authorization": "secret"}, "", 401),
        ({}, "token=secret", 200),
        ({}, "streams=pose&token=secret", 200),
        ({}, "token=wrong", 401),
        ({}, "token=", 401),
        ({}, "Token=secret", 401),
        ({}, "token=secre", 401),
        ({}, "token=%E2%82%AC", 401),
        ({"authorization": "Bearer \xe9"}, "", 401),
    ],
)
def test_the_token(headers: dict[str, str], query: str, expected: int) -> None:
    assert status(ABROAD, {"host": "localhost", **headers}, query) == expected


def test_a_token_may_hold_any_character() -> None:
    assert status(AccessPolicy(token="€ & ü"), {"host": "localhost"}, "token=%E2%82%AC+%26+%C3%BC") == 200


def test_a_token_in_a_header_is_utf8() -> None:
    sent = "Bearer tök".encode().decode("latin-1")
    assert status(AccessPolicy(token="tök"), {"host": "localhost", "authorization": sent}) == 200
    assert status(AccessPolicy(token="tok"), {"host": "localhost", "authorization": sent}) == 401


def test_the_order_is_host_origin_token() -> None:
    wrong = {"host": "evil.example", "origin": "http://evil.example:1"}
    first = ABROAD.check(wrong, "")
    assert first is not None
    assert (first.status, "Host" in first.message) == (403, True)
    second = ABROAD.check(wrong | {"host": "localhost"}, "")
    assert second is not None
    assert (second.status, "--origin" in second.message) == (403, True)
    third = ABROAD.check({"host": "localhost"}, "")
    assert third is not None
    assert (third.status, third.code) == (401, "unauthorized")
    assert "secret" not in third.message


@given(host=st.text(max_size=30), origin=st.none() | st.text(max_size=30), query=st.text(max_size=30))
def test_judging_never_raises(host: str, origin: str | None, query: str) -> None:
    headers = {"host": host, "authorization": host} | ({} if origin is None else {"origin": origin})
    for policy in (LOOPBACK, ABROAD, AccessPolicy("0.0.0.0", ("http://a.example",), "t")):
        result = policy.check(headers, query)
        assert result is None or result.status in (401, 403)


@pytest.mark.parametrize(
    ("bind", "expected"),
    [("127.0.0.1", True), ("127.0.0.2", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.5", False), ("lab-pc", False), ("", False)],
)  # fmt: skip
def test_what_loopback_is(bind: str, expected: bool) -> None:
    assert is_loopback(bind) is expected


def test_the_name_in_a_host() -> None:
    assert [host_name(h) for h in ("A.b:1", "[::1]:8", "x")] == ["a.b", "::1", "x"]


def test_query_value_takes_the_last_one() -> None:
    scope = {"query_string": b"streams=pose&streams=emg&x=&y=%20"}
    assert [query_value(scope, name) for name in ("streams", "x", "y", "z")] == ["emg", "", " ", None]


class Asked:
    """The gate before an application that notes what reached it."""

    def __init__(self, policy: AccessPolicy) -> None:
        self.reached: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.gate = AccessMiddleware(self._app, policy)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(scope["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(self, path: str, kind: str = "http", method: str = "GET", **headers: str) -> int:
        async def send(message: Any) -> None:
            self.sent.append(message)

        self.sent.clear()
        raw = [(name.encode(), value.encode("latin-1")) for name, value in {"host": "localhost", **headers}.items()]
        scope = {"type": kind, "path": path, "method": method, "headers": raw, "query_string": b""}
        await self.gate(scope, None, send)  # type: ignore[arg-type]
        answer: int = self.sent[0]["status"]
        return answer

    def header(self, name: bytes) -> bytes | None:
        return dict(self.sent[0]["headers"]).get(name)


@pytest.mark.parametrize(
    "path",
    ["/", "/healthz", "/favicon.ico", "/assets/index.js", "/client.js", "/client.mjs", "/examples", "/examples/",
     "/examples/three.html"],
)  # fmt: skip
async def test_files_and_health_are_open(path: str) -> None:
    asked = Asked(ABROAD)
    assert await asked.ask(path, host="evil.example", origin="http://evil.example:1") == 200


@pytest.mark.parametrize(
    "path",
    ["/api/v1/status", "/api/v1/model", "/api/v1/recording", "/metrics", "/readyz", "/v1/stream", "/nothing",
     "/healthz/", "//", "/assets", "/openapi.json", "/client.js/", "/client.json", "/examples.html"],
)  # fmt: skip
async def test_everything_else_needs_the_token(path: str) -> None:
    asked = Asked(ABROAD)
    assert await asked.ask(path) == 401
    assert asked.header(b"www-authenticate") == b"Bearer"
    assert asked.reached == []
    assert await asked.ask(path, authorization="Bearer secret") == 200


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
async def test_a_monitor_may_use_any_name_but_needs_the_token(path: str) -> None:
    asked = Asked(ABROAD)
    assert await asked.ask(path, host="myocast.example:8765") == 401
    assert await asked.ask(path, host="myocast.example:8765", authorization="Bearer secret") == 200
    assert await Asked(LOOPBACK).ask("/api/v1/status", host="myocast.example:8765") == 403


async def test_a_refusal_has_the_body_of_the_contract() -> None:
    asked = Asked(LOOPBACK)
    assert await asked.ask("/api/v1/status", host="evil.example") == 403
    assert asked.header(b"content-type") == b"application/json"
    body = json.loads(asked.sent[1]["body"])
    assert body["error"]["code"] == "forbidden"
    assert list(body["error"]) == ["code", "message"]
    assert asked.header(b"content-length") == str(len(asked.sent[1]["body"])).encode()


async def test_a_refused_handshake_has_it_too() -> None:
    asked = Asked(ABROAD)
    assert await asked.ask("/v1/stream", kind="websocket") == 401
    assert [m["type"] for m in asked.sent] == ["websocket.http.response.start", "websocket.http.response.body"]


@pytest.mark.parametrize("path", ["/", "/healthz", "/assets/x"])
async def test_no_handshake_is_open(path: str) -> None:
    assert await Asked(ABROAD).ask(path, kind="websocket") == 401


async def test_listed_origins_get_cors_headers_and_others_do_not() -> None:
    asked = Asked(AccessPolicy(origins=("https://app.example",)))
    assert await asked.ask("/api/v1/status", origin="https://app.example") == 200
    assert asked.header(b"access-control-allow-origin") == b"https://app.example"
    assert asked.header(b"vary") == b"origin"
    assert await asked.ask("/api/v1/status") == 200
    assert asked.header(b"access-control-allow-origin") is None
    assert await asked.ask("/api/v1/model", origin="https://evil.example") == 403
    assert asked.header(b"access-control-allow-origin") is None


async def test_a_refused_page_can_read_why_and_nothing_else() -> None:
    asked = Asked(AccessPolicy(origins=("https://app.example",), token="t"))
    assert await asked.ask("/api/v1/status", origin="https://evil.example", authorization="Bearer t") == 403
    assert asked.reached == []
    assert asked.header(b"access-control-allow-origin") == b"https://evil.example"
    assert asked.header(b"access-control-allow-credentials") is None
    assert asked.header(b"access-control-allow-headers") is None
    assert asked.header(b"vary") == b"origin"
    assert json.loads(asked.sent[1]["body"]) == {
        "error": {
            "code": "forbidden",
            "message": "pages from https://evil.example may not connect; "
            "start Myocast with --origin https://evil.example to allow them",
        }
    }
    for path, kind, method in (
        ("/api/v1/status", "http", "POST"),
        ("/api/v1/status", "http", "OPTIONS"),
        ("/api/v1/status", "websocket", "GET"),
        ("/api/v1/recording", "http", "POST"),
        ("/metrics/", "http", "GET"),
        ("/v1/stream", "websocket", "GET"),
    ):
        assert await asked.ask(path, kind, method, origin="https://evil.example") == 403, path
        assert asked.header(b"access-control-allow-origin") is None, path
    assert await asked.ask("/api/v1/status", origin="https://evil.example", host="evil.example:1") == 403
    assert asked.header(b"access-control-allow-origin") is None, "a wrong Host is not explained to other pages"


async def test_each_refused_origin_is_logged_once_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked(AccessPolicy(token="t"))
    for origin in ("https://a.example", "https://b.example", "https://a.example", "https://x;touch y"):
        await asked.ask("/v1/stream", "websocket", origin=origin)
        await asked.ask("/api/v1/status", origin=origin)
    assert [record.getMessage() for record in caplog.records] == [
        "a page from https://a.example was refused; to allow it, add --origin https://a.example",
        "a page from https://b.example was refused; to allow it, add --origin https://b.example",
        "a page from https://x;touch y was refused; to allow it, add --origin 'https://x;touch y'",
    ]
    await asked.ask("/api/v1/status")
    assert len(caplog.records) == 3, "a missing token is no refused origin"


async def test_no_page_can_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked(LOOPBACK)
    for number in range(MAX_ORIGINS_LOGGED + 10):
        await asked.ask("/v1/stream", "websocket", origin=f"https://{number}.example")
    assert len(caplog.records) == MAX_ORIGINS_LOGGED


async def test_a_refusal_of_a_listed_origin_can_be_read_by_its_page() -> None:
    asked = Asked(AccessPolicy(origins=("https://app.example",), token="t"))
    assert await asked.ask("/api/v1/status", origin="https://app.example") == 401
    assert asked.header(b"access-control-allow-origin") == b"https://app.example"


async def test_a_preflight_needs_no_token_but_a_listed_origin() -> None:
    asked = Asked(AccessPolicy(origins=("https://app.example",), token="t"))
    assert await asked.ask("/api/v1/recording", method="OPTIONS", origin="https://app.example") == 204
    allowed = asked.header(b"access-control-allow-headers") or b""
    assert b"authorization" in allowed
    assert b"content-type" in allowed
    assert b"POST" in (asked.header(b"access-control-allow-methods") or b"")
    assert await asked.ask("/api/v1/recording", method="OPTIONS", origin="https://evil.example") == 403
    assert asked.reached == []


def test_a_refusal_is_json() -> None:
    assert json.loads(AccessDenied(400, "bad_request", 'a "quoted" thing').body()) == {
        "error": {"code": "bad_request", "message": 'a "quoted" thing'}
    }
