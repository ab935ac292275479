"""Refuses requests and WebSocket handshakes that the access policy does not allow."""

from __future__ import annotations

import logging
import shlex
from math import ceil
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.access import AccessDenied, AccessPolicy, allows, is_origin
from service.web.cors import ListedOriginsMiddleware
from service.web.errors import error_response
from service.web.token_guesses import TokenGuesses

log = logging.getLogger("myocast")

OPEN_PATHS: Final = frozenset({"/", "/healthz", "/favicon.ico", "/client.js", "/client.mjs", "/examples"})
OPEN_FOLDERS: Final = ("/assets/", "/examples/")
HEALTH_PATH: Final = "/healthz"
"""Answers under every name, since it says nothing but that the process runs."""
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SCOPE: Final = "myocast.scope"
"""Key of the ASGI scope that holds what the request's token allows."""
STATUS_PATH: Final = "/api/v1/status"
MAX_ORIGINS_LOGGED: Final = 64
"""Refused origins that are logged; later ones are not, so that no page can fill the log."""


class AccessMiddleware:
    """ASGI middleware that checks Host, then Origin, then the token; files without data need the Host alone.

    CORS headers lie between: a preflight has no token, and a listed page may read that its token is wrong.
    """

    def __init__(self, app: ASGIApp, policy: AccessPolicy, guesses: TokenGuesses | None = None) -> None:
        self._app, self._policy = app, policy
        self._guesses = guesses or TokenGuesses()
        self._with_cors = ListedOriginsMiddleware(self._with_token, policy)
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] in ("http", "websocket") else Headers()
        if _is_open(scope):
            named = scope["type"] != "http" or scope["path"] == HEALTH_PATH
            denied = None if named else self._policy.check_host(headers.get("host", ""))
            application: ASGIApp = self._app
        else:
            denied = self._policy.check_host_and_origin(headers)
            application = self._with_cors
        if denied is None:
            await application(scope, receive, send)
            return
        if denied.origin is not None:
            self._log_once(denied.origin)
        await error_response(denied.status, denied.message, _readable_by(denied, scope))(scope, receive, send)

    async def _with_token(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = tuple(scope.get("client") or ("", 0))
        wait_s = self._guesses.wait_s(client)
        if wait_s > 0.0:
            message = f"too many wrong tokens came from this address; try again in {ceil(wait_s)} s"
            await error_response(429, message, {"Retry-After": str(ceil(wait_s))})(scope, receive, send)
            return
        held = self._policy.check_token(
            Headers(scope=scope).getlist("authorization"), scope["query_string"].decode("latin-1")
        )
        if isinstance(held, AccessDenied):
            if held.guessed:
                self._guesses.wrong(client)
            response = error_response(held.status, held.message, {"WWW-Authenticate": "Bearer"})
            await response(scope, receive, send)
            return
        self._guesses.right(client)
        if scope["type"] == "http" and scope["method"] not in READING and not allows(held, "control"):
            await error_response(403, f"this token allows to {held} only; use the one that controls")(
                scope, receive, send
            )
            return
        scope[SCOPE] = held
        await self._app(scope, receive, send)

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
