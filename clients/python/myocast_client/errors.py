"""What keeps a client from the stream."""

from __future__ import annotations

import contextlib
import json
from typing import Final


class ClientError(Exception):
    """What keeps this client from the stream; the message is the server's own where it gave one.

    Attributes:
        status: the HTTP status of a refusal, else None.
        code: a word for programs: the server's (`unauthorized`, `forbidden`, `bad_request`, ...), or `unreachable`,
            `lost`, `silent`, `stopping`, `too_many_clients` or `policy`.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Unreachable(ClientError):
    """No Myocast server answers there (now)."""

    def __init__(self, message: str, *, status: int | None = None, code: str = "unreachable") -> None:
        super().__init__(message, status=status, code=code)


class Refused(ClientError):
    """The server will not serve this client; trying again will not help."""


class BadRequest(Refused):
    """400: an unknown stream, encoding or `max_rate`."""


class Unauthorized(Refused):
    """401: the token is missing or wrong."""


class Forbidden(Refused):
    """403: the server does not answer to this host name or origin."""


class BadSubscription(ClientError):
    """The server refused a change of subscription; the old one goes on."""


_REFUSALS: Final[dict[int, type[ClientError]]] = {400: BadRequest, 401: Unauthorized, 403: Forbidden}
_POLICY: Final = 1008


def handshake_error(status: int, body: bytes | bytearray) -> ClientError:
    """The error that an HTTP answer to the handshake means, with the server's own words where it has some."""
    code, message = "unreachable", f"the server answered {status}"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        error = json.loads(body)["error"]
        code, message = str(error["code"]), str(error["message"])
    return _REFUSALS.get(status, Unreachable)(message, status=status, code=code)


def close_error(code: int | None, reason: str | None, goodbye: str | None) -> ClientError:
    """The error that the end of an open connection means.

    Args:
        code: the WebSocket's close code; None where the connection broke.
        reason: what came with the code.
        goodbye: the reason of a `bye` that came before, or None.
    """
    if goodbye is not None or code == 1001:
        return Unreachable(goodbye or reason or "the server stopped", code="stopping")
    if code == 1013:
        return Unreachable(reason or "the server has too many clients", code="too_many_clients")
    if code == _POLICY:
        return Refused(f"the server closed the connection: {reason or 'policy'}", code="policy")
    return Unreachable(reason or "the connection was lost", code="lost")
