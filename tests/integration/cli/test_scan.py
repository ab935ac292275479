"""`myocast scan` as a user runs it."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from tests.fakes.bluez import FakeBluez
from tests.fakes.private_bus import NEEDS_DAEMON, dbus_daemon
from tests.support.console import TIMEOUT_S, Console

MYO = {"address": "D6:15:14:13:12:11", "name": "PiMyo", "battery": 55}


def test_without_a_radio_it_says_why_and_what_to_do(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={tmp_path}/none"
    answer = console.run("scan", "--seconds", 0.2, "--json")
    assert answer.returncode == 1
    document = json.loads(answer.stdout)
    assert document["armbands"] == []
    (problem,) = [problem for problem in document["problems"] if problem["where"] == "Bluetooth"]
    assert "start it" in problem["message"]
    (line,) = answer.stderr.splitlines()
    assert line.startswith("myocast: no armband can be looked for: ")


@pytest.mark.parametrize("option", ["--seconds=0", "--loudly"])
def test_a_wrong_option_is_refused(console: Console, option: str) -> None:
    assert console.run("scan", option).returncode == 2


class TestWithBluetooth:
    pytestmark = NEEDS_DAEMON

    async def test_armbands_are_listed(self, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with dbus_daemon(tmp_path) as address:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
            console.environment["DBUS_SYSTEM_BUS_ADDRESS"] = address
            async with FakeBluez(MYO):
                run = asyncio.to_thread
                plain = await run(console.run, "scan", "--seconds", 0.5, "--battery")
                document = await run(console.run, "scan", "--seconds", 0.5, "--json")
        assert (plain.returncode, plain.stderr) == (0, ""), "no progress where stderr is no terminal"
        for cell in ("myo:D6:15:14:13:12:11", "PiMyo", "-56 dBm", "55 %", "Bluetooth"):
            assert cell in plain.stdout
        (armband,) = json.loads(document.stdout)["armbands"]
        assert armband == {
            "uri": "myo:D6:15:14:13:12:11", "name": "PiMyo", "address": "D6:15:14:13:12:11", "rssi_dbm": -56,
            "via": "Bluetooth", "battery": None, "connected": False,
        }  # fmt: skip

    @pytest.mark.case("B11")
    async def test_a_radio_that_is_never_free_is_no_empty_room(
        self, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with dbus_daemon(tmp_path) as address:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
            console.environment["DBUS_SYSTEM_BUS_ADDRESS"] = address
            async with FakeBluez(MYO, adapter={"refuses": "org.bluez.Error.InProgress"}):
                done = await asyncio.to_thread(console.run, "scan", "--seconds", 0.5)
        assert done.returncode == 1
        assert "a scan is in progress" in done.stderr
        assert "no armband was heard" not in done.stdout

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    async def test_a_signal_ends_it_with_0_and_leaves_no_scan(
        self, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        with dbus_daemon(tmp_path) as address:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
            console.environment["DBUS_SYSTEM_BUS_ADDRESS"] = address
            async with FakeBluez(MYO) as bluez:
                process = console.start("scan", "--seconds", 100)
                await bluez.until(lambda state: state["scanners"])
                process.send_signal(number)
                out, err = await asyncio.to_thread(process.communicate, timeout=TIMEOUT_S)
                assert (process.returncode, out, err) == (0, "", "")
                assert (await bluez.do("state"))["scanners"] == 0
