"""A Leap service that a test directs: it sends a hand, goes away, and comes back on the same port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from models.arrays import Float32Array
from models.hand import Side, mirror
from models.kinematics import bones, points
from service.engine.pose import Pose
from service.outputs.leap_frame import LeapEncoder

HAND: Float32Array = points(np.deg2rad(np.linspace(-5.0, 60.0, 20))[None], bones())[0]
"""(21, 3) mm, the right hand that it sees; a left one is its mirror image."""
EVERY_S = 0.01


class FakeLeap:
    """Speaks as Ultraleap's bridge does; frames only for clients that asked for them."""

    def __init__(self, side: Side = "right") -> None:
        self.side: Side = side
        self.port = 0
        self.heard: list[str] = []
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v6.json"

    async def __aenter__(self) -> FakeLeap:
        await self.come()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go()

    async def come(self) -> None:
        """Listen, on the port of before."""
        self._server = await serve(self._handle, "127.0.0.1", self.port)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def go(self) -> None:
        """Close every connection and the port."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _handle(self, client: ServerConnection) -> None:
        encoder = LeapEncoder()
        try:
            await client.send(encoder.version(), text=True)
            self.heard.append(str(await client.recv()))
            await self._send(client, encoder, range(100_000))
        except ConnectionClosed:
            return

    async def _send(self, client: ServerConnection, encoder: LeapEncoder, numbers: Sequence[int]) -> None:
        joints = (HAND if self.side == "right" else mirror(HAND)).reshape(63)
        for number in numbers:
            t = 100.0 + number * EVERY_S
            pose = Pose(0, number, number, t, joints, self.side, "live", 0, False, None, t, t, t, t)
            await client.send(encoder.encode(pose), text=True)
            await asyncio.sleep(EVERY_S)
