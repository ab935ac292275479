"""Headers on every answer that tell a browser what a page of this server may do, and who may use an answer.

The pages load nothing from elsewhere. Inline scripts and styles of the examples and of `/docs` are allowed one by one,
by their hash.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Policy of answers that are no pages."""
HEADERS: Final = (
    (b"content-security-policy", NOTHING.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
"""Headers of every answer that has none of its own."""
_INLINE: Final = re.compile(r"<(script|style)(\s[^>]*)?>(.*?)</\1>", re.DOTALL | re.IGNORECASE)


class SecurityHeadersMiddleware:
    """ASGI middleware that adds `HEADERS` to every answer, refusals of WebSockets too, where the answer has none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS:
                    headers.setdefault(name.decode(), value.decode())
            await send(message)

        await self._app(scope, receive, with_headers)


def page_policy(html: str = "", *, connect: Iterable[str] = ("'self'",), scripts: Iterable[str] = ()) -> str:
    """The Content-Security-Policy of a page: its own files, and the scripts and styles that stand in it.

    Args:
        html: the page, whose inline scripts and styles are allowed.
        connect: where it may connect to.
        scripts: what else scripts may come from or do.
    """
    hashes: dict[str, list[str]] = {"script": ["'self'", *scripts], "style": ["'self'"]}
    for kind, attributes, text in _INLINE.findall(html):
        if "src=" not in attributes:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            hashes[kind.lower()].append(f"'sha256-{digest}'")
    return "; ".join(
        [
            NOTHING,
            f"script-src {' '.join(hashes['script'])}",
            f"style-src {' '.join(hashes['style'])}",
            "img-src 'self' data:",
            f"connect-src {' '.join(connect)}",
        ]
    )
