"""Who may come in: Host, Origin and token, checked in this order before anything else."""

from __future__ import annotations

import hmac
import logging
import re
import shlex
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.loopback import is_address, is_loopback, is_loopback_origin
from service.web.errors import error_body

log = logging.getLogger("myocast")

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
CORS_METHODS: Final = b"GET, POST, OPTIONS"
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^][@/?#\\:\s]+))(?::[0-9]*)?")
OPEN_PATHS: Final = frozenset({"/", "/healthz", "/favicon.ico", "/client.js", "/client.mjs", "/examples"})
OPEN_FOLDERS: Final = ("/assets/", "/examples/")
ANY_LOOPBACK: Final = "localhost"
"""The entry among the listed origins that stands for every page of this machine, whatever its port."""
MAX_ORIGINS_LOGGED: Final = 64
"""Refused origins that are logged; later ones are not, so that no page can fill the log."""
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(.+)")


@dataclass(frozen=True, slots=True)
class AccessDenied:
    status: int
    code: str
    message: str
    origin: str | None = None
    """The origin, where that is what was refused."""

    def body(self) -> bytes:
        return error_body(self.status, self.message, self.code)


@dataclass(frozen=True)
class AccessPolicy:
    """What the server was started with."""

    bind: str = "127.0.0.1"
    origins: tuple[str, ...] = ()
    token: str | None = None

    def check(
        self, headers: Mapping[str, str], query: str, *, needs_token: bool = True, any_name: bool = False
    ) -> AccessDenied | None:
        """None, or why a request is refused. `headers` has lower-case names; `any_name` leaves Host and Origin out."""
        return (None if any_name else self._check_names(headers)) or self._check_token(headers, query, needs_token)

    def _check_names(self, headers: Mapping[str, str]) -> AccessDenied | None:
        if not self._host_allowed(headers.get("host", "")):
            return AccessDenied(
                403,
                "forbidden",
                "this Host is not served; use the address that Myocast printed, or start it with --host or --origin",
            )
        origin = headers.get("origin")
        if not self.origin_allowed(origin, headers.get("host", "")):
            return AccessDenied(
                403,
                "forbidden",
                f"pages from {origin} may not connect; start Myocast with --origin {origin} to allow them",
                origin,
            )
        return None

    def _check_token(self, headers: Mapping[str, str], query: str, needs_token: bool) -> AccessDenied | None:
        if needs_token and not self._token_fits(headers.get("authorization", ""), query):
            return AccessDenied(
                401,
                "unauthorized",
                "a token is needed: `Authorization: Bearer TOKEN` or `?token=TOKEN`, as Myocast printed it",
            )
        return None

    def origin_allowed(self, origin: str | None, host: str) -> bool:
        return origin is None or self.origin_listed(origin) or authority(origin) == host.lower() != ""

    def origin_listed(self, origin: str) -> bool:
        """Whether an `--origin` names this origin, all of them (`*`), or all of this machine's (`localhost`)."""
        origin = origin.lower().rstrip("/")
        if "*" in self.origins or (ANY_LOOPBACK in self.origins and is_loopback_origin(origin)):
            return True
        return origin in (listed.lower().rstrip("/") for listed in self.origins)

    def _host_allowed(self, host: str) -> bool:
        name = host_name(host)
        if name in LOOPBACK_NAMES or name in (host_name(authority(o)) for o in self.origins):
            return bool(name)
        if name == self.bind.lower():
            return True
        return not is_loopback(self.bind) and (is_address(name) or name in machine_names())

    def _token_fits(self, authorization: str, query: str) -> bool:
        if self.token is None:
            return True
        scheme, _, bearer = authorization.partition(" ")
        if scheme.lower() == "bearer":
            # Headers are bytes, read here as Latin-1; a token is UTF-8.
            given = [bearer.strip().encode("latin-1", "replace")]
        else:
            given = [text.encode() for text in parse_qs(query).get("token", [])]
        return any(hmac.compare_digest(text, self.token.encode()) for text in given)


def host_name(host: str) -> str:
    """The name in a Host header, without its port and brackets, in lower case; empty where it is none."""
    found = _HOST.fullmatch(host.lower())
    return (found[1] or found[2]) if found else ""


def authority(origin: str) -> str:
    """`host:port` of an origin, in lower case; empty where it has none (`null`)."""
    found = _ORIGIN.fullmatch(origin.lower().rstrip("/"))
    return found[1] if found else ""


def machine_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({name, f"{name}.local", name.split(".")[0]})


class AccessMiddleware:
    """ASGI middleware that lets in what the policy allows; files without data and /healthz are open to all."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app = app
        self._policy = policy
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" and (scope["type"] != "http" or _is_open(scope["path"])):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        preflight = scope["type"] == "http" and scope["method"] == "OPTIONS" and "origin" in headers
        refusal = self._policy.check(
            headers, scope["query_string"].decode("latin-1"), needs_token=not preflight, any_name=_is_watched(scope)
        )
        cors = self._cors(headers.get("origin"))
        if refusal is not None:
            if refusal.origin is not None:
                self._log_once(refusal.origin)
                cors = _readable_by(refusal.origin) if _asks_for_status(scope) else []
            await refuse(refusal, scope, send, cors)
        elif preflight:
            await _answer(send, 204, b"", [*cors, (b"access-control-max-age", b"600")])
        else:
            await self._app(scope, receive, _with_headers(send, cors))

    def _log_once(self, origin: str) -> None:
        if origin in self._logged or len(self._logged) >= MAX_ORIGINS_LOGGED:
            return
        self._logged.add(origin)
        log.warning("a page from %s was refused; to allow it, add --origin %s", origin, shlex.quote(origin))

    def _cors(self, origin: str | None) -> list[tuple[bytes, bytes]]:
        if origin is None or not self._policy.origin_listed(origin):
            return []
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-methods", CORS_METHODS),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"vary", b"origin"),
        ]


async def refuse(refusal: AccessDenied, scope: Scope, send: Send, extra: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Answer a request, or a WebSocket's handshake, with the JSON error body."""
    prefix = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = [(b"content-type", b"application/json"), *extra]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await _answer(send, refusal.status, refusal.body(), headers, prefix)


async def _answer(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]], prefix: str = "http.response"
) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body})


def _with_headers(send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    if not extra:
        return send

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return wrapped


def _readable_by(origin: str) -> list[tuple[bytes, bytes]]:
    """Headers that let a refused page read why; nothing that it may ask for is answered with more than the refusal."""
    return [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin")]


def _asks_for_status(scope: Scope) -> bool:
    """Whether this is the request by which a client in a browser learns why its stream was refused."""
    return scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"] == "/api/v1/status"


def _is_open(path: str) -> bool:
    """Whether a path holds no data: the viewer's files, the client and its examples, and the sign of life."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _is_watched(scope: Scope) -> bool:
    """Whether a monitor asks, which may know this machine under any name."""
    return scope["type"] == "http" and scope["path"] in ("/metrics", "/readyz")


def query_value(scope: Mapping[str, Any], name: str) -> str | None:
    """The last value of a query parameter, or None."""
    values = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get(name)
    return values[-1] if values else None
