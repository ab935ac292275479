"""A port owned by one thread: queue, writing, losing, and what each failure to open means."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest
import serial

from drivers.clock import now
from drivers.emulation.pseudo_terminal import open_pty
from drivers.errors import DeviceLost, DriverError
from drivers.transport import serial_port
from drivers.transport.serial_port import PortInfo, SerialPort, list_ports, open_problem, port_returns, usable
from drivers.transport.thread_queue import ThreadQueue
from tests.fakes.hardware import PATIENCE_S


async def test_bytes_cross_both_ways_and_the_port_is_free_again() -> None:
    master, slave = open_pty()
    path = os.ttyname(slave)
    port = await SerialPort.open(path, 115200, now)
    before = now()
    os.write(master, b"hello")
    received = b""
    while received != b"hello":
        for data, arrival in await port.read():
            received += data
            assert before <= arrival <= now()
    port.write(b"ans")
    port.write(b"wer")
    await port.close()
    assert os.read(master, 100) == b"answer", "what waits is sent before the port closes"
    again = await SerialPort.open(path, 115200, now)
    await again.close()
    os.close(master)
    os.close(slave)


async def test_what_arrived_before_the_loss_is_read_first() -> None:
    master, slave = open_pty()
    port = await SerialPort.open(os.ttyname(slave), 115200, now)
    os.write(master, b"last words")
    received = b"".join(data for data, _ in await port.read())
    os.close(master)
    os.close(slave)
    while received != b"last words":
        received += b"".join(data for data, _ in await port.read())
    with pytest.raises(DeviceLost, match="went away"):
        await port.read()
    port.write(b"into the void")
    await port.close()


async def test_a_port_is_opened_for_one_alone() -> None:
    master, slave = open_pty()
    first = await SerialPort.open(os.ttyname(slave), 115200, now)
    with pytest.raises(DriverError, match="in use by another program"):
        await SerialPort.open(os.ttyname(slave), 115200, now)
    await first.close()
    os.close(master)
    os.close(slave)


async def test_opening_can_be_cancelled() -> None:
    master, slave = open_pty()
    opening = asyncio.ensure_future(SerialPort.open(os.ttyname(slave), 115200, now))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    again = await SerialPort.open(os.ttyname(slave), 115200, now)
    await again.close()
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (serial.SerialException(errno.ENOENT, "No such file"), "there is no port X"),
        (serial.SerialException("could not open port 'X': FileNotFoundError(2, '...')"), "there is no port X"),
        (serial.SerialException(errno.EACCES, "Permission denied"), "usermod -aG dialout"),
        (serial.SerialException(errno.EAGAIN, "Could not exclusively lock port"), "in use by another program"),
        (serial.SerialException(errno.EBUSY, "Device or resource busy"), "in use by another program"),
        (serial.SerialException("could not open port 'X': PermissionError(13, 'Denied')"), "in use by another program"),
        (serial.SerialException("Could not configure port: (25, 'Inappropriate ioctl')"), "is not a serial port"),
        (ValueError("Invalid baud rate: 7"), "cannot run at 9600 baud"),
        (serial.SerialException(errno.EIO, "Input/output error"), "unplug the device"),
    ],
)
def test_each_failure_to_open_has_its_remedy(error: OSError | ValueError, message: str) -> None:
    text = open_problem("X", 9600, error)
    assert message in text
    assert "\n" not in text


async def test_a_baud_rate_that_no_port_has(tmp_path: Path) -> None:
    master, slave = open_pty()
    with pytest.raises(DriverError, match="cannot run at -5 baud"):
        await SerialPort.open(os.ttyname(slave), -5, now)
    os.close(master)
    os.close(slave)


async def test_a_blocked_loop_holds_a_bounded_amount_and_counts_the_rest() -> None:
    queue = ThreadQueue[bytes](100)

    def read_device() -> None:
        for _ in range(10):
            queue.put(bytes(30), 30)

    thread = threading.Thread(target=read_device)
    thread.start()
    thread.join()
    assert [len(item) for item in await queue.take()] == [30, 30, 30]
    assert queue.dropped == 210
    queue.put(b"on", 2)
    assert await queue.take() == [b"on"]


def test_a_thread_that_outlives_its_loop_does_no_harm() -> None:
    async def make() -> ThreadQueue[bytes]:
        return ThreadQueue[bytes](100)

    queue = asyncio.run(make())
    queue.put(b"too late", 8)
    queue.fail(DeviceLost("too late"))


def test_ports_are_listed() -> None:
    assert all(port.path for port in list_ports())


class Answering:
    """What a device does on an open port: `None` hears for ever, an error is raised."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.opened = 0
        self.listening = asyncio.Event()

    async def __call__(self, port: SerialPort) -> None:
        self.opened += 1
        self.listening.set()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        await port.read()


async def test_a_port_that_is_there_again_is_enough() -> None:
    """What is on it is for the run to find out: opening it twice would start some boards twice."""
    looks: list[list[str]] = [[], [], ["/dev/null"]]
    answers = Answering()
    await asyncio.wait_for(port_returns(lambda: looks.pop(0), 115200, now, answers), PATIENCE_S)
    assert (answers.opened, looks) == (0, [])


async def test_a_port_that_never_went_away_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "RETRY_S", 0.01)
    master, slave = open_pty()
    answers = Answering(DriverError("no such device"), DeviceLost("it went"))
    paths = ["/dev/null", os.ttyname(slave)]
    waiting = asyncio.ensure_future(port_returns(lambda: paths, 115200, now, answers))
    while answers.opened < 3:
        answers.listening.clear()
        await asyncio.wait_for(answers.listening.wait(), PATIENCE_S)
    assert not waiting.done()
    os.write(master, b"here I am")
    await asyncio.wait_for(waiting, PATIENCE_S)
    again = await SerialPort.open(os.ttyname(slave), 115200, now)
    await again.close()
    os.close(master)
    os.close(slave)


async def test_a_port_that_goes_away_while_it_is_listened_to_is_waited_for() -> None:
    master, slave = open_pty()
    path = os.ttyname(slave)
    looks = [[path], [], [], [], [path]]
    answers = Answering()
    waiting = asyncio.ensure_future(port_returns(lambda: looks.pop(0), 115200, now, answers))
    await asyncio.wait_for(answers.listening.wait(), PATIENCE_S)
    assert not waiting.done()
    os.close(master)
    os.close(slave)
    await asyncio.wait_for(waiting, PATIENCE_S)
    assert (answers.opened, looks) == (1, [])


def test_a_port_may_be_there_and_of_no_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Just plugged in, it belongs to root for a moment."""
    assert usable("/dev/null")
    assert not usable(str(tmp_path / "none"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert not usable("/dev/null")
    monkeypatch.setattr(os, "name", "nt")
    assert usable("COM3", lambda: [PortInfo("COM3")])
    assert not usable("COM4", lambda: [PortInfo("COM3")])
