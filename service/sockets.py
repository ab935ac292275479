"""Listening sockets, the same for HTTP and for the Leap endpoint."""

from __future__ import annotations

import socket
import sys
from typing import Final

UNREAD_S: Final = 10.0
"""Seconds without reading after which a client's connection is closed."""
SEND_BUFFER: Final = 65536
"""Bytes that the kernel buffers for a client at most."""


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """Open a listening TCP socket; port 0 takes a free one. Accepted sockets inherit the options set here.

    Raises:
        OSError, OverflowError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only with the protocol named does asyncio switch off Nagle's algorithm, which delays small messages.
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
