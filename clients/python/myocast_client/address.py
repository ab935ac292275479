"""Where a server's stream is, from the address that a person copies."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from myocast_client.errors import ClientError


def stream_url(url: str, streams: Iterable[str], max_rate: float | None) -> tuple[str, str | None]:
    """The WebSocket address that an address as people have it means, and the token it carries.

    `http://HOST:PORT/#token=T` (what `myocast serve` prints), `ws://HOST:PORT` and full stream URLs
    are all taken.

    Raises:
        ClientError: not an address.
    """
    try:
        parts = urlsplit(url if "://" in url else f"ws://{url}")
        scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}[parts.scheme]
        missing = not parts.hostname or parts.port == 0
    except (KeyError, ValueError):
        missing = True
    if missing:
        raise ClientError(f"{url!r} is no address of a stream: give one like http://127.0.0.1:8765/")
    query = dict(parse_qsl(parts.query)) | {"streams": ",".join(streams)}
    token = query.pop("token", None) or dict(parse_qsl(parts.fragment)).get("token")
    if max_rate is not None:
        query["max_rate"] = f"{max_rate:g}"
    path = parts.path if parts.path not in ("", "/") else "/v1/stream"
    return urlunsplit((scheme, parts.netloc, path, urlencode(query, safe=","), "")), token and unquote(token)
