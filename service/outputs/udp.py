"""Poses as UDP datagrams of JSON, the message that Neurotron's Godot scenes receive.

A message has 21 keys, `wrist` and `<finger>_<p|i|d|t>` from the palm outwards, each [x, y, z] in centimetres, and
`exit` (2 = go on, 1 = the scene quits, which is never sent). Ground truth goes to the next port, for the scene that
compares both. Each further armband has the next pair of ports.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from types import TracebackType
from typing import Final

import numpy as np
import orjson

from models.arrays import Float32Array
from models.errors import MyocastError
from models.hand import FINGERS
from service.broadcast.rate_limiter import RateLimiter
from service.engine.pose import Pose
from service.events import DeviceEvent
from service.loopback import is_loopback

log = logging.getLogger("myocast")

MAX_RATE_HZ: Final = 60.0
"""Datagrams per second at most: a scene reads one per drawn frame, and lags behind a faster stream."""
KEYS: Final = ("wrist", *(f"{finger}_{bone}" for finger in FINGERS for bone in "pidt"))
GO_ON: Final = 2
_MM_PER_CM: Final = 10.0


class UdpError(MyocastError):
    """`--udp` names no address that can be sent to."""


def encode(joints: Float32Array) -> bytes:
    """Encode joints (63,) in mm as one datagram."""
    points = np.round(joints.reshape(21, 3).astype(np.float64) / _MM_PER_CM, 4).tolist()
    return orjson.dumps({**dict(zip(KEYS, points, strict=True)), "exit": GO_ON})


def parse_address(text: str) -> tuple[str, int]:
    """Split `HOST:PORT` or `[HOST]:PORT`.

    Raises:
        UdpError: it is neither.
    """
    host, _, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65535:
        raise UdpError(f"--udp {text!r}: expected HOST:PORT with a port from 1 to 65534, like 127.0.0.1:4243")
    return host, int(port)


class _Datagrams(asyncio.DatagramProtocol):
    """Logs why datagrams are not sent, once a reason, and that nothing listens not at all."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._logged: set[str] = set()

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, ConnectionRefusedError):
            return
        reason = getattr(exc, "strerror", None) or str(exc)
        if reason not in self._logged:
            self._logged.add(reason)
            log.warning("--udp %s: poses are not sent (%s)", self._address, reason)


class UdpOutput:
    """Sends the newest pose at most 60 times a second, whether or not anything receives it."""

    def __init__(self, address: str) -> None:
        self._text = address
        self._host, self._port = parse_address(address)
        self._target: tuple[str, int] = (self._host, self._port)
        self._transport: asyncio.DatagramTransport | None = None
        self._limiters: dict[int, RateLimiter[Pose]] = {}
        self.sent = 0
        """Datagrams sent so far."""

    @property
    def address(self) -> str:
        """Where the poses go."""
        return f"udp://{self._text}"

    async def __aenter__(self) -> UdpOutput:
        """Open a socket.

        Raises:
            UdpError: the host has no address.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            family, _, _, _, target = found[0]
            self._target = (str(target[0]), self._port)
            if not is_loopback(self._target[0]):
                log.warning("--udp %s: poses leave this machine, for whoever is at that address to read", self._text)
            self._transport, _ = await loop.create_datagram_endpoint(
                partial(_Datagrams, self._text), family=family, allow_broadcast=family == socket.AF_INET or None
            )
        except OSError as error:
            raise UdpError(f"--udp {self._text!r}: {error.strerror}; name a host that this machine knows") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for limiter in self._limiters.values():
            limiter.close()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Send a pose at the next time of the 60 Hz grid, unless a newer one comes first."""
        if isinstance(event, Pose):
            self._limit(device, event)

    def _limit(self, device: int, pose: Pose) -> None:
        limiter = self._limiters.get(device)
        if limiter is None:
            limiter = self._limiters[device] = RateLimiter(MAX_RATE_HZ, self._send, asyncio.get_running_loop())
        limiter.put(pose)

    def _send(self, pose: Pose) -> None:
        port = self._port + 2 * pose.device
        self._datagram(pose.joints, port)
        if pose.truth is not None:
            self._datagram(pose.truth, port + 1)

    def _datagram(self, joints: Float32Array, port: int) -> None:
        if self._transport is not None and port < 65536:
            self._transport.sendto(encode(joints), (self._target[0], port))
            self.sent += 1
