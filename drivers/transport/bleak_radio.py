"""The computer's Bluetooth through bleak: a lock, scans for armbands, and errors in words for a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from weakref import WeakKeyDictionary

import bleak
from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
)

from drivers.errors import DeviceLost, DriverError
from drivers.transport.asyncio_utils import first_done
from drivers.transport.gatt import C, GattDevice, NothingToConnect, shown_name

BLEAK_ERRORS = (BleakError, OSError, EOFError)
"""What bleak raises, TimeoutError included (it is an OSError)."""

_NO_SERVICE: Final = (
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Spawn.ServiceNotFound",
)
_DENIED: Final = ("org.freedesktop.DBus.Error.AccessDenied", "org.bluez.Error.NotAuthorized")
_RADIO_OFF: Final = "org.bluez.Error.NotReady"
_SCANNING: Final = "org.bluez.Error.InProgress"
_SCANNING_WAIT_S: Final = 0.25
_START_S: Final = 5.0

SCAN_SHARE_S: Final = 0.5
"""Seconds after which a scan ends early if others wait for the radio."""
LEAVE_S: Final = 0.4
"""Seconds for each step of releasing the radio: a stack that hangs must not hold up the end of the program."""

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, RadioLock] = WeakKeyDictionary()


class RadioLock:
    """A fair lock on the radio whose holder can see that others wait; an async context manager."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._wanted = asyncio.Event()

    async def __aenter__(self) -> RadioLock:
        self._waiting += 1
        self._wanted.set()
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._wanted.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    async def contended(self) -> None:
        """Wait until a scan should end because others wait for the radio."""
        await asyncio.sleep(SCAN_SHARE_S)
        await self._wanted.wait()


def radio_lock() -> RadioLock:
    """The lock of this loop's radio, held for a scan and the connection attempt that follows it.

    bleak shares one D-Bus connection per loop, on which BlueZ allows one scan; and an armband that is being
    connected to must not be taken by another source that looks for any armband.
    """
    return _locks.setdefault(asyncio.get_running_loop(), RadioLock())


class BluetoothUnavailable(NothingToConnect):
    """There is no Bluetooth to scan with; the message says why and what to do."""


def name_of(device: BLEDevice, advertisement: AdvertisementData | None = None) -> str:
    """The device's name, or ""."""
    name = (advertisement.local_name if advertisement else None) or device.name or ""
    return shown_name(name)


def is_one(kind: GattDevice[C], advertisement: AdvertisementData) -> bool:
    """Whether the advertising device is of this kind."""
    return any(service in advertisement.service_uuids for service in kind.services)


async def held_armbands(kind: GattDevice[C]) -> list[BLEDevice]:
    """Armbands of a kind that are connected to this computer already, and so do not advertise (bleak 3.1 and newer)."""
    adapter = getattr(bleak, "BleakAdapter", None)
    if adapter is None:
        return []
    with suppress(*BLEAK_ERRORS):
        async with asyncio.timeout(_START_S):
            return list(await (await adapter.get()).get_connected_devices(list(kind.services)))
    return []


class Scan:
    """A scan for advertisements; an async context manager.

    Args:
        adapter: of several, `hci1`; None: the first one that is powered.
    """

    def __init__(self, adapter: str | None = None) -> None:
        bluez: BlueZScannerArgs = {"adapter": adapter} if adapter else {}
        self._scanner = BleakScanner(bluez=bluez)
        self._busy = False

    async def __aenter__(self) -> Scan:
        """Raises BluetoothUnavailable or DriverError where nothing can be scanned."""
        try:
            async with asyncio.timeout(_START_S):
                await self._start_when_free()
        except TimeoutError:
            why = "says that a scan is in progress, and does not end it" if self._busy else "does not answer"
            raise BluetoothUnavailable(f"bluetoothd {why}; start it anew: sudo systemctl restart bluetooth") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        # The scan may have ended with the adapter or the daemon.
        with suppress(*BLEAK_ERRORS):
            async with asyncio.timeout(LEAVE_S):
                await self._scanner.stop()

    async def _start_when_free(self) -> None:
        while True:
            try:
                with translate_errors():
                    return await self._start()
            except _Busy:
                self._busy = True
                await asyncio.sleep(_SCANNING_WAIT_S)

    async def _start(self) -> None:
        """Start; when cancelled, leave no scan running: BlueZ would refuse the next one."""
        starting = asyncio.ensure_future(self._scanner.start())
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait((starting,), timeout=LEAVE_S)
            if starting.done() and not starting.cancelled() and starting.exception() is None:
                await self.__aexit__()
            starting.cancel()
            raise

    async def next(self) -> tuple[BLEDevice, AdvertisementData]:
        """Wait for the next advertisement."""
        async for found in self._scanner.advertisement_data():
            return found
        raise DeviceLost("the scan has ended")


async def listen(
    radio: RadioLock,
    wanted: Callable[[BLEDevice, AdvertisementData], bool],
    adapter: str | None,
    seconds: float | None,
    on_scanning: Callable[[], None] = lambda: None,
) -> BLEDevice | None:
    """Scan until a device is `wanted`; None after `seconds`, or earlier if others wait for the radio.

    `on_scanning` is called once the radio scans.

    Raises:
        BluetoothUnavailable: there is nothing to scan with.
        DriverError: the scan fails.
    """

    async def first_wanted(scan: Scan) -> BLEDevice:
        while True:
            device, advertisement = await scan.next()
            if wanted(device, advertisement):
                return device

    async with Scan(adapter) as scan:
        on_scanning()
        found, contended = asyncio.ensure_future(first_wanted(scan)), asyncio.ensure_future(radio.contended())
        await first_done(found, contended, seconds=seconds)
        return None if found.cancelled() else found.result()


class _Busy(DriverError):
    """Another scan of this process is running."""


@contextmanager
def translate_errors(doing: str = "Bluetooth") -> Iterator[None]:
    """Raise, for what bleak raises, an error with one line for a person.

    Raises:
        BluetoothUnavailable: no adapter, adapter off, no permission, no bluetoothd, no D-Bus.
        DeviceLost: anything else; another attempt may succeed.
    """
    try:
        yield
    except BleakBluetoothNotAvailableError as error:
        raise BluetoothUnavailable(_unavailable(error)) from None
    except BleakDeviceNotFoundError:
        raise DeviceLost(f"{doing}: the armband went away before it was connected; bring it nearer") from None
    except BleakDBusError as error:
        raise _explain_dbus(doing, error) from None
    except TimeoutError:
        raise DeviceLost(f"{doing}: no answer in time; bring the armband nearer, or wake it") from None
    except (OSError, EOFError) as error:
        raise BluetoothUnavailable(
            f"the system's D-Bus cannot be reached ({error}); start it and bluetoothd (a Myo also works with its own "
            "dongle: `serve dongle:`)"
        ) from None
    except BleakError as error:
        raise DeviceLost(f"{doing}: {_one_line(error)}") from None


def _unavailable(error: BleakBluetoothNotAvailableError) -> str:
    reason = BleakBluetoothNotAvailableReason
    match error.reason:
        case reason.NO_BLUETOOTH:
            return "there is no Bluetooth adapter; plug one in (a Myo also works with its own dongle: `serve dongle:`)"
        case reason.NO_BLE_CENTRAL_ROLE:
            return (
                "the Bluetooth adapter has no Low Energy; plug in one that has (a Myo also works with its own dongle: "
                "`serve dongle:`)"
            )
        case reason.POWERED_OFF:
            return "Bluetooth is off; switch it on: bluetoothctl power on (if that fails: rfkill unblock bluetooth)"
        case reason.DENIED_BY_USER | reason.DENIED_BY_SYSTEM | reason.DENIED_BY_UNKNOWN:
            return "no permission to use Bluetooth; allow it for this program in the system's privacy settings"
        case _:
            return f"Bluetooth is not available ({_one_line(error)}); switch it on in the system's settings"


def _explain_dbus(doing: str, error: BleakDBusError) -> DriverError:
    name = error.dbus_error
    if name in _NO_SERVICE:
        return BluetoothUnavailable("bluetoothd does not run; start it: sudo systemctl start bluetooth")
    if name in _DENIED:
        return BluetoothUnavailable(
            "no permission to use Bluetooth; add yourself to its group "
            "(sudo usermod -aG bluetooth $USER), then log in again"
        )
    if name == _RADIO_OFF:
        return BluetoothUnavailable("Bluetooth is off; switch it on: bluetoothctl power on")
    if name == _SCANNING:
        return _Busy("another scan is running")
    return DeviceLost(f"{doing}: {_one_line(error)}")


def _one_line(error: BaseException) -> str:
    return " ".join(" ".join(str(part) for part in error.args).split()) or type(error).__name__
