"""What is let through to the application, what is refused before, and the headers of both."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.web.access import AccessPolicy
from service.web.access_middleware import MAX_ORIGINS_LOGGED, AccessMiddleware

LOOPBACK = AccessPolicy()
ABROAD = AccessPolicy("0.0.0.0", token="secret")


class MiddlewareClient:
    """The middleware around an application that notes what reached it."""

    def __init__(self, policy: AccessPolicy) -> None:
        self.reached: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.middleware = AccessMiddleware(self._app, policy)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(scope["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def request(self, path: str, kind: str = "http", method: str = "GET", **headers: str) -> int:
        async def send(message: Any) -> None:
            self.sent.append(message)

        self.sent.clear()
        raw = [(name.encode(), value.encode("latin-1")) for name, value in {"host": "localhost", **headers}.items()]
        scope = {"type": kind, "path": path, "method": method, "headers": raw, "query_string": b""}
        await self.middleware(scope, None, send)  # type: ignore[arg-type]
        answer: int = self.sent[0]["status"]
        return answer

    def header(self, name: bytes) -> bytes | None:
        return dict(self.sent[0]["headers"]).get(name)

    def error(self) -> dict[str, str]:
        error: dict[str, str] = json.loads(self.sent[1]["body"])["error"]
        return error


@pytest.mark.parametrize(
    "path",
    ["/", "/healthz", "/favicon.ico", "/assets/index.js", "/client.js", "/client.mjs", "/examples", "/examples/",
     "/examples/three.html"],
)  # fmt: skip
async def test_files_and_health_need_no_token_and_any_page_may_use_them(path: str) -> None:
    client = MiddlewareClient(ABROAD)
    assert await client.request(path, origin="http://evil.example:1") == 200
    wrong_host = await client.request(path, host="evil.example", origin="http://evil.example:1")
    assert wrong_host == (200 if path == "/healthz" else 403)


@pytest.mark.parametrize(
    "path",
    ["/api/v1/status", "/api/v1/model", "/api/v1/recording", "/metrics", "/readyz", "/v1/stream", "/nothing",
     "/healthz/", "//", "/assets", "/openapi.json", "/client.js/", "/client.json", "/examples.html"],
)  # fmt: skip
async def test_everything_else_needs_the_token(path: str) -> None:
    client = MiddlewareClient(ABROAD)
    assert await client.request(path) == 401
    assert client.header(b"www-authenticate") == b"Bearer"
    assert client.reached == []
    assert await client.request(path, authorization="Bearer secret") == 200


@pytest.mark.case("W3")
@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/api/v1/status", "/docs", "/"])
async def test_another_name_is_not_served(path: str) -> None:
    for policy in (LOOPBACK, ABROAD):
        client = MiddlewareClient(policy)
        assert await client.request(path, host="rebound.example:8765", authorization="Bearer secret") == 403
        assert client.reached == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_only_the_token_that_controls_changes_anything(method: str) -> None:
    client = MiddlewareClient(AccessPolicy(token="control", watch_token="watch", label_token="label"))
    for token in ("watch", "label"):
        headers = {"authorization": f"Bearer {token}"}
        assert await client.request("/api/v1/recording", method=method, **headers) == 403
        assert token in client.error()["message"]
        assert await client.request("/api/v1/status", **headers) == 200
        assert await client.request("/v1/stream", "websocket", **headers) == 200
    assert await client.request("/api/v1/recording", method=method, authorization="Bearer control") == 200


async def test_the_order_is_host_origin_token() -> None:
    client = MiddlewareClient(ABROAD)
    wrong = {"host": "evil.example", "origin": "http://evil.example:1"}
    assert await client.request("/api/v1/status", **wrong) == 403
    assert "Host" in client.error()["message"]
    assert await client.request("/api/v1/status", **(wrong | {"host": "localhost"})) == 403
    assert "--origin" in client.error()["message"]
    assert await client.request("/api/v1/status", host="localhost") == 401
    assert client.error()["code"] == "unauthorized"
    assert "secret" not in client.error()["message"]


async def test_a_refusal_has_the_body_of_the_contract() -> None:
    client = MiddlewareClient(LOOPBACK)
    assert await client.request("/api/v1/status", host="evil.example") == 403
    assert client.header(b"content-type") == b"application/json"
    body = json.loads(client.sent[1]["body"])
    assert body["error"]["code"] == "forbidden"
    assert list(body["error"]) == ["code", "message"]
    assert client.header(b"content-length") == str(len(client.sent[1]["body"])).encode()


async def test_a_refused_handshake_has_it_too() -> None:
    client = MiddlewareClient(ABROAD)
    assert await client.request("/v1/stream", kind="websocket") == 401
    assert [m["type"] for m in client.sent] == ["websocket.http.response.start", "websocket.http.response.body"]


@pytest.mark.parametrize("path", ["/", "/healthz", "/assets/x"])
async def test_no_handshake_is_open(path: str) -> None:
    assert await MiddlewareClient(ABROAD).request(path, kind="websocket") == 401


async def test_listed_origins_get_cors_headers_and_others_do_not() -> None:
    client = MiddlewareClient(AccessPolicy(origins=("https://app.example",)))
    assert await client.request("/api/v1/status", origin="https://app.example") == 200
    assert client.header(b"access-control-allow-origin") == b"https://app.example"
    assert client.header(b"vary") == b"Origin"
    assert await client.request("/api/v1/status") == 200
    assert client.header(b"access-control-allow-origin") is None
    assert await client.request("/api/v1/model", origin="https://evil.example") == 403
    assert client.header(b"access-control-allow-origin") is None


async def test_a_refused_page_can_read_why_and_nothing_else() -> None:
    client = MiddlewareClient(AccessPolicy(origins=("https://app.example",), token="t"))
    assert await client.request("/api/v1/status", origin="https://evil.example", authorization="Bearer t") == 403
    assert client.reached == []
    assert client.header(b"access-control-allow-origin") == b"https://evil.example"
    assert client.header(b"access-control-allow-credentials") is None
    assert client.header(b"access-control-allow-headers") is None
    assert client.header(b"vary") == b"Origin"
    assert json.loads(client.sent[1]["body"]) == {
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
        assert await client.request(path, kind, method, origin="https://evil.example") == 403, path
        assert client.header(b"access-control-allow-origin") is None, path
    assert await client.request("/api/v1/status", origin="https://evil.example", host="evil.example:1") == 403
    assert client.header(b"access-control-allow-origin") is None, "a wrong Host is not explained to other pages"


async def test_each_refused_origin_is_logged_once_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    client = MiddlewareClient(AccessPolicy(token="t"))
    for origin in ("https://a.example", "https://b.example", "https://a.example", "https://x;touch_y"):
        await client.request("/v1/stream", "websocket", origin=origin)
        await client.request("/api/v1/status", origin=origin)
    assert [record.getMessage() for record in caplog.records] == [
        "a page from https://a.example was refused; to allow it, add --origin https://a.example",
        "a page from https://b.example was refused; to allow it, add --origin https://b.example",
        "a page from https://x;touch_y was refused; to allow it, add --origin 'https://x;touch_y'",
    ]
    await client.request("/api/v1/status")
    assert len(caplog.records) == 3, "a missing token is no refused origin"


async def test_no_page_can_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client = MiddlewareClient(LOOPBACK)
    for number in range(MAX_ORIGINS_LOGGED + 10):
        await client.request("/v1/stream", "websocket", origin=f"https://{number}.example")
    assert len(caplog.records) == MAX_ORIGINS_LOGGED


async def test_a_refusal_of_a_listed_origin_can_be_read_by_its_page() -> None:
    client = MiddlewareClient(AccessPolicy(origins=("https://app.example",), token="t"))
    assert await client.request("/api/v1/status", origin="https://app.example") == 401
    assert client.header(b"access-control-allow-origin") == b"https://app.example"


async def test_a_preflight_needs_no_token_but_a_listed_origin() -> None:
    client = MiddlewareClient(AccessPolicy(origins=("https://app.example",), token="t"))
    assert await client.request("/api/v1/recording", method="OPTIONS", origin="https://app.example") == 204
    allowed = client.header(b"access-control-allow-headers") or b""
    assert b"authorization" in allowed
    assert b"content-type" in allowed
    assert b"POST" in (client.header(b"access-control-allow-methods") or b"")
    assert await client.request("/api/v1/recording", method="OPTIONS", origin="https://evil.example") == 403
    assert client.reached == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_preflight_names_what_is_allowed_whatever_it_asks_for(method: str) -> None:
    client = MiddlewareClient(AccessPolicy(origins=("https://app.example",), token="t"))
    asks = {"access-control-request-method": method, "access-control-request-headers": "authorization, x-other"}
    assert await client.request("/api/v1/recording", method="OPTIONS", origin="https://app.example", **asks) == 204
    assert client.header(b"access-control-allow-origin") == b"https://app.example"
    assert client.header(b"access-control-allow-methods") == b"GET, POST, OPTIONS"
    assert client.header(b"access-control-max-age") == b"600"
    assert b"x-other" not in (client.header(b"access-control-allow-headers") or b"")
    assert b"Origin" in (client.header(b"vary") or b"")
    assert client.sent[1]["body"] == b""
    assert client.reached == []


async def test_a_preflight_of_the_servers_own_page_names_no_origin() -> None:
    client = MiddlewareClient(LOOPBACK)
    assert await client.request("/api/v1/recording", method="OPTIONS", origin="http://localhost") == 204
    assert client.header(b"access-control-allow-origin") is None


async def test_answers_of_the_application_vary_by_origin() -> None:
    client = MiddlewareClient(AccessPolicy(origins=("https://app.example",)))
    assert await client.request("/api/v1/status") == 200
    assert client.header(b"vary") == b"Origin"
    assert await client.request("/") == 200
    assert client.header(b"vary") is None, "an open file is the same for everybody"
