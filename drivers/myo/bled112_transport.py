"""A conversation with a BLED112 dongle: find armbands, connect to one, read and write its attributes.

One task holds the conversation. While it waits for an answer, everything else that comes in goes to
`listener`, so a stream that runs already loses nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from drivers.errors import DeviceLost, DriverError
from drivers.myo import bgapi
from drivers.myo.bgapi import AttributeValue, BgapiParser, Kind, Message, ScanResponse
from drivers.myo.protocol import SERVICE_UUID, clean_name
from drivers.transport.serial_port import SerialPort

T = TypeVar("T")

BAUD: Final = 115200
"""Of no consequence on a USB CDC port; it must only be one that every system knows."""
CONNECTIONS: Final = 3
_ANSWER_S: Final = 1.0
_GREETING_S: Final = 0.4
_GREETINGS: Final = 4
_CONNECT_S: Final = 5.0
_HANG_UP_S: Final = 0.4
_NAME_RECORDS: Final = (0x09, 0x08)
_SERVICE_RECORDS: Final = (0x06, 0x07)
_SERVICE: Final = bytes.fromhex(SERVICE_UUID.replace("-", ""))[::-1]


class AttributeProblem(DeviceLost):
    """The armband refused to read or write an attribute."""

    def __init__(self, handle: int, code: int) -> None:
        super().__init__(f"the armband refused attribute 0x{handle:02x} ({bgapi.result_text(code)})")
        self.handle = handle
        self.code = code


def is_myo(response: ScanResponse) -> bool:
    """Whether who advertises has the Myo's control service."""
    records = response.records()
    return any(_SERVICE in _uuids(records.get(kind, b"")) for kind in _SERVICE_RECORDS)


def name_of(response: ScanResponse) -> str:
    """The advertised name, or ""."""
    records = response.records()
    return next((clean_name(records[kind]) for kind in _NAME_RECORDS if kind in records), "")


def _uuids(data: bytes) -> list[bytes]:
    return [data[at : at + 16] for at in range(0, len(data), 16)]


class DongleLink:
    """What a dongle can do, over a port that is open.

    Args:
        port: its serial port.
        listener: gets attribute values that nobody asked for, with their arrival.
    """

    def __init__(self, port: SerialPort, listener: Callable[[AttributeValue, float], None]) -> None:
        self.parser = BgapiParser()
        self.connection: int | None = None
        self._port = port
        self._listener = listener
        self._pending: deque[tuple[Message, float]] = deque()

    async def greet(self) -> None:
        """End what an earlier program may have left running: a scan, connections, a stream.

        Raises:
            DriverError: nothing that speaks BGAPI answers.
            DeviceLost: the port went away.
        """
        for _ in range(_GREETINGS):
            with suppress(TimeoutError):
                await self._call(bgapi.end_procedure(), _GREETING_S)
                break
        else:
            raise DriverError(
                f"{self._port.path} does not answer as a BLED112 dongle does; unplug it, plug it in again, "
                "or name another port (see `myocast scan`)"
            )
        for connection in range(CONNECTIONS):
            if _u16(await self._answer(bgapi.disconnect(connection)), 1) == bgapi.OK:
                with suppress(TimeoutError):
                    await self._until(_is(bgapi.DISCONNECTED), _ANSWER_S)

    async def scan(self, wanted: Callable[[ScanResponse], T | None], seconds: float | None) -> T | None:
        """Listen to who advertises until `wanted` returns something, or None after `seconds`."""
        try:
            await self._answer(bgapi.discover())
            return await self._until(
                lambda message: wanted(bgapi.scan_response(message)) if message.kind == bgapi.SCAN_RESPONSE else None,
                seconds,
            )
        except TimeoutError:
            return None
        finally:
            self._port.write(bgapi.end_procedure())

    async def connect(self, address: str, address_type: int) -> None:
        """Raises DeviceLost if no connection comes about; then none comes about later either."""
        try:
            result = _u16(await self._answer(bgapi.connect_direct(address, address_type)), 0)
            if result != bgapi.OK:
                raise DeviceLost(f"the dongle cannot connect to {address} ({bgapi.result_text(result)})")
            self.connection = await self._until(_connected_to(address), _CONNECT_S)
        except TimeoutError:
            raise DeviceLost(f"{address} does not answer; bring the armband nearer or wake it") from None
        finally:
            if self.connection is None:
                self._port.write(bgapi.end_procedure())

    async def read(self, handle: int) -> bytes:
        """An attribute's value.

        Raises:
            AttributeProblem: the armband refuses.
            DeviceLost: it does not answer, or the link is gone.
        """
        connection = self._connection()
        await self._procedure(bgapi.read_by_handle(connection, handle), handle)
        return await self._in_time(lambda message: _read_value(message, handle))

    async def write(self, handle: int, data: bytes) -> None:
        """Write an attribute and wait until the armband has it. Raises as `read` does."""
        connection = self._connection()
        await self._procedure(bgapi.attribute_write(connection, handle, data), handle)
        await self._in_time(lambda message: _completed(message, handle))

    def post(self, handle: int, data: bytes) -> None:
        """Write an attribute without waiting for the outcome. Raises DeviceLost without a connection."""
        self._port.write(bgapi.attribute_write(self._connection(), handle, data))

    async def listen(self) -> None:
        """Hand everything to the listener until the link is lost.

        Raises:
            DeviceLost: it is.
        """
        while True:
            self._other(*await self._next())

    async def hang_up(self) -> None:
        """Close the connection, in bounded time; what fails is not of interest any more."""
        if self.connection is None:
            return
        with suppress(TimeoutError, DeviceLost):
            self._port.write(bgapi.disconnect(self.connection))
            await self._until(_is(bgapi.DISCONNECTED), _HANG_UP_S)
        self.connection = None

    def _connection(self) -> int:
        if self.connection is None:
            raise DeviceLost("the armband is not connected")
        return self.connection

    async def _procedure(self, command: bytes, handle: int) -> None:
        result = _u16(await self._answer(command), 1)
        if result != bgapi.OK:
            raise AttributeProblem(handle, result)

    async def _answer(self, command: bytes) -> bytes:
        try:
            return await self._call(command, _ANSWER_S)
        except TimeoutError:
            raise DeviceLost(f"the dongle at {self._port.path} does not answer any more") from None

    async def _call(self, command: bytes, seconds: float) -> bytes:
        """Send a command; the payload of its response."""
        self._port.write(command)
        kind = Kind(bgapi.COMMAND, command[2], command[3])
        return await self._until(lambda message: message.payload if message.kind == kind else None, seconds)

    async def _in_time(self, wanted: Callable[[Message], T | None]) -> T:
        try:
            return await self._until(wanted, _ANSWER_S)
        except TimeoutError:
            raise DeviceLost("the armband does not answer any more") from None

    async def _until(self, wanted: Callable[[Message], T | None], seconds: float | None) -> T:
        async with asyncio.timeout(seconds):
            while True:
                message, arrival = await self._next()
                found = wanted(message)
                if found is not None:
                    return found
                self._other(message, arrival)

    async def _next(self) -> tuple[Message, float]:
        while not self._pending:
            for data, arrival in await self._port.read():
                self._pending.extend((message, arrival) for message in self.parser.feed(data))
        return self._pending.popleft()

    def _other(self, message: Message, arrival: float) -> None:
        if message.kind == bgapi.ATTRIBUTE_VALUE:
            value = bgapi.attribute_value(message)
            if value.connection != self.connection:
                return
            if value.needs_confirmation:
                self._port.write(bgapi.indicate_confirm(value.connection))
            self._listener(value, arrival)
        elif message.kind == bgapi.DISCONNECTED and message.payload[0] == self.connection:
            self.connection = None
            reason = _u16(message.payload, 1)
            raise DeviceLost(f"the armband's link is lost ({bgapi.result_text(reason)})")
        elif message.kind == bgapi.BOOT:
            self.connection = None
            raise DeviceLost(f"the dongle at {self._port.path} started anew")


def _u16(payload: bytes, at: int) -> int:
    return int.from_bytes(payload[at : at + 2], "little")


def _is(kind: Kind) -> Callable[[Message], bool | None]:
    return lambda message: True if message.kind == kind else None


def _connected_to(address: str) -> Callable[[Message], int | None]:
    def match(message: Message) -> int | None:
        if message.kind == bgapi.DISCONNECTED:
            raise DeviceLost(f"no connection to {address} ({bgapi.result_text(_u16(message.payload, 1))})")
        if message.kind != bgapi.CONNECTION_STATUS:
            return None
        status = bgapi.connection_status(message)
        return status.connection if status.connected and status.address == address else None

    return match


def _read_value(message: Message, handle: int) -> bytes | None:
    if message.kind == bgapi.ATTRIBUTE_VALUE:
        value = bgapi.attribute_value(message)
        return value.data if (value.handle, value.type) == (handle, 0) else None
    _completed(message, handle)
    return None


def _completed(message: Message, handle: int) -> bool | None:
    """True if a procedure on this handle ended well; raises AttributeProblem if it did not."""
    if message.kind != bgapi.PROCEDURE_COMPLETED or _u16(message.payload, 3) != handle:
        return None
    result = _u16(message.payload, 1)
    if result != bgapi.OK:
        raise AttributeProblem(handle, result)
    return True
