"""An armband of another machine as a source: `nats://HOST[:PORT]/DEVICE?since=…` and `nats://HOST/*?group=workers`.

EMG comes from JetStream where the broker keeps it, so that nothing is lost while this program or the broker is away;
else from the subject itself. With `*` in place of a name the source takes an armband that nobody of its queue group
serves: its gateway offers it until somebody answers (`service/outputs/nats_offers.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy

from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError
from drivers.events import Emit, SourceInfo
from drivers.nats.address import (
    ANY,
    EXPECTED,
    OFFERS,
    STREAM,
    NatsAddress,
    is_name,
    parse_address,
    subject,
    without_user,
)
from drivers.nats.connection import close, connect, until_lost
from drivers.nats.continuity import Continuity
from drivers.nats.messages import decode_emg, decode_hello, decode_imu
from drivers.nats.relay import NatsPoseSource
from drivers.source import Source
from drivers.transport.asyncio_utils import first_done
from drivers.uri import SourceUri

GROUP: Final = "workers"
WARM_S: Final = 20.0
"""Seconds of kept EMG that a worker runs over before it serves: a network's running averages need them."""
HELLO_S: Final = 5.0
"""Seconds that an armband's `hello` may take; its server sends one a second."""
SILENT_S: Final = 2.0
"""Seconds without EMG after which a worker is free for another armband."""
_MOST_SINCE_S: Final = 7 * 86_400.0


def from_uri(uri: SourceUri) -> Source:
    """Make the source of a `nats:` URI.

    Raises:
        DriverError: the address is none, or an option is unknown or has no such value.
    """
    address = parse_address(f"nats:{uri.target}")
    uri = replace(uri, text=without_user(uri.text))
    poses = uri.choice("of", "emg", ("emg", "pose")) == "pose"
    if not address.device or (poses and address.device == ANY):
        raise DriverError(f"{uri.text!r} names no device; expected {EXPECTED}, with the name that it is published by")
    if poses:
        uri.allow(("of",))
        return NatsPoseSource(address, uri.text)
    uri.allow(("of", "group") if address.device == ANY else ("of", "since"))
    group = uri.options.get("group", GROUP)
    if not is_name(group):
        raise uri.problem("group", "expected one word of letters, digits, - and _")
    if address.device == ANY:
        return NatsSource(address, uri.text, since_s=WARM_S, group=group)
    return NatsSource(address, uri.text, since_s=uri.number("since", 0.0, 0.0, _MOST_SINCE_S))


class NatsSource:
    """EMG and inertial samples of one armband that another server publishes.

    Args:
        address: the broker and the armband's name, or `*`.
        uri: as the user gave it, without user and password.
        since_s: seconds of kept EMG to begin with.
        group: queue group, with `*`.
        clock: Unix seconds.
    """

    def __init__(
        self, address: NatsAddress, uri: str, *, since_s: float = 0.0, group: str = GROUP, clock: Clock = now
    ) -> None:
        self.info = SourceInfo(uri, uri, 0.0, address=None if address.device == ANY else address.device)
        self._address, self._since_s, self._group, self._clock = address, since_s, group, clock
        self._continuity = Continuity()
        self._connected_before = False
        self._newest = 0
        """Number of the newest message that was taken out of JetStream."""
        self._frames = 0

    async def run(self, emit: Emit) -> None:
        """Connect and emit; see `Source.run`."""
        lost = asyncio.Event()
        client = await connect(self._address, lost.set, before=self._connected_before)
        self._connected_before = True
        try:
            emit(self.info)
            serving = asyncio.ensure_future(self._serve(client, emit))
            ended = asyncio.ensure_future(until_lost(lost, self._address))
            await first_done(serving, ended)
            for task in (serving, ended):
                if not task.cancelled():
                    task.result()
        except nats.errors.Error as error:
            raise DeviceLost(f"{self._address.shown}: {error or type(error).__name__}") from None
        finally:
            await close(client)

    async def _serve(self, client: Client, emit: Emit) -> None:
        device = self._address.device
        if device == ANY:
            device = await _taken(client, self._group)
            self._continuity.restart()
            self._newest = 0
        await self._describe(client, device, emit)
        self._frames = 0
        await self._subscribe(client, device, emit)
        if self._address.device == ANY:
            await self._until_silent()
            raise DeviceLost(f"{self._address.server}: {device} sends no EMG any more; waiting for another armband")
        await asyncio.Event().wait()

    async def _describe(self, client: Client, device: str, emit: Emit) -> None:
        """Wait for the armband's `hello`, and follow it from there on."""
        known = asyncio.Event()

        async def on_hello(message: Msg) -> None:
            found = decode_hello(message.data, self.info.uri)
            if found is None or not found[0].rate_hz:
                return
            info = replace(found[0], address=device)
            if info != self.info:
                self.info = info
                emit(info)
            known.set()

        await client.subscribe(subject(device, "hello"), cb=on_hello)
        try:
            async with asyncio.timeout(HELLO_S):
                await known.wait()
        except TimeoutError:
            raise DeviceLost(
                f"{self._address.server}/{device}: nobody publishes this armband; start its server with "
                f"--publish {self._address.server}/{device}"
            ) from None

    async def _subscribe(self, client: Client, device: str, emit: Emit) -> None:
        async def on_emg(message: Msg) -> None:
            if message.reply.startswith("$JS.ACK."):
                self._newest = max(self._newest, message.metadata.sequence.stream)
            frame = decode_emg(message.data, self._clock())
            taken = None if frame is None else self._continuity.take(frame)
            if taken is not None:
                self._frames += 1
                emit(taken)

        async def on_imu(message: Msg) -> None:
            if (imu := decode_imu(message.data)) is not None:
                emit(imu)

        await client.subscribe(subject(device, "imu"), cb=on_imu)
        try:
            await client.jetstream().subscribe(
                subject(device, "emg"), stream=STREAM, cb=on_emg, ordered_consumer=True, config=self._deliver_from()
            )
        except (nats.errors.Error, TimeoutError):
            # The broker keeps nothing: JetStream is off there, or nobody has made the stream.
            await client.subscribe(subject(device, "emg"), cb=on_emg)

    def _deliver_from(self) -> ConsumerConfig:
        """Where in what the broker keeps to begin: behind what was taken already."""
        if self._newest:
            return ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self._newest + 1)
        if self._since_s:
            start = datetime.now(UTC) - timedelta(seconds=self._since_s)
            return ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=start)
        return ConsumerConfig(deliver_policy=DeliverPolicy.NEW)

    async def _until_silent(self) -> None:
        seen = -1
        while self._frames != seen:
            seen = self._frames
            await asyncio.sleep(SILENT_S)


async def _taken(client: Client, group: str) -> str:
    """Wait until an armband is offered to this member of the group; answer, and return its name."""
    offers = await client.subscribe(OFFERS, queue=group)
    try:
        async for message in offers.messages:
            try:
                device = orjson.loads(message.data)["device"]
            except (orjson.JSONDecodeError, KeyError, TypeError):
                continue
            if isinstance(device, str) and is_name(device):
                await message.respond(b"{}")
                return device
    finally:
        await offers.unsubscribe()
    raise DeviceLost("the broker closed the connection")
