"""Scanning with everything at once: a fake bluetoothd, emulated dongles, ports that are neither."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from drivers.clock import now
from drivers.discovery import BLUETOOTH, Findings, FoundArmband, scan
from drivers.emulation.dongle import EmulatedDongle
from drivers.emulation.myo import ADDRESS, EmulatedMyo
from drivers.emulation.pseudo_terminal import PseudoTerminal
from drivers.myo.bgapi import USB_ID
from drivers.transport.serial_port import PortInfo
from tests.fakes.bluez import FakeBluez
from tests.fakes.boards import ChordsFirmware
from tests.fakes.private_bus import NEEDS_DAEMON, close_bleak, dbus_daemon
from tests.support.signals import made_up

pytestmark = NEEDS_DAEMON

MYO: dict[str, Any] = {"address": "D6:15:14:13:12:11", "name": "PiMyo", "battery": 55}
OTHER: dict[str, Any] = {"address": "11:22:33:44:55:66", "name": "Heart", "is_myo": False}


@pytest.fixture(scope="module")
def private_bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dbus_daemon(tmp_path_factory.mktemp("dbus")) as address:
        yield address


@pytest_asyncio.fixture(autouse=True)
async def bus(private_bus: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", private_bus)
    yield
    await close_bleak()


async def scan_ports(*ports: PortInfo, battery: bool = False) -> Findings:
    return await scan(0.4, battery=battery, ports=lambda: ports)


async def test_armbands_are_found_over_bluetooth_and_behind_dongles() -> None:
    dongle = EmulatedDongle(EmulatedMyo(made_up(), battery=33))
    async with FakeBluez(MYO, OTHER), PseudoTerminal(dongle) as terminal:
        port = PortInfo(terminal.path, "Low Energy Dongle", USB_ID)
        findings = await scan_ports(port, PortInfo("/dev/ttyUSB7", "FT231X", (0x0403, 0x6015)), battery=True)
    assert findings.problems == []
    assert findings.scanned == 2
    assert sorted(findings.armbands, key=lambda armband: armband.via) == [
        FoundArmband(f"dongle:{terminal.path}?address={ADDRESS}", "Myo", ADDRESS, -56, terminal.path, 33),
        FoundArmband("myo:D6:15:14:13:12:11", "PiMyo", "D6:15:14:13:12:11", -56, BLUETOOTH, 55),
    ]
    assert [(one.port, one.usb_id) for one in findings.dongles] == [(terminal.path, "2458:0001")]
    assert [(one.uri, one.usb_id) for one in findings.ports] == [("serial:/dev/ttyUSB7", "0403:6015")]
    document = json.loads(json.dumps(findings.to_json()))
    assert sorted(document) == ["armbands", "dongles", "lsl", "ports", "problems"]
    assert not dongle.connected


async def test_the_battery_is_not_read_unless_requested() -> None:
    async with FakeBluez(MYO) as bluez:
        findings = await scan_ports()
        assert [armband.battery for armband in findings.armbands] == [None]
        assert not (await bluez.do("state"))["connected"]


async def test_cancelled_while_it_begins_it_leaves_nothing_behind() -> None:
    looking = asyncio.ensure_future(scan_ports())
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    gc.collect()


async def test_a_board_that_says_what_it_is_is_listed_so() -> None:
    async with FakeBluez(), ChordsFirmware(made_up().emg, now, 1.0, name="NANO-CLONE") as board:
        findings = await scan_ports(
            PortInfo(board.path, "USB Serial", (0x1A86, 0x7523)), PortInfo("/dev/ttyUSB7", "FT231X", (0x0403, 0x6015))
        )
    assert [(one.uri, one.description) for one in findings.ports] == [
        (f"chords:{board.path}", "Chords NANO-CLONE"),
        ("serial:/dev/ttyUSB7", "FT231X"),
    ]


async def test_problems_of_a_scan_are_reported() -> None:
    findings = await scan_ports(PortInfo("/dev/ttyACM77", usb_id=USB_ID))
    assert findings.scanned == 0
    assert {problem.where: problem.message for problem in findings.problems} == {
        BLUETOOTH: "bluetoothd does not run; start it: sudo systemctl start bluetooth",
        "/dev/ttyACM77": "there is no port /dev/ttyACM77; plug the device in, "
        "or see which ports there are with `myocast scan`",
    }
    async with FakeBluez(MYO, adapter={"powered": False}):
        await close_bleak()
        findings = await scan_ports()
    assert "Bluetooth is off; switch it on" in findings.problems[0].message
