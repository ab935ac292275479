"""`myocast doctor`: what works on this machine, and what to do about the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from models.errors import MyocastError
from models.installation import install_command

if TYPE_CHECKING:
    from drivers.transport.serial_port import PortInfo

State = Literal["ok", "warn", "fail"]

_SCAN_S: Final = 5.0
_DEFAULT_BUS: Final = "unix:path=/var/run/dbus/system_bus_socket"
_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Check:
    """One line: `warn` where something cannot be used, `fail` where Myocast cannot serve at all."""

    name: str
    state: State
    message: str


class Unwell(MyocastError):
    """Something without which Myocast cannot serve is missing."""

    exit_code = 1


def command(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port that `serve` will listen on.")] = 8765,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check Bluetooth, D-Bus, ports and their permissions, the dongle, the model, the viewer; one line each."""
    checks: list[Check] = []
    for check in _all(port):
        checks.append(check)
        if not as_json:
            _show(check)
    if as_json:
        import orjson

        document = {"checks": [asdict(check) for check in checks]}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    failed = [check.name for check in checks if check.state == "fail"]
    if failed:
        raise Unwell(f"Myocast cannot serve yet: {', '.join(failed)}; see the lines above")


def _all(port: int) -> Iterator[Check]:
    yield python()
    yield dbus()
    yield bluetooth()
    yield from serial_ports()
    yield from models()
    yield viewer()
    yield listening(port)


def _show(check: Check) -> None:
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((f"{check.state:4} ", _STYLES[check.state]), f" {check.name}: {check.message}")
    Console().print(line, soft_wrap=True, highlight=False)


def python() -> Check:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    text = f"{platform.python_version()} on {platform.platform(terse=True)} ({platform.machine()})"
    try:
        return Check("Python", "ok", f"{text}; Myocast {version('myocast')}")
    except PackageNotFoundError:
        return Check("Python", "ok", f"{text}; Myocast runs from its sources")


def dbus() -> Check:
    """Linux talks to its radio through D-Bus."""
    import os
    import socket
    import sys

    if sys.platform != "linux":
        return Check("D-Bus", "ok", "not needed on this system")
    address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", _DEFAULT_BUS)
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
    import asyncio

    from drivers.errors import DriverError

    try:
        asyncio.run(_begin_scan())
    except ModuleNotFoundError as error:
        return Check("Bluetooth", "warn", f"needs the package `{error.name}`; run: {install_command('ble')}")
    except (DriverError, TimeoutError) as error:
        return Check("Bluetooth", "warn", str(error) or "the radio does not answer; restart bluetoothd")
    return Check("Bluetooth", "ok", "the adapter is on and scans")


async def _begin_scan() -> None:
    import asyncio

    from drivers.myo.bleak_radio import Scan

    async with asyncio.timeout(_SCAN_S), Scan():
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
    import os
    import sys

    if sys.platform != "win32" and not os.access(path, os.R_OK | os.W_OK):
        remedy = "add yourself to its group (sudo usermod -aG dialout $USER), then log in again"
        return Check(name, "warn", f"no permission to open {path}; {remedy}")
    return Check(name, "ok", f"{path} may be opened")


def models() -> Iterator[Check]:
    """The models that come with Myocast, each opened as `serve` does."""
    from service.engine.model_selection import shipped
    from service.engine.predictor import ModelFile

    found = shipped()
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
    from importlib.resources import files

    if files("service").joinpath("viewer", "dist", "index.html").is_file():
        return Check("viewer", "ok", "the page is built")
    remedy = "run `make install`, or `npm ci && npm run build` in service/viewer"
    return Check("viewer", "fail", f"the page is not built; {remedy}")


def listening(port: int) -> Check:
    """Whether `serve` could listen there."""
    import socket

    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
    except OSError as error:
        return Check(
            "port", "warn", f"{port} cannot be used ({error.strerror}); end what uses it, or serve with --port 0"
        )
    return Check("port", "ok", f"{port} is free")
