"""Which addresses, and which pages, are this machine's own."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_address(name: str) -> bool:
    """Return whether this is an IP address rather than a host name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(bind: str) -> bool:
    """Return whether only this machine can connect to this address."""
    return bind.lower() == "localhost" or (is_address(bind) and ipaddress.ip_address(bind).is_loopback)


def is_loopback_origin(origin: str) -> bool:
    """Return whether a page was served by this machine to itself, on any port."""
    try:
        parts = urlsplit(origin)
        beyond_origin = parts.path or parts.query or parts.fragment or parts.username is not None or parts.port == 0
        return parts.scheme in ("http", "https") and not beyond_origin and is_loopback(parts.hostname or "")
    except ValueError:
        return False
