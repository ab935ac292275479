"""Everything of an armband on a NATS broker: `--publish nats://HOST[:PORT][/NAME]` (docs/protocol.md#nats).

Payloads are the stream's messages, binary where there is such a one. EMG and inertial samples are kept by JetStream
where the broker has it: they are sent again until it has confirmed them, each with a number by which it knows those
that it has already.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, StreamConfig
from nats.js.errors import NotFoundError

from drivers.clock import Clock, now
from drivers.errors import DriverError
from drivers.events import Frame, Imu, SourceInfo
from drivers.nats.address import KEPT, STREAM, NatsAddress, parse_address, subject
from drivers.nats.connection import close, connect
from drivers.transport.asyncio_utils import cancel_and_wait, first_done
from models.errors import MyocastError
from service.broadcast import messages
from service.devices.device import Device
from service.engine.pose import Pose
from service.events import DeviceEvent
from service.outputs.nats_backlog import Backlog, Message
from service.outputs.nats_offers import Offers

log = logging.getLogger("myocast")

EXPECTED: Final = "nats://HOST[:PORT][/NAME]"
KEEP_S: Final = 3600.0
"""Seconds of EMG that the broker keeps."""
KEEP_BYTES: Final = 1 << 30
"""Bytes that it keeps at most: an hour of twenty armbands."""
RETRY_S: Final = 0.5
STATUS_S: Final = 1.0
MESSAGE_ID: Final = "Nats-Msg-Id"
_SCHEME: Final = "nats:"


class PublishError(MyocastError):
    """The address of the broker is none, or the broker cannot be used."""


class NatsOutput:
    """The armbands of one server on a broker.

    An armband that comes from a broker itself is published under the name that it has there, without its samples.

    Args:
        url: of the broker; the path is the name of the first armband, by default `0`, `1` ... by index.
        devices: the server's armbands.
        describe: returns `hello` and `status` of an armband, encoded.
        keep_s: seconds of EMG that the broker is to keep.
        clock: Unix seconds.
    """

    def __init__(
        self,
        url: str,
        devices: Sequence[Device],
        describe: Callable[[Device], tuple[bytes, bytes]],
        keep_s: float = KEEP_S,
        clock: Clock = now,
    ) -> None:
        try:
            self._address: NatsAddress = parse_address(url, EXPECTED)
        except DriverError as error:
            raise PublishError(f"--publish: {error}") from None
        self._devices, self._describe, self._keep_s, self._clock = devices, describe, keep_s, clock
        self._loop = asyncio.get_running_loop()
        self._backlog = Backlog()
        self._wake = asyncio.Event()
        self._session = uuid.uuid4().hex[:12]
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._inbox = ""
        self._keeps = False
        self._lost_told = 0
        self._offers = Offers(self._to_be_served, self._loop.time)
        self._running: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Where it publishes, without what identifies us."""
        return f"{self._address.server} ({', '.join(self._subject_name(device) for device in self._devices)})"

    async def __aenter__(self) -> NatsOutput:
        """Connect.

        Raises:
            PublishError: no broker answers, or it refuses us.
        """
        try:
            client = await self._connect(before=False)
        except DriverError as error:
            raise PublishError(f"--publish: {error}") from None
        self._running = asyncio.ensure_future(self._run(client))
        self._running.add_done_callback(_tell_fault)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            await self._flush()
            await cancel_and_wait(self._running)
            if self._client is not None:
                await close(self._client)

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Publish samples, poses and what an armband is."""
        name = self._subject_name(self._devices[device])
        match event:
            case Frame() if not self._is_from_broker(device):
                payload = messages.emg_binary(device, event, self._devices[device].real_rate_hz)
                self._put(Message(subject(name, "emg"), payload, f"{self._session}-{device}-{event.first_sample}"))
            case Imu() if not self._is_from_broker(device):
                payload = messages.imu_json(device, event)
                self._put(Message(subject(name, "imu"), payload, f"{self._session}-{device}-i{event.t:.6f}"))
            case Pose():
                # What was received as a pose is not published again.
                if self._devices[device].source.info.emits == "emg":
                    payload = messages.pose_binary(event, (self._clock() - event.arrival) * 1e3)
                    self._put(Message(subject(name, "pose"), payload))
            case SourceInfo():
                # What follows from it, the model above all, is known once this event has gone everywhere.
                self._loop.call_soon(self._put_descriptions)

    def _subject_name(self, device: Device) -> str:
        """Name of an armband in subjects."""
        info = device.source.info
        if info.uri.startswith(_SCHEME):
            return info.address or f"waiting-{device.index}"
        if device.index == 0 and self._address.device:
            return self._address.device
        return f"{self._address.device}-{device.index}" if self._address.device else str(device.index)

    def _is_from_broker(self, device: int) -> bool:
        return self._devices[device].source.info.uri.startswith(_SCHEME)

    def _to_be_served(self) -> Iterable[str]:
        for device in self._devices:
            if device.engine is None and device.status.flowing and not self._is_from_broker(device.index):
                yield self._subject_name(device)

    def _put(self, message: Message) -> None:
        self._backlog.put(message)
        self._wake.set()

    def _put_descriptions(self) -> None:
        for device in self._devices:
            if self._is_from_broker(device.index) and device.source.info.address is None:
                continue
            name = self._subject_name(device)
            hello, status = self._describe(device)
            self._put(Message(subject(name, "hello"), hello))
            self._put(Message(subject(name, "status"), status))

    async def _run(self, client: Client) -> None:
        """Publish; connect anew whenever the connection is lost."""
        while True:
            await self._publish(client)
            self._backlog.again()
            log.warning("%s: the connection to the broker is lost; what is to be kept waits", self._address.server)
            client = await self._reconnected()
            log.warning("%s: connected again", self._address.server)

    async def _reconnected(self) -> Client:
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                return await self._connect(before=True)
            except DriverError:
                continue

    async def _connect(self, *, before: bool) -> Client:
        lost = asyncio.Event()
        client = await connect(self._address, lost.set, before=before)
        self._lost = lost
        try:
            self._keeps = await self._make_stream(client)
            self._inbox = client.new_inbox()
            await client.subscribe(self._inbox, cb=self._confirmed)
            for device in self._devices:
                if not self._is_from_broker(device.index):
                    await client.subscribe(subject(self._subject_name(device), "pose"), cb=self._seen)
        except nats.errors.Error as error:
            await close(client)
            raise DriverError(f"{self._address.server}: {error}") from None
        return client

    async def _make_stream(self, client: Client) -> bool:
        """Have the broker keep EMG; return whether it does."""
        config = StreamConfig(
            name=STREAM,
            subjects=list(KEPT),
            max_age=self._keep_s,
            max_bytes=KEEP_BYTES,
            discard=DiscardPolicy.OLD,
            duplicate_window=min(self._keep_s, 120.0),
        )
        stream = client.jetstream()
        try:
            try:
                await stream.stream_info(STREAM)
            except NotFoundError:
                await stream.add_stream(config)
        except (nats.errors.Error, TimeoutError) as error:
            if not self._keeps and self._client is None:
                log.warning(
                    "%s keeps no EMG (%s), so that what is sent while nobody listens is lost; start it as "
                    "`nats-server -js`",
                    self._address.server,
                    str(error) or type(error).__name__,
                )
            return False
        return True

    async def _confirmed(self, message: Msg) -> None:
        """An answer of JetStream; without one, nobody keeps what was sent."""
        self._backlog.confirmed()

    async def _seen(self, message: Msg) -> None:
        self._offers.on_pose(message.subject.split(".")[1])

    async def _publish(self, client: Client) -> None:
        """Send what waits, describe the armbands once a second and offer them, until the connection is lost."""
        self._client = client
        tasks = [
            asyncio.ensure_future(task)
            for task in (self._lost.wait(), self._send(client), self._describe_often(), self._offers.run(client))
        ]
        await first_done(*tasks)
        await close(client)
        faults = [task.exception() for task in tasks if not task.cancelled()]
        for fault in faults:
            if fault is not None and not isinstance(fault, nats.errors.Error | OSError):
                raise fault

    async def _send(self, client: Client) -> None:
        while True:
            self._wake.clear()
            while (message := self._backlog.take()) is not None:
                if message.kept and self._keeps:
                    headers = {MESSAGE_ID: message.kept}
                    await client.publish(message.subject, message.payload, self._inbox, headers)
                else:
                    await client.publish(message.subject, message.payload)
            if not self._keeps:
                self._backlog.forget_sent()
            self._tell_lost()
            await self._wake.wait()

    def _tell_lost(self) -> None:
        if self._backlog.lost > self._lost_told:
            log.error(
                "%s: %d messages with EMG were not sent: the broker was away for too long",
                self._address.server,
                self._backlog.lost - self._lost_told,
            )
            self._lost_told = self._backlog.lost

    async def _describe_often(self) -> None:
        while True:
            self._put_descriptions()
            await asyncio.sleep(STATUS_S)

    async def _flush(self) -> None:
        """Give what waits a moment to be sent and confirmed."""
        try:
            async with asyncio.timeout(RETRY_S):
                await self._backlog.empty.wait()
        except TimeoutError:
            log.warning("%s: some messages were not confirmed before the end", self._address.server)


def _tell_fault(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.error("publishing to NATS ended by a fault; restart the server to publish again", exc_info=fault)
