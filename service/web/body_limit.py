"""A limit to the length of request bodies that lets clients read why theirs was refused.

Starlette's own limit answers before the body has been read. Many clients look at an answer only when they have sent
the whole body, and find the connection closed instead.
"""

from __future__ import annotations

from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.limits import DEFAULT_LIMITS

DISCARDED: Final = 1 << 25
"""Bytes of a longer body that are read and thrown away; after them the connection is closed."""


class BodyLimitMiddleware:
    """ASGI middleware that answers a body of more than `most` bytes with 413, and keeps no more of it than that."""

    def __init__(self, app: ASGIApp, most: int = DEFAULT_LIMITS.body_bytes) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, _limited(receive, self._most) if scope["type"] == "http" else receive, send)


def _limited(receive: Receive, most: int) -> Receive:
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += _length(message)
        if size > most:
            await _refuse(message, size)
        return message

    async def _refuse(message: Message, size: int) -> None:
        while message.get("more_body") and size <= DISCARDED:
            message = await receive()
            size += _length(message)
        headers = {"Connection": "close"} if size > DISCARDED else None
        raise HTTPException(413, f"the body is longer than {most} bytes; expected a small JSON object", headers)

    return limited


def _length(message: Message) -> int:
    return len(message.get("body", b""))
