"""Sockets that clients connect to, the same for every protocol that is spoken on them."""

from __future__ import annotations

import socket
import sys
from typing import Final

UNREAD_S: Final = 10.0
"""A client that has read nothing for so long is gone, its socket included."""
SEND_BUFFER: Final = 65536
"""Bytes that may pile up in the kernel for a client."""


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Accepted sockets inherit what is set here.

    Raises:
        OSError, OverflowError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small messages at once; else each waits for the last one's receipt (Nagle).
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_S * 1000))
        sock.bind((host, port))
        sock.listen(backlog)
    except (OSError, OverflowError):
        sock.close()
        raise
    sock.setblocking(False)
    return sock
