"""Which addresses, and which pages, are this machine's own."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from urllib.parse import urlsplit


def is_address(name: str) -> bool:
    """Return whether this is an IP address rather than a host name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_every_address(bind: str) -> bool:
    """Return whether a server bound to this listens on every address of this machine: no page can be opened there."""
    return is_address(bind) and ipaddress.ip_address(bind).is_unspecified


def machine_addresses(*, version: int = 4) -> list[str]:
    """Return this machine's addresses on its networks, the one of the default route first; without loopback."""
    family, beyond = (socket.AF_INET, "192.0.2.1") if version == 4 else (socket.AF_INET6, "2001:db8::1")
    found: list[str] = []
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        # Connecting a datagram socket sends nothing; it chooses the address that would be sent from.
        probe.connect((beyond, 9))
        found.append(str(probe.getsockname()[0]))
    with suppress(OSError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, family)]
    return [text for text in dict.fromkeys(found) if not ipaddress.ip_address(text).is_loopback]


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
