"""`myocast doctor`: each check by itself, and the verb as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest

from drivers.myo.bgapi import USB_ID
from drivers.transport.serial_port import PortInfo
from service import diagnosis
from service.engine import model_selection
from tests.fakes.private_bus import dbus_daemon
from tests.support.console import TIMEOUT_S, Console


def test_every_check_is_one_line_with_its_remedy(console: Console, tmp_path: Path) -> None:
    console.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={tmp_path}/none"
    answer = console.run("doctor", "--port", 1)
    names = [line[5:].split(":")[0].strip() for line in answer.stdout.splitlines()]
    for name in ("Python", "D-Bus", "Bluetooth", "dongle", "serial", "model", "viewer", "port"):
        assert name in names
    for line in answer.stdout.splitlines():
        assert line[:4].strip() in ("ok", "warn", "fail")
        assert line.startswith("ok") or ";" in line, "what is wrong; what to do"
    failed = [line for line in answer.stdout.splitlines() if line.startswith("fail")]
    assert answer.returncode == bool(failed)
    assert len(answer.stderr.splitlines()) == bool(failed)


def test_json_is_one_document(console: Console) -> None:
    answer = console.run("doctor", "--json")
    checks = json.loads(answer.stdout)["checks"]
    assert {tuple(sorted(check)) for check in checks} == {("message", "name", "state")}


def test_a_port_in_use_is_seen() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        check = diagnosis.check_port(port)
    assert (check.state, "--port 0" in check.message) == ("warn", True)
    assert diagnosis.check_port(port).state == "ok"


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="needs dbus-daemon")
def test_a_bus_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        assert diagnosis.dbus().state == "ok"
    assert diagnosis.dbus().state == "warn"


def test_ports_and_the_dongle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [PortInfo(str(tmp_path), usb_id=USB_ID), PortInfo("/nowhere")]
    assert [(check.name, check.state) for check in diagnosis.serial_ports(lambda: ports)] == [
        ("dongle", "ok"),
        ("serial", "warn"),
    ]
    monkeypatch.setattr(os, "access", lambda *_: False)
    dongle, _ = diagnosis.serial_ports(lambda: ports)
    assert "usermod -aG dialout" in dongle.message
    assert [check.name for check in diagnosis.serial_ports(list)] == ["dongle", "serial"]


def test_models_that_cannot_be_opened_or_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    monkeypatch.setattr(model_selection, "shipped", lambda: [broken])
    assert [check.state for check in diagnosis.models()] == ["fail"]
    monkeypatch.setattr(model_selection, "shipped", list)
    assert [check.state for check in diagnosis.models()] == ["fail"]


def test_a_model_that_works(tiny_window: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_selection, "shipped", lambda: [tiny_window])
    (check,) = diagnosis.models()
    assert check.state == "ok"
    assert "200 Hz raw adc" in check.message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_0(console: Console, number: int) -> None:
    wait = "import service.diagnosis as d, time\nd.bluetooth = lambda: (print('waits', flush=True), time.sleep(100))"
    process = console.start("doctor", "--json", before=wait)
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (0, "", "")
