"""Errors of the HTTP side: the body of every one, and how exceptions become one.

The contract is docs/protocol.md#errors.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, cast

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from service.web.security_headers import HEADERS
from service.web.validation import describe

log = logging.getLogger("myocast")

CODES: Final = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    414: "too_large",
    426: "upgrade_required",
    429: "too_many_requests",
    431: "too_large",
    500: "internal_error",
    503: "not_ready",
    507: "disk_full",
}


class CodedError(HTTPException):
    """An error whose code does not follow from its status."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(status, message)
        self.code = code


def error_body(status: int, message: str, code: str | None = None) -> bytes:
    """`{"error":{"code","message"}}`; the code follows from the status, and the message is one line."""
    return orjson.dumps({"error": {"code": code or CODES.get(status, "error"), "message": message}})


def error_response(
    status: int, message: str, headers: Mapping[str, str] | None = None, code: str | None = None
) -> Response:
    """An answer with the error body, to a request or to a WebSocket's handshake."""
    all_headers = {**{name.decode(): value.decode() for name, value in HEADERS}, **(headers or {})}
    return Response(error_body(status, message, code), status, all_headers, media_type="application/json")


def add_error_handlers(app: FastAPI) -> None:
    """Answer every exception with the body of the contract, the framework's own exceptions too."""
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(Exception, _on_crash)


async def _on_http_error(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    phrase = HTTPStatus(error.status_code).phrase
    message = error.detail
    if message == phrase:
        # The framework's own. A HEAD is answered with the length of the GET's body.
        method = "GET" if request.method == "HEAD" else request.method
        message = f"{method} {request.url.path}: {phrase.lower()}"
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = _with_head(headers["Allow"])
    return error_response(error.status_code, message, headers, error.code if isinstance(error, CodedError) else None)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    first = cast(RequestValidationError, error).errors()[0]
    return error_response(400, describe(first))


async def _on_crash(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_response(500, "an error inside Myocast; its log says more")


def _with_head(allowed: str) -> str:
    """The value of `Allow`; HEAD is allowed wherever GET is, though by a route of its own."""
    methods = set(allowed.split(", "))
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
