"""Armbands that a gateway publishes and that other servers make poses of: each is offered until somebody serves it.

An armband that has had no pose for `UNSERVED_S` is offered with a request on `myocast.work`. Its subscribers are a
queue group, so that one of those that are free gets it, and answers. So a server that was killed is replaced within
half a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import nats.errors
import orjson
from nats.aio.client import Client

from drivers.nats.address import OFFERS

UNSERVED_S: Final = 0.25
"""Seconds without a pose after which an armband counts as served by nobody."""
BEGIN_S: Final = 1.0
"""Seconds that a server which has answered has for its first pose."""
LOOK_S: Final = 0.1
ANSWER_S: Final = 0.2


class Offers:
    """The armbands of one gateway.

    Args:
        devices: returns the names of the armbands that samples come from and whose poses are made elsewhere.
        clock: seconds, monotonic.
    """

    def __init__(self, devices: Callable[[], Iterable[str]], clock: Callable[[], float]) -> None:
        self._devices, self._clock = devices, clock
        self._served_until: dict[str, float] = {}

    def on_pose(self, device: str) -> None:
        """Somebody has published a pose of this armband."""
        self._served_until[device] = max(self._served_until.get(device, 0.0), self._clock() + UNSERVED_S)

    def unserved(self) -> list[str]:
        """Names of those that nobody serves."""
        return [device for device in self._devices() if self._served_until.get(device, 0.0) <= self._clock()]

    async def run(self, client: Client) -> None:
        """Offer what nobody serves, until cancelled or the connection ends."""
        while client.is_connected:
            await asyncio.gather(*(self.offer(client, device) for device in self.unserved()))
            await asyncio.sleep(LOOK_S)

    async def offer(self, client: Client, device: str) -> None:
        """Ask once whether somebody is free."""
        try:
            await client.request(OFFERS, orjson.dumps({"device": device}), timeout=ANSWER_S)
        except nats.errors.Error:
            return
        self._served_until[device] = self._clock() + BEGIN_S
