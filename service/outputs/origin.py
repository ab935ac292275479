"""Which pages may open the Leap endpoint, which has no token because its clients' address is fixed."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def allowed(origin: str | None, listed: Collection[str] = ()) -> bool:
    """Whether an Origin may pass: absent, `null`, any loopback origin, or listed (`*` lists all)."""
    return origin is None or origin == "null" or origin in listed or "*" in listed or _is_loopback(origin)


def _is_loopback(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host or parts.path or parts.query or parts.username:
            return False
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
