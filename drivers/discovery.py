"""Scan for armbands (over Bluetooth and dongles), dongles and serial ports with what is on them.

What cannot be scanned is reported, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from drivers.errors import DriverError
from drivers.myo.protocol import Characteristic
from models.installation import install_command

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice

    from drivers.myo.bgapi import ScanResponse
    from drivers.myo.bled112_link import Bled112Link
    from drivers.transport.gatt import GattDevice
    from drivers.transport.serial_port import Ports

SCAN_S: Final = 5.0
LSL_S: Final = 1.0
"""Seconds that streams of the Lab Streaming Layer have to answer."""
BLUETOOTH: Final = "Bluetooth"
_CONNECT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class FoundArmband:
    """A Myo or gForce that advertises, or that this computer is connected to."""

    uri: str
    """Source URI, as `serve` takes it."""
    name: str
    address: str
    rssi_dbm: int | None
    """Strength of its signal; None if it is connected, and so does not advertise."""
    via: str
    """`Bluetooth`, or the dongle's port."""
    battery: int | None = None
    """Percent; None if it was not read."""
    connected: bool = False


@dataclass(frozen=True, slots=True)
class FoundPort:
    """A serial port of this machine."""

    port: str
    uri: str
    description: str
    usb_id: str
    """`vendor:product`, or ""."""


@dataclass(frozen=True, slots=True)
class FoundStream:
    """A stream of numbers of the Lab Streaming Layer on this network."""

    uri: str
    name: str
    type: str
    channels: int
    rate_hz: float
    """0: no nominal rate."""
    source_id: str
    host: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something could not be scanned, and what to do."""

    where: str
    message: str


@dataclass(slots=True)
class Findings:
    """The outcome of a scan."""

    armbands: list[FoundArmband] = field(default_factory=list)
    dongles: list[FoundPort] = field(default_factory=list)
    ports: list[FoundPort] = field(default_factory=list)
    lsl: list[FoundStream] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    scanned: int = 0
    """Number of radios that could scan."""

    def to_json(self) -> dict[str, object]:
        """Return what `myocast scan --json` prints."""
        found = asdict(self)
        del found["scanned"]
        return found


async def scan(seconds: float = SCAN_S, *, battery: bool = False, ports: Ports | None = None) -> Findings:
    """Scan with every radio of this machine at the same time. Radios that cannot scan are listed in `problems`.

    Args:
        seconds: how long to scan.
        battery: connect to each armband for a moment and read its battery.
        ports: what serial ports there are; None: as pyserial finds them.
    """
    findings = Findings()
    dongles = _list_ports(findings, ports)
    # Of a group that is cancelled, each scan still leaves its radio as it should.
    async with asyncio.TaskGroup() as scans:
        scans.create_task(_try(findings, BLUETOOTH, partial(_scan_bluetooth, findings, seconds, battery)))
        for path in dongles:
            scans.create_task(_try(findings, path, partial(_scan_dongle, findings, path, seconds, battery)))
        for port in findings.ports:
            if port.usb_id and int(port.usb_id[:4], 16) in _chords_vendors():
                scans.create_task(_ask_board(findings, port, seconds))
        scans.create_task(_scan_lsl(findings, min(seconds, LSL_S)))
    findings.armbands.sort(key=lambda armband: (-(armband.rssi_dbm or -999), armband.uri))
    return findings


async def _try(findings: Findings, where: str, scan: Callable[[], Awaitable[None]]) -> None:
    try:
        await scan()
        findings.scanned += 1
    except DriverError as error:
        findings.problems.append(Problem(where, str(error)))
    except ModuleNotFoundError as error:
        findings.problems.append(Problem(where, f"needs the package `{error.name}`; run: {install_command('ble')}"))


def _list_ports(findings: Findings, ports: Ports | None) -> list[str]:
    """Sort the serial ports into dongles and others; return the paths of the dongles."""
    try:
        from drivers.myo.bgapi import USB_ID
        from drivers.transport.serial_port import list_ports
    except ModuleNotFoundError as error:
        problem = f"needs the package `{error.name}`; run: {install_command('serial')}"
        findings.problems.append(Problem("serial ports", problem))
        return []
    for port in (ports or list_ports)():
        dongle = port.usb_id == USB_ID
        usb_id = f"{port.usb_id[0]:04x}:{port.usb_id[1]:04x}" if port.usb_id else ""
        found = FoundPort(port.path, f"{'dongle' if dongle else 'serial'}:{port.path}", port.description, usb_id)
        (findings.dongles if dongle else findings.ports).append(found)
    return [dongle.port for dongle in findings.dongles]


async def _scan_bluetooth(findings: Findings, seconds: float, battery: bool) -> None:
    from drivers.transport.bleak_radio import Scan, held_armbands, is_one, name_of, radio_lock

    kinds = _kinds()
    devices: dict[str, tuple[BLEDevice, str, int | None, str]] = {}
    async with radio_lock():
        # The start has a limit of its own: a radio that never starts has not scanned.
        async with Scan() as radio:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while True:
                        device, advertisement = await radio.next()
                        for kind in kinds:
                            if is_one(kind, advertisement):
                                name = name_of(device, advertisement)
                                devices[device.address] = device, name, advertisement.rssi, kind.scheme
        for kind in kinds:
            for device in await held_armbands(kind):
                devices.setdefault(device.address, (device, name_of(device), None, kind.scheme))
        for address, (device, name, rssi, scheme) in devices.items():
            percent = await _BATTERIES[scheme](device) if battery and rssi is not None else None
            usual = "Myo" if scheme == "myo" else "gForce"
            findings.armbands.append(
                FoundArmband(f"{scheme}:{address}", name or usual, address, rssi, BLUETOOTH, percent, rssi is None)
            )


def _kinds() -> tuple[GattDevice[Any], ...]:
    from drivers.gforce.source import GFORCE
    from drivers.myo.gatt import MYO

    return MYO, GFORCE


async def _battery_of_myo(device: BLEDevice) -> int | None:
    from bleak import BleakClient

    from drivers.transport.bleak_radio import BLEAK_ERRORS

    with suppress(*BLEAK_ERRORS):
        async with asyncio.timeout(_CONNECT_S), BleakClient(device, timeout=_CONNECT_S) as client:
            return _percent(bytes(await client.read_gatt_char(Characteristic.BATTERY.uuid)))
    return None


async def _battery_of_gforce(device: BLEDevice) -> int | None:
    from bleak import BleakClient

    from drivers.gforce import protocol as gforce
    from drivers.transport.bleak_radio import BLEAK_ERRORS

    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    command = gforce.Characteristic.COMMAND.uuid

    def take(_: object, value: bytearray) -> None:
        if bytes(value[:2]) == bytes((0, gforce.GET_BATTERY)) and not answer.done():
            answer.set_result(bytes(value[2:]))

    with suppress(*BLEAK_ERRORS):
        async with asyncio.timeout(_CONNECT_S), BleakClient(device, timeout=_CONNECT_S) as client:
            await client.start_notify(command, take, bluez={"use_start_notify": True})
            await client.write_gatt_char(command, bytes((gforce.GET_BATTERY,)))
            return _percent(await answer)
    return None


_BATTERIES: Final = {"myo": _battery_of_myo, "gforce": _battery_of_gforce}


async def _scan_dongle(findings: Findings, path: str, seconds: float, battery: bool) -> None:
    from drivers.myo.bled112_link import Bled112Link, is_myo, name_of

    found: dict[str, ScanResponse] = {}

    def collect(response: ScanResponse) -> None:
        if is_myo(response):
            found[response.address] = response

    link = await Bled112Link.open(path)
    try:
        await link.greet()
        await link.scan(collect, seconds)
        for address, response in found.items():
            uri = f"dongle:{path}?address={address}"
            percent = await _battery_over_dongle(link, response) if battery else None
            findings.armbands.append(
                FoundArmband(uri, name_of(response) or "Myo", address, response.rssi_dbm, path, percent)
            )
    finally:
        await link.close()


async def _battery_over_dongle(link: Bled112Link, response: ScanResponse) -> int | None:
    try:
        await link.connect(response.address, response.address_type)
        return _percent(await link.read(Characteristic.BATTERY))
    except DriverError:
        return None
    finally:
        await link.hang_up()


def _chords_vendors() -> tuple[int, ...]:
    from drivers.chords.protocol import USB_VENDORS

    return USB_VENDORS


async def _ask_board(findings: Findings, port: FoundPort, seconds: float) -> None:
    """Ask a board of which the USB adapter may be a Chords board's what it is; others take the question for noise."""
    from drivers.chords.source import identify

    board = await identify(port.port, seconds)
    if board is not None:
        place = findings.ports.index(port)
        findings.ports[place] = replace(port, uri=f"chords:{port.port}", description=f"Chords {board.name}")


async def _scan_lsl(findings: Findings, seconds: float) -> None:
    """List the streams of the network, where the Lab Streaming Layer is installed."""
    try:
        import pylsl
    except (ImportError, RuntimeError):
        return
    from drivers.lsl.streams import silence, streams_there

    silence(pylsl)
    for stream in await asyncio.to_thread(streams_there, pylsl, seconds):
        uri = f"lsl:{quote(stream.name())}" + (f"?source_id={quote(stream.source_id())}" if stream.source_id() else "")
        rate_hz, host = stream.nominal_srate(), stream.hostname()
        about = stream.name(), stream.type(), stream.channel_count(), rate_hz, stream.source_id(), host
        findings.lsl.append(FoundStream(uri, *about))


def _percent(data: bytes) -> int | None:
    return min(data[0], 100) if len(data) == 1 else None
