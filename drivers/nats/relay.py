"""Poses that another server makes: `nats://HOST[:PORT]/DEVICE?of=pose`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from drivers.clock import Clock, now
from drivers.errors import DeviceLost
from drivers.events import Emit, SourceInfo
from drivers.nats.address import NatsAddress, subject
from drivers.nats.connection import close, connect, until_lost
from drivers.nats.messages import decode_hello, decode_pose


class NatsPoseSource:
    """The poses of one armband, whichever server makes them.

    Args:
        address: the broker and the armband's name.
        uri: as the user gave it, without user and password.
        clock: Unix seconds.
    """

    def __init__(self, address: NatsAddress, uri: str, *, clock: Clock = now) -> None:
        self.info = SourceInfo(uri, uri, 0.0, address=address.device, emits="poses")
        self._address, self._uri, self._clock = address, uri, clock
        self._connected_before = False
        self._t = 0.0

    async def run(self, emit: Emit) -> None:
        """Connect and emit; see `Source.run`."""
        lost = asyncio.Event()
        client = await connect(self._address, lost.set, before=self._connected_before)
        self._connected_before = True
        try:
            emit(self.info)
            await self._subscribe(client, emit)
            await until_lost(lost, self._address)
        except nats.errors.Error as error:
            raise DeviceLost(f"{self._address.shown}: {error or type(error).__name__}") from None
        finally:
            await close(client)

    async def _subscribe(self, client: Client, emit: Emit) -> None:
        async def on_hello(message: Msg) -> None:
            found = decode_hello(message.data, self._uri, poses=True)
            # The gateway of an armband that others serve knows of no model.
            if found is None or found[1].model is None:
                return
            info = replace(found[0], address=self._address.device)
            if info != self.info:
                self.info = info
                emit(info)
            emit(found[1])

        async def on_pose(message: Msg) -> None:
            pose = decode_pose(message.data, self._clock())
            # A server that takes over first runs over what the broker kept: those moments have been shown.
            if pose is None or (pose.t <= self._t and not pose.held):
                return
            self._t = max(pose.t, self._t)
            emit(pose)

        await client.subscribe(subject(self._address.device, "hello"), cb=on_hello)
        await client.subscribe(subject(self._address.device, "pose"), cb=on_pose)
