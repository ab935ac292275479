"""Refuses requests and WebSocket handshakes that the access policy does not allow."""

from __future__ import annotations

import logging
import shlex
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.access import AccessDenied, AccessPolicy, is_origin
from service.web.cors import ListedOriginsMiddleware
from service.web.errors import error_response

log = logging.getLogger("myocast")

OPEN_PATHS: Final = frozenset({"/", "/healthz", "/favicon.ico", "/client.js", "/client.mjs", "/examples"})
OPEN_FOLDERS: Final = ("/assets/", "/examples/")
MONITORED_PATHS: Final = ("/metrics", "/readyz")
STATUS_PATH: Final = "/api/v1/status"
MAX_ORIGINS_LOGGED: Final = 64
"""Refused origins that are logged; later ones are not, so that no page can fill the log."""


class AccessMiddleware:
    """ASGI middleware that checks Host, then Origin, then the token; files without data and /healthz are open to all.

    CORS headers lie between: a preflight has no token, and a listed page may read that its token is wrong.
    """

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app, self._policy = app, policy
        self._with_cors = ListedOriginsMiddleware(self._with_token, policy)
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_open(scope):
            await self._app(scope, receive, send)
            return
        denied = None if _is_monitored(scope) else self._policy.check_host_and_origin(Headers(scope=scope))
        if denied is None:
            await self._with_cors(scope, receive, send)
            return
        if denied.origin is not None:
            self._log_once(denied.origin)
        await error_response(denied.status, denied.message, _readable_by(denied, scope))(scope, receive, send)

    async def _with_token(self, scope: Scope, receive: Receive, send: Send) -> None:
        denied = self._policy.check_token(Headers(scope=scope), scope["query_string"].decode("latin-1"))
        if denied is None:
            await self._app(scope, receive, send)
        else:
            response = error_response(denied.status, denied.message, {"WWW-Authenticate": "Bearer"})
            await response(scope, receive, send)

    def _log_once(self, origin: str) -> None:
        if origin in self._logged or len(self._logged) >= MAX_ORIGINS_LOGGED:
            return
        self._logged.add(origin)
        if is_origin(origin):
            log.warning("a page from %s was refused; to allow it, add --origin %s", origin, shlex.quote(origin))
        else:
            log.warning("a page was refused, and it says an origin that cannot be listed: %r", origin)


def _readable_by(denied: AccessDenied, scope: Scope) -> dict[str, str]:
    """Headers that let a refused page read why, in the one request by which clients in a browser ask.

    They let it read nothing else: whatever it asks for, it gets the refusal.
    """
    asks_why = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"] == STATUS_PATH
    if denied.origin is None or not asks_why:
        return {}
    return {"Access-Control-Allow-Origin": denied.origin, "Vary": "Origin"}


def _is_open(scope: Scope) -> bool:
    """Whether what is asked for holds no data: the viewer's files, the client, its examples, and the sign of life."""
    kind: str = scope["type"]
    if kind != "http":
        return kind != "websocket"
    path: str = scope["path"]
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _is_monitored(scope: Scope) -> bool:
    """Whether a monitor asks, which may know this machine under any name."""
    return scope["type"] == "http" and scope["path"] in MONITORED_PATHS
