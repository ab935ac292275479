"""Bluetooth LE through bleak: whose turn it is, what is a Myo, and what an error means to a person."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
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

from drivers.base import DeviceLost, DriverError
from drivers.myo import SERVICE_UUID, clean_name

Problem = (BleakError, OSError, EOFError)
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

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def radio_turn() -> asyncio.Lock:
    """The lock of this loop's radio: one scan and one connection attempt at a time.

    bleak shares one D-Bus connection per loop, on which BlueZ allows one scan; and a band that is being
    connected to must not be taken by the next one who looks for "any band".
    """
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


class BluetoothUnavailable(DriverError):
    """There is no Bluetooth to scan with: why, and what to do."""


def name_of(device: BLEDevice, advertisement: AdvertisementData | None = None) -> str:
    """The device's name, or ""."""
    name = (advertisement.local_name if advertisement else None) or device.name or ""
    return clean_name(name.encode())


def is_myo(advertisement: AdvertisementData) -> bool:
    return SERVICE_UUID in advertisement.service_uuids


async def held_armbands() -> list[BLEDevice]:
    """Armbands that this computer is connected to already: they do not advertise. Known to bleak since 3.1."""
    adapter = getattr(bleak, "BleakAdapter", None)
    if adapter is None:
        return []
    with suppress(*Problem):
        return list(await (await adapter.get()).get_connected_devices([SERVICE_UUID]))
    return []


class Scan:
    """Who advertises, one after the other; an async iterator that never ends by itself.

    Args:
        adapter: of several, `hci1`; None: the first one that is powered.
    """

    def __init__(self, adapter: str | None = None) -> None:
        bluez: BlueZScannerArgs = {"adapter": adapter} if adapter else {}
        self._scanner = BleakScanner(bluez=bluez)

    async def __aenter__(self) -> Scan:
        """Raises BluetoothUnavailable or DriverError where nothing can be scanned."""
        while True:
            try:
                with explained():
                    await self._scanner.start()
                return self
            except _Busy:
                await asyncio.sleep(_SCANNING_WAIT_S)

    async def __aexit__(self, *_: object) -> None:
        # The scan may have ended with the adapter or the daemon.
        try:
            await self._scanner.stop()
        except Problem:
            return

    async def next(self) -> tuple[BLEDevice, AdvertisementData]:
        async for found in self._scanner.advertisement_data():
            return found
        raise DeviceLost("the scan has ended")


class _Busy(DriverError):
    """Another scan of this process is running."""


@contextmanager
def explained(doing: str = "Bluetooth") -> Iterator[None]:
    """Turn what bleak raises into one line for a person.

    Raises:
        BluetoothUnavailable: no adapter, adapter off, no permission, no bluetoothd, no D-Bus.
        DeviceLost: anything else, which trying again may mend.
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
            f"the system's D-Bus cannot be reached ({error}); start it, and bluetoothd, or use a dongle: dongle:"
        ) from None
    except BleakError as error:
        raise DeviceLost(f"{doing}: {_one_line(error)}") from None


def _unavailable(error: BleakBluetoothNotAvailableError) -> str:
    reason = BleakBluetoothNotAvailableReason
    match error.reason:
        case reason.NO_BLUETOOTH:
            return "there is no Bluetooth adapter; plug one in, or use the Myo's own dongle: dongle:"
        case reason.NO_BLE_CENTRAL_ROLE:
            return "the Bluetooth adapter has no Low Energy; plug in one that has, or use a dongle: dongle:"
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
