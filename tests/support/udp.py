"""Sockets that receive what the UDP output sends."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import ExitStack
from typing import Any


async def receive(listener: socket.socket) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.get_running_loop().sock_recv(listener, 65536))
    return message


def neighbours(stack: ExitStack, count: int) -> list[socket.socket]:
    """Sockets on neighbouring ports, chosen by the system."""
    while True:
        sockets: list[socket.socket] = []
        with ExitStack() as attempt:
            try:
                for k in range(count):
                    listener = attempt.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    listener.setblocking(False)
                    listener.bind(("127.0.0.1", sockets[0].getsockname()[1] + k if sockets else 0))
                    sockets.append(listener)
            except OSError:
                continue
            stack.push(attempt.pop_all())
            return sockets
