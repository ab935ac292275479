"""A Myo over the computer's own Bluetooth LE: `myo:[ADDRESS|NAME]?mode=raw`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from drivers.asyncio_utils import first_done
from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError
from drivers.events import Emit, SourceInfo
from drivers.myo import protocol
from drivers.myo.bleak_transport import (
    LEAVE_S,
    BluetoothUnavailable,
    Problem,
    RadioTurn,
    explained,
    held_armbands,
    is_myo,
    listen,
    name_of,
    radio_turn,
)
from drivers.myo.protocol import SERVICE_UUID, Characteristic
from drivers.myo.stream import OPTIONS, MyoOptions, MyoStream, check_firmware, emit_all, not_found, read_name
from drivers.uri import SourceUri

SCAN_S: Final = 10.0
CONNECT_S: Final = 15.0
SETTLE_S: Final = 10.0
"""For everything the armband is told and asked after a connect."""
COMMAND_S: Final = 1.0
QUIET_S: Final = 0.6
"""An armband that streams says something fifty times a second and more; after so much silence it is looked for."""
WATCH_S: Final = 0.5
"""Without a radio it is looked for so often."""


def from_uri(uri: SourceUri) -> MyoBleSource:
    """Raises DriverError if an option is unknown or has no such value."""
    uri.allow((*OPTIONS, "adapter"))
    return MyoBleSource(uri.text, uri.target or None, MyoOptions.from_uri(uri), adapter=uri.options.get("adapter"))


class MyoBleSource:
    """An armband over Bluetooth LE.

    Args:
        uri: as the user gave it.
        wanted: address (on macOS the system's identifier) or name, or None for the first one that is heard.
        options: how it is asked to stream.
        adapter: of several, `hci1` (Linux).
        clock: Unix seconds.
        scan_s: how long to listen for the armband.
    """

    def __init__(
        self,
        uri: str,
        wanted: str | None,
        options: MyoOptions,
        *,
        adapter: str | None = None,
        clock: Clock = now,
        scan_s: float = SCAN_S,
    ) -> None:
        self._wanted = wanted
        self._adapter = adapter
        self._clock = clock
        self._scan_s = scan_s
        self._stream = MyoStream(uri, options)
        self._client: BleakClient | None = None
        self._heard: BLEDevice | None = None
        self._spoke = 0.0

    @property
    def info(self) -> SourceInfo:
        return self._stream.info

    @property
    def lost(self) -> int:
        """Samples lost so far, as estimated."""
        return self._stream.lost

    async def run(self, emit: Emit) -> None:
        """Find, connect and stream.

        Raises:
            DriverError: no Bluetooth, no armband, or one that cannot be used.
            DeviceLost: the link went away, or is not back yet.
        """
        try:
            await self._once(emit)
        except BluetoothUnavailable as error:
            raise self._stream.problem(str(error)) from None

    async def reachable(self) -> None:
        """Until the armband advertises; a radio that is off, or without its daemon, is waited for too."""
        while True:
            try:
                async with radio_turn() as turn:
                    heard = await listen(turn, self._matches, self._adapter, None)
            except DriverError:
                await asyncio.sleep(WATCH_S)
                continue
            if heard is not None:
                # Without a name it may be another source's by the time of the next run.
                self._heard = heard if self._wanted is not None else None
                return

    async def _once(self, emit: Emit) -> None:
        lost = asyncio.Event()
        client = await self._connect(lambda _: lost.set())
        try:
            await self._begin(client, emit)
            self._wanted = client.address
            self._client = client
            await self._until_lost(lost)
            raise DeviceLost(f"the link to {client.address} is lost")
        finally:
            self._client = None
            await _leave(client)

    async def _until_lost(self, lost: asyncio.Event) -> None:
        """Until the system says that the link is lost, or the armband by advertising, which it does without one."""
        told, dead = asyncio.ensure_future(lost.wait()), asyncio.ensure_future(self._until_dead())
        await first_done(told, dead)
        if not dead.cancelled():
            dead.result()

    async def _until_dead(self) -> None:
        clock = asyncio.get_running_loop().time
        self._spoke = clock()
        while True:
            await asyncio.sleep(self._spoke + QUIET_S - clock())
            if clock() - self._spoke < QUIET_S:
                continue
            async with radio_turn() as turn:
                self._heard = await listen(turn, self._matches, self._adapter, QUIET_S)
            if self._heard is not None:
                return

    async def vibrate(self, kind: Literal["short", "medium", "long"]) -> None:
        """Raises DeviceLost while no armband is connected."""
        await self._command(protocol.vibrate(kind))

    async def light(self, logo: tuple[int, int, int], bar: tuple[int, int, int]) -> None:
        """Set the colours (red, green, blue) of the logo and the bar. Raises as `vibrate`, and ValueError."""
        await self._command(protocol.led(logo, bar))

    async def _command(self, command: bytes) -> None:
        if self._client is None:
            raise DeviceLost("the armband is not connected; try again when it is")
        with explained("the armband"):
            async with asyncio.timeout(COMMAND_S):
                await _write(self._client, command)

    async def _connect(self, on_loss: Callable[[BleakClient], None]) -> BleakClient:
        """Find the armband and connect to it, in one turn at the radio."""
        clock = asyncio.get_running_loop().time
        others: set[str] = set()
        left = self._scan_s
        while True:
            async with radio_turn() as turn:
                start = clock()
                device = await self._find(turn, left, others)
                left -= clock() - start
                if device is None and left <= 0:
                    device = await self._held(others)
                if device is not None:
                    client = BleakClient(
                        device,
                        on_loss,
                        timeout=CONNECT_S,
                        bluez={"adapter": self._adapter} if self._adapter else {},
                    )
                    with explained(f"connecting to {device.address}"):
                        await _connect(client)
                    return client

    async def _find(self, turn: RadioTurn, seconds: float, others: set[str]) -> BLEDevice | None:
        """The armband as it advertises, or None when the time or the turn is over."""
        heard, self._heard = self._heard, None
        if heard is not None:
            return heard

        def wanted(device: BLEDevice, advertisement: AdvertisementData) -> bool:
            if self._matches(device, advertisement):
                return True
            if is_myo(advertisement):
                others.add(f"{name_of(device, advertisement)} {device.address}".strip())
            return False

        return await listen(turn, wanted, self._adapter, seconds)

    async def _held(self, others: set[str]) -> BLEDevice:
        """The armband as the system holds it connected since an earlier program. Raises DriverError if it does not."""
        for device in await held_armbands():
            if self._wanted is not None and _is(device, self._wanted):
                return device
            others.add(f"{name_of(device)} {device.address}, already connected to this computer")
        raise self._stream.problem(not_found(self._wanted, sorted(others)))

    def _matches(self, device: BLEDevice, advertisement: AdvertisementData) -> bool:
        if self._wanted is None:
            return is_myo(advertisement)
        return _is(device, self._wanted, advertisement)

    async def _begin(self, client: BleakClient, emit: Emit) -> None:
        """Everything the armband must be told anew after each connect, in this order."""
        self._check(client)
        with explained(client.address):
            async with asyncio.timeout(SETTLE_S):
                firmware = await _read(client, Characteristic.FIRMWARE)
                if firmware is not None:
                    check_firmware(firmware)
                name = await _read(client, Characteristic.NAME)
                battery = await _read(client, Characteristic.BATTERY)
                await _write(client, protocol.NEVER_SLEEP)
                arrival = self._clock()
                known = read_name(name or b"") or client.name
                emit_all(self._stream.connected(known, client.address, arrival), emit)
                for characteristic, value in ((Characteristic.FIRMWARE, firmware), (Characteristic.BATTERY, battery)):
                    if value is not None:
                        emit_all(self._stream.feed(characteristic, value, arrival), emit)
                await self._subscribe(client, emit)
                await _write(client, self._stream.options.start)

    def _check(self, client: BleakClient) -> None:
        """Raises DriverError if this is no armband, or one that lacks what the mode needs."""
        if client.services.get_service(SERVICE_UUID) is None:
            raise DriverError(
                f"{client.address} ({client.name}) is not a Myo armband; see which there are with `myocast scan`"
            )
        for characteristic in (Characteristic.COMMAND, *self._stream.options.emg):
            if client.services.get_characteristic(characteristic.uuid) is None:
                raise DriverError(
                    f"{client.address} has no characteristic {characteristic.uuid}, which mode "
                    f"{self._stream.options.mode} needs; try another ?mode=, or update the armband's firmware"
                )

    async def _subscribe(self, client: BleakClient, emit: Emit) -> None:
        options = self._stream.options
        wanted = [one for one in options.wanted if client.services.get_characteristic(one.uuid) is not None]
        for characteristic in (*options.emg, *wanted):
            await client.start_notify(
                characteristic.uuid, self._listener(characteristic, emit), bluez={"use_start_notify": True}
            )

    def _listener(
        self, characteristic: Characteristic, emit: Emit
    ) -> Callable[[BleakGATTCharacteristic, bytearray], None]:
        clock = asyncio.get_running_loop().time

        def hear(_: BleakGATTCharacteristic, data: bytearray) -> None:
            self._spoke = clock()
            emit_all(self._stream.feed(characteristic, bytes(data), self._clock()), emit)

        return hear


def _is(device: BLEDevice, wanted: str, advertisement: AdvertisementData | None = None) -> bool:
    return wanted.casefold() in (device.address.casefold(), name_of(device, advertisement).casefold())


async def _read(client: BleakClient, characteristic: Characteristic) -> bytes | None:
    """The value, or None where the armband or the system hides it."""
    if client.services.get_characteristic(characteristic.uuid) is None:
        return None
    return bytes(await client.read_gatt_char(characteristic.uuid))


async def _write(client: BleakClient, command: bytes) -> None:
    await client.write_gatt_char(Characteristic.COMMAND.uuid, command, response=True)


async def _connect(client: BleakClient) -> None:
    """Connect; when cancelled, give bleak a bounded time to take it back."""
    connecting = asyncio.ensure_future(client.connect())
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        connecting.cancel()
        await asyncio.wait((connecting,), timeout=LEAVE_S)
        raise


async def _leave(client: BleakClient) -> None:
    """Stop the stream, let the armband sleep again, close the link; what fails now is of no interest."""
    with suppress(*Problem):
        async with asyncio.timeout(LEAVE_S):
            if client.is_connected:
                await _write(client, protocol.STREAM_OFF)
                await _write(client, protocol.NORMAL_SLEEP)
    with suppress(*Problem):
        async with asyncio.timeout(LEAVE_S):
            await client.disconnect()
