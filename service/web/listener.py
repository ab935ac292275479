"""The socket that the server listens on, and how many sockets the process may hold."""

from __future__ import annotations

import socket
import sys
from typing import Final

from models.errors import MyocastError
from service import sockets

BACKLOG: Final = 2048
"""Connections that may wait to be accepted; the kernel refuses more."""
UNLIMITED_DESCRIPTORS: Final = 65536
"""File descriptors to allow where the system sets no upper limit."""


RESERVED_DESCRIPTORS: Final = 96
"""File descriptors that are kept from connections: for files, ports, radios, and health checks."""


class PortError(MyocastError):
    """The address cannot be listened on."""


def listen(host: str, port: int) -> socket.socket:
    """Open a listening TCP socket; port 0 takes a free one.

    Raises:
        PortError: the port is taken, or the address is not this machine's.
    """
    try:
        return sockets.listen(host, port, BACKLOG)
    except (OSError, OverflowError) as error:
        raise PortError(_explain(host, port, error)) from None


def _explain(host: str, port: int, error: OSError | OverflowError) -> str:
    if isinstance(error, socket.gaierror):
        return f"--host {host}: no such address; use an address of this machine, such as 127.0.0.1 or 0.0.0.0"
    reason = error.strerror if isinstance(error, OSError) else "not a port number"
    return f"cannot listen on {host}:{port} ({reason}); choose another --port, or --port 0 for a free one"


def raise_descriptor_limit() -> None:
    """Raise the limit of open files to what the system grants, since every client takes one."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = UNLIMITED_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Connections that the process has descriptors for."""
    if sys.platform == "win32":
        return UNLIMITED_DESCRIPTORS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = UNLIMITED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return max(16, allowed - RESERVED_DESCRIPTORS)
