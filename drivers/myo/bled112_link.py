"""Commands to a BLED112 dongle and their answers: find armbands, connect to one, read and write its attributes.

One task reads the port. A command waits for the messages it expects; every other message is dispatched at
once, so a stream that already runs loses nothing while a command is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Generic, TypeVar

from drivers.clock import Clock, now
from drivers.errors import DeviceLost
from drivers.myo import bgapi
from drivers.myo.bgapi import AttributeValue, BgapiParser, Kind, Message, ScanResponse
from drivers.myo.protocol import SERVICE_UUID, clean_name
from drivers.transport.asyncio_utils import cancel_and_wait
from drivers.transport.gatt import AttributeRefused, NothingToConnect
from drivers.transport.serial_port import SerialPort

T = TypeVar("T")
OnHandle = Callable[[int, bytes, float], None]
"""Called with the handle of a characteristic, its new value, and when the value arrived (Unix seconds)."""

BAUD: Final = 115200
"""Baud rate; a USB CDC port ignores it, but every operating system must accept it."""
CONNECTIONS: Final = 3
"""Links that a BLED112 can hold at the same time."""
_ANSWER_S: Final = 1.0
_GREETING_S: Final = 0.4
_GREETINGS: Final = 4
_CONNECT_S: Final = 5.0
_HANG_UP_S: Final = 0.4
_NAME_RECORDS: Final = (0x09, 0x08)
_SERVICE_RECORDS: Final = (0x06, 0x07)
_SERVICE: Final = bytes.fromhex(SERVICE_UUID.replace("-", ""))[::-1]


def is_myo(response: ScanResponse) -> bool:
    """Whether the advertising device has the Myo's control service."""
    records = response.records()
    return any(_SERVICE in _uuids(records.get(kind, b"")) for kind in _SERVICE_RECORDS)


def name_of(response: ScanResponse) -> str:
    """The advertised name, or ""."""
    records = response.records()
    return next((clean_name(records[kind]) for kind in _NAME_RECORDS if kind in records), "")


def _uuids(data: bytes) -> list[bytes]:
    return [data[at : at + 16] for at in range(0, len(data), 16)]


class _Expected(Generic[T]):
    """A message that a command waits for.

    Args:
        wanted: what to take from the message, or None if it is not this one. What it raises is raised by `within`.
    """

    def __init__(self, wanted: Callable[[Message], T | None]) -> None:
        self.outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._wanted = wanted

    def takes(self, message: Message) -> bool:
        """Take the message if it is the expected one."""
        try:
            outcome = self._wanted(message)
        except DeviceLost as error:
            self.outcome.set_exception(error)
            return True
        if outcome is None:
            return False
        self.outcome.set_result(outcome)
        return True

    async def within(self, seconds: float | None) -> T:
        """Wait for it. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            return await self.outcome


class Bled112Link:
    """The commands of a dongle, over its open port. Make it with `open`, end it with `close`.

    Args:
        port: its serial port.
        on_value: called with new values of the attributes subscribed to.
    """

    def __init__(self, port: SerialPort, on_value: OnHandle) -> None:
        self.parser = BgapiParser()
        self.connection: int | None = None
        self._port = port
        self._on_value = on_value
        self._expected: list[_Expected[Any]] = []
        self._one_command = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: str, *, clock: Clock = now, on_value: OnHandle = lambda *_: None) -> Bled112Link:
        """Open the dongle's port. Raises DriverError as `SerialPort.open` does."""
        return cls(await SerialPort.open(path, BAUD, clock), on_value)

    async def close(self) -> None:
        """Close the connection and the port, in bounded time."""
        await self.hang_up()
        if self._reader is not None:
            await cancel_and_wait(self._reader)
        await self._port.close()

    def reader(self) -> asyncio.Task[None]:
        """The task that reads the port; it fails with DeviceLost when the armband's link or the port is lost.

        After the loss of a link it is started anew, as other armbands can still be connected to.
        """
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._dispatch_messages())
            self._reader.add_done_callback(self._fail_command)
        return self._reader

    async def greet(self) -> None:
        """End what an earlier program may have left running: a scan, connections, a stream.

        Raises:
            NothingToConnect: nothing that speaks BGAPI answers.
            DeviceLost: the port went away.
        """
        for _ in range(_GREETINGS):
            with suppress(TimeoutError):
                await self._call(bgapi.end_procedure(), _GREETING_S)
                break
        else:
            raise NothingToConnect(
                f"{self._port.path} does not answer as a BLED112 dongle does; unplug it, plug it in again, "
                "or name another port (see `myocast scan`)"
            )
        for connection in range(CONNECTIONS):
            await self._disconnect(connection)

    async def scan(self, wanted: Callable[[ScanResponse], T | None], seconds: float | None) -> T | None:
        """Scan until `wanted` returns a value for an advertisement; return it, or None after `seconds`."""

        def matches(message: Message) -> T | None:
            return wanted(bgapi.scan_response(message)) if message.kind == bgapi.SCAN_RESPONSE else None

        try:
            async with self._one_command:
                with self._send(bgapi.discover(), matches) as (response, found):
                    await self._answered(response)
                    return await found.within(seconds)
        except TimeoutError:
            return None
        finally:
            self._port.write(bgapi.end_procedure())

    async def connect(self, address: str, address_type: int) -> None:
        """Connect to an armband. Raises DeviceLost if it fails; no connection is made later then."""
        try:
            async with self._one_command:
                command = bgapi.connect_direct(address, address_type)
                with self._send(command, lambda message: self._connected_to(message, address)) as (response, connected):
                    result = _u16(await self._answered(response), 0)
                    if result != bgapi.OK:
                        raise DeviceLost(f"the dongle cannot connect to {address} ({bgapi.result_text(result)})")
                    await connected.within(_CONNECT_S)
        except TimeoutError:
            raise DeviceLost(f"{address} does not answer; bring the armband nearer or wake it") from None
        finally:
            if self.connection is None:
                self._port.write(bgapi.end_procedure())

    async def read(self, handle: int) -> bytes:
        """Read an attribute.

        Raises:
            AttributeRefused: the armband refuses.
            DeviceLost: it does not answer, or the link is gone.
        """
        command = bgapi.read_by_handle(self._connection(), handle)
        return await self._procedure(command, handle, lambda message: _read_value(message, handle))

    async def write(self, handle: int, data: bytes) -> None:
        """Write an attribute and wait until the armband has confirmed it. Raises as `read` does."""
        command = bgapi.attribute_write(self._connection(), handle, data)
        await self._procedure(command, handle, lambda message: _completed(message, handle))

    async def hang_up(self) -> None:
        """Close the connection, in bounded time; failures no longer matter."""
        if self.connection is None:
            return
        with suppress(TimeoutError, DeviceLost):
            async with asyncio.timeout(_HANG_UP_S):
                await self._disconnect(self.connection)
        self.connection = None

    async def _disconnect(self, connection: int) -> None:
        async with self._one_command:
            with self._send(bgapi.disconnect(connection), _is(bgapi.DISCONNECTED)) as (response, disconnected):
                if _u16(await self._answered(response), 1) == bgapi.OK:
                    with suppress(TimeoutError):
                        await disconnected.within(_ANSWER_S)

    def _connection(self) -> int:
        if self.connection is None:
            raise DeviceLost("the armband is not connected")
        return self.connection

    async def _procedure(self, command: bytes, handle: int, wanted: Callable[[Message], T | None]) -> T:
        async with self._one_command:
            with self._send(command, wanted) as (response, outcome):
                result = _u16(await self._answered(response), 1)
                if result != bgapi.OK:
                    raise _refused(handle, result)
                try:
                    return await outcome.within(_ANSWER_S)
                except TimeoutError:
                    raise DeviceLost("the armband does not answer any more") from None

    async def _answered(self, response: _Expected[bytes]) -> bytes:
        try:
            return await response.within(_ANSWER_S)
        except TimeoutError:
            raise DeviceLost(f"the dongle at {self._port.path} does not answer any more") from None

    async def _call(self, command: bytes, seconds: float) -> None:
        """Send a command that has a response and nothing after it."""
        async with self._one_command:
            with self._send(command, _nothing) as (response, _):
                await response.within(seconds)

    @contextmanager
    def _send(
        self, command: bytes, wanted: Callable[[Message], T | None]
    ) -> Iterator[tuple[_Expected[bytes], _Expected[T]]]:
        """Send a command; yield what to wait for: its response, then the message that `wanted` accepts."""
        kind = Kind(bgapi.COMMAND, command[2], command[3])
        response = _Expected(lambda message: message.payload if message.kind == kind else None)
        outcome = _Expected(wanted)
        self._expected = [response, outcome]
        try:
            self.reader()
            self._port.write(command)
            yield response, outcome
        finally:
            self._expected = []

    async def _dispatch_messages(self) -> None:
        while True:
            for data, arrival in await self._port.read():
                for message in self.parser.feed(data):
                    self._dispatch(message, arrival)

    def _fail_command(self, reader: asyncio.Task[None]) -> None:
        """Fail the command under way, since the reader has ended."""
        error = None if reader.cancelled() else reader.exception()
        expected = self._next_expected()
        if error is not None and expected is not None:
            expected.outcome.set_exception(error)

    def _next_expected(self) -> _Expected[Any] | None:
        return next((one for one in self._expected if not one.outcome.done()), None)

    def _dispatch(self, message: Message, arrival: float) -> None:
        expected = self._next_expected()
        if expected is not None and expected.takes(message):
            return
        match message.kind:
            case bgapi.ATTRIBUTE_VALUE:
                self._pass_on(bgapi.attribute_value(message), arrival)
            case bgapi.DISCONNECTED if message.payload[0] == self.connection:
                self.connection = None
                reason = _u16(message.payload, 1)
                raise DeviceLost(f"the armband's link is lost ({bgapi.result_text(reason)})")
            case bgapi.BOOT:
                self.connection = None
                raise DeviceLost(f"the dongle at {self._port.path} started anew")

    def _pass_on(self, value: AttributeValue, arrival: float) -> None:
        if value.connection != self.connection:
            return
        if value.needs_confirmation:
            self._port.write(bgapi.indicate_confirm(value.connection))
        self._on_value(value.handle, value.data, arrival)

    def _connected_to(self, message: Message, address: str) -> bool | None:
        if message.kind == bgapi.DISCONNECTED:
            raise DeviceLost(f"no connection to {address} ({bgapi.result_text(_u16(message.payload, 1))})")
        if message.kind != bgapi.CONNECTION_STATUS:
            return None
        status = bgapi.connection_status(message)
        if not status.connected or status.address != address:
            return None
        # Set here and not when `connect` resumes: the next message may already be of this connection.
        self.connection = status.connection
        return True


def _u16(payload: bytes, at: int) -> int:
    return int.from_bytes(payload[at : at + 2], "little")


def _refused(handle: int, code: int) -> AttributeRefused:
    return AttributeRefused(f"the armband refused attribute 0x{handle:02x} ({bgapi.result_text(code)})")


def _nothing(_: Message) -> bool | None:
    return None


def _is(kind: Kind) -> Callable[[Message], bool | None]:
    return lambda message: True if message.kind == kind else None


def _read_value(message: Message, handle: int) -> bytes | None:
    if message.kind == bgapi.ATTRIBUTE_VALUE:
        value = bgapi.attribute_value(message)
        return value.data if (value.handle, value.type) == (handle, 0) else None
    _completed(message, handle)
    return None


def _completed(message: Message, handle: int) -> bool | None:
    """True if a procedure on this handle ended well; raises AttributeRefused if it did not."""
    if message.kind != bgapi.PROCEDURE_COMPLETED or _u16(message.payload, 3) != handle:
        return None
    result = _u16(message.payload, 1)
    if result != bgapi.OK:
        raise _refused(handle, result)
    return True
