"""An armband's link over the computer's own Bluetooth LE, through bleak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Generic

from bleak import BleakClient
from bleak.args.bluez import BlueZClientArgs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError
from drivers.transport.asyncio_utils import cancel_and_wait, first_done
from drivers.transport.bleak_radio import (
    BLEAK_ERRORS,
    LEAVE_S,
    RadioLock,
    held_armbands,
    is_one,
    listen,
    name_of,
    radio_lock,
    translate_errors,
)
from drivers.transport.gatt import SCAN_S, C, GattDevice, NothingToConnect, OnValue, Peripheral, not_found

CONNECT_S: Final = 15.0
"""Seconds that one connection attempt may take."""
QUIET_S: Final = 0.6
"""Seconds without a value (a streaming armband sends fifty a second and more) after which it is listened for."""
WATCH_S: Final = 0.5
"""Seconds between looks for an armband while there is no radio to scan with."""


class BleakTransport(Generic[C]):
    """A `GattTransport` over bleak.

    Args:
        kind: of device that is looked for.
        wanted: address (on macOS the system's identifier) or name, or None for the first armband that advertises.
        adapter: of several, `hci1` (Linux).
        clock: Unix seconds.
        scan_s: seconds for which the armband is listened for.
    """

    def __init__(
        self,
        kind: GattDevice[C],
        wanted: str | None = None,
        *,
        adapter: str | None = None,
        clock: Clock = now,
        scan_s: float = SCAN_S,
    ) -> None:
        self._kind = kind
        self._wanted = wanted
        self._adapter = adapter
        self._clock = clock
        self._scan_s = scan_s
        self._client: BleakClient | None = None
        self._disconnected = asyncio.Event()
        self._failure: DriverError | None = None
        """What taking a value failed with."""
        self._watch: asyncio.Task[None] | None = None
        self._advertising: BLEDevice | None = None
        self._on_radio: Callable[[], None] = lambda: None
        """The armband as it was last seen to advertise; `find` connects to it without another scan."""
        self._last_value_s = 0.0
        """Time of the event loop when the last value came."""

    async def find(self, on_radio: Callable[[], None]) -> Peripheral[C]:
        """Scan for the armband and connect to it; see `GattTransport`."""
        self._on_radio = on_radio
        self._disconnected = asyncio.Event()
        self._failure = None
        client = self._client = await self._find_and_connect(self._disconnected)
        if all(client.services.get_service(service) is None for service in self._kind.services):
            raise DriverError(
                f"{client.address} ({client.name}) is not a {self._kind.name}; see which there are with `myocast scan`"
            )
        uuids = {characteristic.uuid for characteristic in client.services.characteristics.values()}
        return Peripheral(
            client.name, client.address, frozenset(one for one in self._kind.characteristics if one.uuid in uuids)
        )

    async def read(self, characteristic: C) -> bytes:
        """Read a value."""
        client = self._connected()
        with translate_errors(client.address):
            return bytes(await client.read_gatt_char(characteristic.uuid))

    async def write(self, characteristic: C, value: bytes) -> None:
        """Write a value and wait until the armband has confirmed it, where the characteristic can be confirmed."""
        client = self._connected()
        with translate_errors(client.address):
            found = client.services.get_characteristic(characteristic.uuid)
            confirmed = found is None or "write" in found.properties
            await client.write_gatt_char(characteristic.uuid, value, response=confirmed)

    async def subscribe(self, characteristics: Sequence[C], on_value: OnValue[C]) -> asyncio.Future[None]:
        """Pass new values to `on_value`; the future fails with DeviceLost when the link is lost."""
        client = self._connected()
        with translate_errors(client.address):
            for characteristic in characteristics:
                # AcquireNotify, bleak's other way, would reorder values across characteristics.
                await client.start_notify(
                    characteristic.uuid, self._listener(characteristic, on_value), bluez={"use_start_notify": True}
                )
        self._wanted = client.address
        self._watch = asyncio.create_task(self._until_lost(client.address))
        return self._watch

    async def close(self) -> None:
        """Close the link, if there is one."""
        if self._watch is not None:
            await cancel_and_wait(self._watch)
            self._watch = None
        client, self._client = self._client, None
        if client is not None:
            with suppress(*BLEAK_ERRORS):
                async with asyncio.timeout(LEAVE_S):
                    await client.disconnect()

    async def reachable(self) -> None:
        """Wait until the armband advertises; a radio that is off, or without its daemon, is waited for too."""
        while True:
            try:
                async with radio_lock() as radio:
                    advertising = await listen(radio, self._matches, self._adapter, None)
            except DriverError:
                await asyncio.sleep(WATCH_S)
                continue
            if advertising is not None:
                # Without a name it may be another source's by the time of the next `find`.
                self._advertising = advertising if self._wanted is not None else None
                return

    def _connected(self) -> BleakClient:
        if self._client is None:
            raise DeviceLost("the armband is not connected")
        return self._client

    def _listener(
        self, characteristic: C, on_value: OnValue[C]
    ) -> Callable[[BleakGATTCharacteristic, bytearray], None]:
        loop_time = asyncio.get_running_loop().time

        def take(_: BleakGATTCharacteristic, value: bytearray) -> None:
            self._last_value_s = loop_time()
            try:
                on_value(characteristic, bytes(value), self._clock())
            except DriverError as error:
                # Raised into bleak, it would end nothing.
                self._failure = self._failure or error
                self._disconnected.set()

        return take

    async def _until_lost(self, address: str) -> None:
        """Raises DeviceLost when the system reports the loss, or the armband advertises: it does so only unlinked."""
        reported = asyncio.ensure_future(self._disconnected.wait())
        advertises = asyncio.ensure_future(self._until_it_advertises())
        await first_done(reported, advertises)
        if not advertises.cancelled():
            advertises.result()
        if self._failure is not None:
            raise self._failure
        raise DeviceLost(f"the link to {address} is lost")

    async def _until_it_advertises(self) -> None:
        loop_time = asyncio.get_running_loop().time
        self._last_value_s = loop_time()
        while True:
            await asyncio.sleep(self._last_value_s + QUIET_S - loop_time())
            if loop_time() - self._last_value_s < QUIET_S:
                continue
            async with radio_lock() as radio:
                self._advertising = await listen(radio, self._matches, self._adapter, QUIET_S)
            if self._advertising is not None:
                return

    async def _find_and_connect(self, disconnected: asyncio.Event) -> BleakClient:
        """Find the armband and connect to it while no one else uses the radio."""
        loop_time = asyncio.get_running_loop().time
        others: set[str] = set()
        left_s = self._scan_s
        while True:
            async with radio_lock() as radio:
                start = loop_time()
                device = await self._scan(radio, left_s, others)
                left_s -= loop_time() - start
                if device is None and left_s <= 0:
                    device = await self._held_by_system(others)
                if device is not None:
                    return await self._connect(device, disconnected)

    async def _scan(self, radio: RadioLock, seconds: float, others: set[str]) -> BLEDevice | None:
        """Scan for the armband; None when the time is over or others wait for the radio."""
        advertising, self._advertising = self._advertising, None
        if advertising is not None:
            self._on_radio()
            return advertising

        def matches(device: BLEDevice, advertisement: AdvertisementData) -> bool:
            if self._matches(device, advertisement):
                return True
            if is_one(self._kind, advertisement):
                others.add(f"{name_of(device, advertisement)} {device.address}".strip())
            return False

        return await listen(radio, matches, self._adapter, seconds, self._on_radio)

    async def _held_by_system(self, others: set[str]) -> BLEDevice:
        """The armband that the system holds connected for an earlier program. Raises NothingToConnect without one."""
        for device in await held_armbands(self._kind):
            if self._wanted is not None and _is(device, self._wanted):
                return device
            others.add(f"{name_of(device)} {device.address}, already connected to this computer")
        raise NothingToConnect(not_found(self._kind, self._wanted, sorted(others)))

    async def _connect(self, device: BLEDevice, disconnected: asyncio.Event) -> BleakClient:
        """Connect; when cancelled, give bleak a bounded time to undo it."""
        bluez: BlueZClientArgs = {"adapter": self._adapter} if self._adapter else {}
        client = BleakClient(device, lambda _: disconnected.set(), timeout=CONNECT_S, bluez=bluez)
        with translate_errors(f"connecting to {device.address}"):
            connecting = asyncio.ensure_future(client.connect())
            try:
                await asyncio.shield(connecting)
            except asyncio.CancelledError:
                connecting.cancel()
                await asyncio.wait((connecting,), timeout=LEAVE_S)
                raise
        return client

    def _matches(self, device: BLEDevice, advertisement: AdvertisementData) -> bool:
        if self._wanted is None:
            return is_one(self._kind, advertisement)
        return _is(device, self._wanted, advertisement)


def _is(device: BLEDevice, wanted: str, advertisement: AdvertisementData | None = None) -> bool:
    return wanted.casefold() in (device.address.casefold(), name_of(device, advertisement).casefold())
