"""The body of every answer that is an error (contract: section 3, "HTTP")."""

from __future__ import annotations

from typing import Final

import orjson

CODES: Final = {
    400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    409: "conflict", 413: "too_large", 414: "too_large", 426: "upgrade_required", 431: "too_large",
    500: "internal_error", 503: "not_ready", 507: "disk_full",
}  # fmt: skip


def error_body(status: int, message: str, code: str | None = None) -> bytes:
    """`{"error":{"code","message"}}`; the code follows from the status where none is given, the message is one line."""
    return orjson.dumps({"error": {"code": code or CODES.get(status, "error"), "message": message}})
