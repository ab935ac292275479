"""A port owned by one thread: crossing, writing, losing, and what each failure to open means."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest
import serial

from drivers.base import DeviceLost, DriverError
from drivers.clock import now
from drivers.crossing import Crossing
from drivers.emulator import open_pty
from drivers.serial_port import SerialPort, list_ports, open_problem


async def test_bytes_cross_both_ways_and_the_port_is_free_again() -> None:
    master, slave = open_pty()
    path = os.ttyname(slave)
    port = await SerialPort.open(path, 115200, now)
    before = now()
    os.write(master, b"hello")
    heard = b""
    while heard != b"hello":
        for data, arrival in await port.read():
            heard += data
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
    heard = b"".join(data for data, _ in await port.read())
    os.close(master)
    os.close(slave)
    while heard != b"last words":
        heard += b"".join(data for data, _ in await port.read())
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
    again = None
    while again is None:
        try:
            again = await SerialPort.open(os.ttyname(slave), 115200, now)
        except DriverError:
            continue
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


async def test_a_baud_rate_that_no_port_knows(tmp_path: Path) -> None:
    master, slave = open_pty()
    with pytest.raises(DriverError, match="cannot run at -5 baud"):
        await SerialPort.open(os.ttyname(slave), -5, now)
    os.close(master)
    os.close(slave)


async def test_a_blocked_loop_holds_a_bounded_amount_and_counts_the_rest() -> None:
    crossing = Crossing[bytes](100)

    def read_device() -> None:
        for _ in range(10):
            crossing.put(bytes(30), 30)

    thread = threading.Thread(target=read_device)
    thread.start()
    thread.join()
    assert [len(item) for item in await crossing.take()] == [30, 30, 30]
    assert crossing.dropped == 210
    crossing.put(b"on", 2)
    assert await crossing.take() == [b"on"]


def test_a_thread_that_outlives_its_loop_does_no_harm() -> None:
    async def make() -> Crossing[bytes]:
        return Crossing[bytes](100)

    crossing = asyncio.run(make())
    crossing.put(b"too late", 8)
    crossing.fail(DeviceLost("too late"))


def test_ports_are_listed() -> None:
    assert all(port.path for port in list_ports())
