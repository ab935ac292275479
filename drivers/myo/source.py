"""A Myo armband: `myo:[ADDRESS|NAME]?mode=raw` over Bluetooth, `dongle:[PORT]?address=…` through its own dongle."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Literal

from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError, connection_error
from drivers.events import Emit, SourceInfo
from drivers.myo import protocol
from drivers.myo.bgapi import pack_address
from drivers.myo.gatt import MYO
from drivers.myo.protocol import Characteristic
from drivers.myo.stream import OPTIONS, MyoConfig, MyoStream, check_firmware, emit_all, read_name
from drivers.transport.gatt import AttributeRefused, GattTransport, NothingToConnect, Peripheral
from drivers.uri import SourceUri

SETTLE_S: Final = 10.0
"""Seconds for all reads and writes after a connect."""
COMMAND_S: Final = 1.0
"""Seconds that a command to a streaming armband may take."""
LEAVE_S: Final = 0.4
"""Seconds for stopping the stream: a radio that hangs must not hold up the end of the program."""


def from_uri(uri: SourceUri) -> MyoSource:
    """Make the source of a `myo:` or `dongle:` URI.

    Raises:
        DriverError: an option is unknown or has no such value.
        ModuleNotFoundError: the package that the transport needs is not installed.
    """
    return _over_dongle(uri) if uri.scheme == "dongle" else _over_bluetooth(uri)


def _over_bluetooth(uri: SourceUri) -> MyoSource:
    from drivers.transport.bleak_transport import BleakTransport

    uri.allow((*OPTIONS, "adapter"))
    transport = BleakTransport(MYO, uri.target or None, adapter=uri.options.get("adapter"))
    return MyoSource(uri.text, MyoConfig.from_uri(uri), transport)


def _over_dongle(uri: SourceUri) -> MyoSource:
    from drivers.myo.bled112_transport import Bled112Transport

    uri.allow((*OPTIONS, "address"))
    address = uri.options.get("address")
    if address is not None:
        try:
            pack_address(address)
        except ValueError:
            raise DriverError(f"`address={address}` in {uri.text!r}: expected six bytes, AA:BB:CC:DD:EE:FF") from None
    return MyoSource(uri.text, MyoConfig.from_uri(uri), Bled112Transport(uri.target or None, address))


class MyoSource:
    """A Myo armband over any Bluetooth LE link.

    Args:
        uri: as the user gave it.
        config: what the armband is set to stream.
        transport: the link to it.
        clock: Unix seconds.
    """

    def __init__(
        self, uri: str, config: MyoConfig, transport: GattTransport[Characteristic], *, clock: Clock = now
    ) -> None:
        self._config = config
        self._transport = transport
        self._clock = clock
        self._stream = MyoStream(uri, config)
        self._connected_before = False
        self._streaming = False

    @property
    def info(self) -> SourceInfo:
        """Description of the armband and its stream, as far as the armband has reported it."""
        return self._stream.info

    @property
    def lost(self) -> int:
        """Samples lost so far, as estimated."""
        return self._stream.lost

    async def run(self, emit: Emit) -> None:
        """Find the armband, connect and stream until the link is lost.

        Raises:
            DriverError: no radio, no armband, or one that cannot be used.
            DeviceLost: the link went away, or is not back yet.
        """
        try:
            link_lost = await self._start(emit)
            # Not awaited directly: a run that is cancelled still needs the link, to stop the stream.
            await asyncio.wait((link_lost,))
            link_lost.result()
        except NothingToConnect as error:
            raise self._problem(str(error)) from None
        finally:
            self._streaming = False
            await self._leave()

    async def reachable(self) -> None:
        """Wait until the armband can be connected to, or its dongle is plugged in again."""
        await self._transport.reachable()

    async def vibrate(self, kind: Literal["short", "medium", "long"]) -> None:
        """Vibrate once. Raises DeviceLost while no armband is connected."""
        await self._command(protocol.vibrate(kind))

    async def light(self, logo: tuple[int, int, int], bar: tuple[int, int, int]) -> None:
        """Set the colours (red, green, blue) of the logo and the bar. Raises as `vibrate`, and ValueError."""
        await self._command(protocol.led(logo, bar))

    async def _command(self, command: bytes) -> None:
        if not self._streaming:
            raise DeviceLost("the armband is not connected; try again when it is")
        try:
            async with asyncio.timeout(COMMAND_S):
                await self._transport.write(Characteristic.COMMAND, command)
        except TimeoutError:
            raise _no_answer("the armband") from None

    async def _start(self, emit: Emit) -> asyncio.Future[None]:
        """Connect and start the stream; the future fails when the link is lost."""
        peripheral = await self._transport.find(lambda: emit(self.info))
        try:
            async with asyncio.timeout(SETTLE_S):
                link_lost = await self._set_up(peripheral, emit)
        except TimeoutError:
            raise _no_answer(peripheral.address) from None
        except AttributeRefused as refusal:
            raise self._problem(
                f"{peripheral.address} is not a Myo armband that streams {self._config.mode} EMG: "
                f"{refusal}; see `myocast scan`, or try ?mode=raw"
            ) from None
        self._connected_before = self._streaming = True
        return link_lost

    async def _set_up(self, peripheral: Peripheral[Characteristic], emit: Emit) -> asyncio.Future[None]:
        """Set the armband up after a connect: each link starts with its defaults. The order matters."""
        self._check(peripheral)
        firmware = await self._read(peripheral, Characteristic.FIRMWARE)
        if firmware is not None:
            check_firmware(firmware)
        name = await self._read(peripheral, Characteristic.NAME)
        battery = await self._read(peripheral, Characteristic.BATTERY)
        await self._transport.write(Characteristic.COMMAND, protocol.NEVER_SLEEP)
        arrival = self._clock()
        emit_all(self._stream.connected(read_name(name or b"") or peripheral.name, peripheral.address, arrival), emit)
        for characteristic, value in ((Characteristic.FIRMWARE, firmware), (Characteristic.BATTERY, battery)):
            if value is not None:
                emit_all(self._stream.feed(characteristic, value, arrival), emit)
        link_lost = await self._subscribe(peripheral, emit)
        await self._transport.write(Characteristic.COMMAND, self._config.start)
        return link_lost

    def _check(self, peripheral: Peripheral[Characteristic]) -> None:
        """Raises DriverError if the armband lacks what the mode needs."""
        for characteristic in (Characteristic.COMMAND, *self._config.emg):
            if characteristic not in peripheral.characteristics:
                raise DriverError(
                    f"{peripheral.address} has no characteristic {characteristic.uuid}, which mode "
                    f"{self._config.mode} needs; try another ?mode=, or update the armband's firmware"
                )

    async def _read(self, peripheral: Peripheral[Characteristic], characteristic: Characteristic) -> bytes | None:
        """The value, or None where the armband or the system hides it."""
        if characteristic not in peripheral.characteristics:
            return None
        return await self._transport.read(characteristic)

    async def _subscribe(self, peripheral: Peripheral[Characteristic], emit: Emit) -> asyncio.Future[None]:
        def on_value(characteristic: Characteristic, value: bytes, arrival: float) -> None:
            emit_all(self._stream.feed(characteristic, value, arrival), emit)

        offered = [one for one in self._config.optional if one in peripheral.characteristics]
        return await self._transport.subscribe((*self._config.emg, *offered), on_value)

    async def _leave(self) -> None:
        """Stop the stream, let the armband sleep again, close the link; failures no longer matter."""
        with suppress(DriverError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._transport.write(Characteristic.COMMAND, protocol.STREAM_OFF)
                await self._transport.write(Characteristic.COMMAND, protocol.NORMAL_SLEEP)
        await self._transport.close()

    def _problem(self, text: str) -> DriverError:
        return connection_error(text, connected_before=self._connected_before)


def _no_answer(address: str) -> DeviceLost:
    return DeviceLost(f"{address}: no answer in time; bring the armband nearer, or wake it")
