"""What works on this machine, and what to do about the rest: one check a line."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal

from drivers.errors import DriverError
from models.errors import MyocastError
from models.installation import install_command
from models.version import package_version
from service.engine import model_selection
from service.engine.predictor import ModelFile

if TYPE_CHECKING:
    from drivers.transport.serial_port import PortInfo

State = Literal["ok", "warn", "fail"]

SCAN_S: Final = 5.0
"""Seconds that the radio has to begin a scan."""
DEFAULT_BUS: Final = "unix:path=/var/run/dbus/system_bus_socket"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: `warn` where something cannot be used, `fail` where Myocast cannot serve at all."""

    name: str
    state: State
    message: str


def diagnose(port: int) -> Iterator[Check]:
    """Check everything, one after the other.

    Args:
        port: the one that `serve` will listen on.
    """
    yield python()
    yield dbus()
    yield bluetooth()
    yield from serial_ports()
    yield from models()
    yield viewer()
    yield check_port(port)


def python() -> Check:
    """The Python that runs, and the version of Myocast."""
    system = f"{platform.python_version()} on {platform.platform(terse=True)} ({platform.machine()})"
    return Check("Python", "ok", f"{system}; Myocast {package_version()}")


def dbus() -> Check:
    """Linux talks to its radio through D-Bus."""
    import socket

    if sys.platform != "linux":
        return Check("D-Bus", "ok", "not needed on this system")
    address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", DEFAULT_BUS)
    path = next((part.partition("=")[2] for part in address.split(":")[-1].split(",") if part.startswith("path=")), "")
    try:
        with socket.socket(socket.AF_UNIX) as bus:
            bus.connect(path)
    except OSError as error:
        reason = error.strerror or str(error)
        return Check("D-Bus", "warn", f"no system bus at {path} ({reason}); start it: sudo systemctl start dbus")
    return Check("D-Bus", "ok", f"the system bus answers at {path}")


def bluetooth() -> Check:
    """Whether the radio can be scanned with; nothing is looked for."""

    try:
        asyncio.run(_begin_scan())
    except ModuleNotFoundError as error:
        return Check("Bluetooth", "warn", f"needs the package `{error.name}`; run: {install_command('ble')}")
    except (DriverError, TimeoutError) as error:
        return Check("Bluetooth", "warn", str(error) or "the radio does not answer; restart bluetoothd")
    return Check("Bluetooth", "ok", "the adapter is on and scans")


async def _begin_scan() -> None:

    from drivers.transport.bleak_radio import Scan

    async with asyncio.timeout(SCAN_S), Scan():
        pass


def serial_ports(list_ports: Callable[[], list[PortInfo]] | None = None) -> Iterator[Check]:
    """The dongle, and every port's permissions."""
    try:
        from drivers.myo.bgapi import USB_ID
        from drivers.transport.serial_port import list_ports as all_ports
    except ModuleNotFoundError as error:
        yield Check("serial", "warn", f"needs the package `{error.name}`; run: {install_command('serial')}")
        return
    ports = list((list_ports or all_ports)())
    if not any(port.usb_id == USB_ID for port in ports):
        yield Check("dongle", "ok", "none is plugged in (needed only without Bluetooth LE)")
    if not ports:
        yield Check("serial", "ok", "no serial ports")
    for port in ports:
        yield _permission("dongle" if port.usb_id == USB_ID else "serial", port.path)


def _permission(name: str, path: str) -> Check:
    import sys

    if sys.platform != "win32" and not os.access(path, os.R_OK | os.W_OK):
        remedy = "add yourself to its group (sudo usermod -aG dialout $USER), then log in again"
        return Check(name, "warn", f"no permission to open {path}; {remedy}")
    return Check(name, "ok", f"{path} may be opened")


def models() -> Iterator[Check]:
    """The models that come with Myocast, each opened as `serve` does."""
    found = model_selection.shipped()
    if not found:
        yield Check("model", "fail", "no model came with this installation; install Myocast again, or use --model FILE")
    for path in found:
        try:
            model = ModelFile(path)
            model.open()
        except MyocastError as error:
            yield Check("model", "fail", f"{path.name}: {error}")
            continue
        spec = model.spec
        yield Check("model", "ok", f"{path.name}: {spec.name}, {spec.rate_hz:g} Hz {spec.emg_mode} {spec.unit}")


def viewer() -> Check:
    """Whether the page was built."""
    if files("service").joinpath("viewer", "dist", "index.html").is_file():
        return Check("viewer", "ok", "the page is built")
    remedy = "run `make install`, or `npm ci && npm run build` in service/viewer"
    return Check("viewer", "fail", f"the page is not built; {remedy}")


def check_port(port: int) -> Check:
    """Whether `serve` could listen on this port."""

    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
    except OSError as error:
        return Check(
            "port", "warn", f"{port} cannot be used ({error.strerror}); end what uses it, or serve with --port 0"
        )
    return Check("port", "ok", f"{port} is free")
