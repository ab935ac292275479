"""A serial port, read and written by a thread of its own.

pyserial is not safe to call from several threads on Windows, so one thread opens the port, reads, writes
and closes it. It passes bytes to the event loop's thread with the time they arrived, in a buffer of bounded
size. (pyserial-asyncio polls on Windows and gives no arrival times, so this is our own.)
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import serial

from drivers.clock import Clock
from drivers.errors import DeviceLost, DriverError
from drivers.transport.byte_link import ByteLink, BytePort, Chunk
from drivers.transport.network import TcpLink, address_of
from drivers.transport.thread_queue import ThreadQueue

WATCH_S: Final = 0.25
"""Seconds between looks for a missing port."""
RETRY_S: Final = 1.0
"""Seconds between attempts to open a port that is there and cannot be used."""
BUFFER_BYTES: Final = 1 << 20
"""Bytes that may wait for the event loop: minutes of EMG. Bytes beyond are dropped and counted."""
_READ_S: Final = 0.1
_WRITE_S: Final = 0.5
_CLOSE_S: Final = 0.5

SOCKET: Final = "socket://"
"""Begins a port that is the raw bytes of a TCP connection, as pyserial names it."""


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port of this machine."""

    path: str
    description: str = ""
    usb_id: tuple[int, int] | None = None
    serial_number: str | None = None


Ports = Callable[[], Iterable[PortInfo]]


def list_ports() -> list[PortInfo]:
    """List the serial ports of this machine, as pyserial finds them."""
    from serial.tools import list_ports as tools

    return [
        PortInfo(
            port.device,
            port.description if port.description != "n/a" else "",
            None if port.vid is None or port.pid is None else (port.vid, port.pid),
            port.serial_number,
        )
        for port in sorted(tools.comports())
    ]


def usable(path: str, ports: Ports = list_ports) -> bool:
    """Whether there is such a port, and (except on Windows) whether this user may open it.

    A port that was just plugged in belongs to root until udev has changed its group.
    """
    if os.name == "posix":
        return os.access(path, os.R_OK | os.W_OK)
    return any(port.path == path for port in ports())


async def port_returns(
    paths: Callable[[], Sequence[str]], baud: int, clock: Clock, answers: Callable[[SerialPort], Awaitable[None]]
) -> None:
    """Wait until one of these ports is there again or, where one never went away, until its device answers.

    Args:
        paths: returns the paths that are there now; called on another thread.
        baud: bits per second.
        clock: Unix seconds.
        answers: returns when the device on an open port has answered; a DriverError from it means another attempt.
    """
    while there := await asyncio.to_thread(paths):
        for path in there:
            with suppress(DriverError):
                port = await SerialPort.open(path, baud, clock)
                try:
                    return await answers(port)
                finally:
                    await port.close()
        if await asyncio.to_thread(paths):
            await asyncio.sleep(RETRY_S)
    while True:
        await asyncio.sleep(WATCH_S)
        if await asyncio.to_thread(paths):
            return


def link_to(target: str, baud: int, clock: Clock, *, discard_s: float = 0.0) -> ByteLink:
    """The link to what a user calls a port: a serial one, or `socket://HOST:PORT`. Raises DriverError.

    Args:
        target: as the user gave it.
        baud: bits per second, of a serial port.
        clock: Unix seconds.
        discard_s: see `SerialLink`.
    """
    if target.startswith(SOCKET):
        return TcpLink(*address_of(target.removeprefix(SOCKET), f"{SOCKET}HOST:PORT"), clock)
    return SerialLink(target, baud, clock, discard_s=discard_s)


@dataclass(frozen=True, slots=True)
class SerialLink:
    """A serial port as a `ByteLink`.

    Args:
        name: the port's path.
        baud: bits per second.
        clock: Unix seconds.
        discard_s: seconds after opening for which everything that comes is thrown away: what waited in the port, or
            in the driver behind it, says nothing about now.
    """

    name: str
    baud: int
    clock: Clock
    discard_s: float = 0.0

    async def open(self) -> SerialPort:
        """Open the port."""
        return await SerialPort.open(self.name, self.baud, self.clock, discard_s=self.discard_s)

    async def returns(self, answers: Callable[[BytePort], Awaitable[None]]) -> None:
        """Wait until the port is there again or, where it never went away, until its board answers."""
        await port_returns(lambda: [self.name] if usable(self.name) else [], self.baud, self.clock, answers)


class SerialPort:
    """An open port: `read()` what arrived, `write()` without waiting, `close()` in bounded time.

    Use `await SerialPort.open(...)`; all methods belong to the thread of the event loop.
    """

    def __init__(self, path: str, baud: int, clock: Clock, discard_s: float = 0.0) -> None:
        self.path = path
        self._baud = baud
        self._discard_s = discard_s
        self._clock = clock
        self._received = ThreadQueue[Chunk](BUFFER_BYTES)
        self._to_send: deque[bytes] = deque()
        self._stop = False
        self._serial: serial.Serial | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()

    @property
    def dropped(self) -> int:
        """Bytes that arrived while the event loop was blocked for too long."""
        return self._received.dropped

    @classmethod
    async def open(cls, path: str, baud: int, clock: Clock, *, discard_s: float = 0.0) -> SerialPort:
        """Open a port for this process alone; `discard_s` as in `SerialLink`.

        Raises:
            DriverError: no such port, no permission, in use, not a serial port, or no such baud rate.
        """
        port = cls(path, baud, clock, discard_s)
        threading.Thread(target=port._run, name=f"serial {path}", daemon=True).start()
        try:
            await asyncio.shield(port._opened)
        except (OSError, ValueError) as error:
            raise DriverError(open_problem(path, baud, error)) from None
        except asyncio.CancelledError:
            port._opened.add_done_callback(lambda opened: opened.cancelled() or opened.exception())
            await port.close()
            raise
        return port

    async def read(self) -> list[Chunk]:
        """Wait for bytes; return all that arrived since the last call.

        Raises:
            DeviceLost: the port is gone.
        """
        return await self._received.take()

    def write(self, data: bytes) -> None:
        """Send as soon as possible. A failure shows as the loss of the port in `read`."""
        self._to_send.append(data)
        self._wake()

    async def close(self) -> None:
        """Send what is still to be sent, then close; return after half a second at most."""
        self._stop_thread()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._closed.wait()

    def _stop_thread(self) -> None:
        self._stop = True
        self._wake()

    def _wake(self) -> None:
        """Interrupt the thread's read: the one call that pyserial allows from another thread."""
        port = self._serial
        if port is not None:
            with suppress(OSError, TypeError, serial.PortNotOpenError):
                port.cancel_read()

    # The methods below run on the thread of the port.

    def _run(self) -> None:
        try:
            port = serial.Serial(self.path, self._baud, timeout=_READ_S, write_timeout=_WRITE_S, exclusive=True)
        except (OSError, ValueError) as error:
            self._received.call(partial(self._report_opened, error))
            self._received.call(self._closed.set)
            return
        self._serial = port
        self._received.call(partial(self._report_opened, None))
        try:
            self._pump(port)
        except OSError as error:
            self._received.fail(DeviceLost(f"{self.path} went away ({_cause(error)})"))
        finally:
            self._serial = None
            with suppress(OSError):
                port.close()
            self._received.call(self._closed.set)

    def _pump(self, port: serial.Serial) -> None:
        end = time.monotonic() + self._discard_s
        while not self._stop and time.monotonic() < end:
            port.read(max(1, port.in_waiting))
        while not self._stop:
            self._send(port)
            data = port.read(1)
            if data:
                data += port.read(port.in_waiting)
                self._received.put((data, self._clock()), len(data))
        self._send(port)

    def _send(self, port: serial.Serial) -> None:
        while self._to_send:
            port.write(self._to_send.popleft())

    def _report_opened(self, error: OSError | ValueError | None) -> None:
        if self._opened.done():
            return
        if error is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(error)


def open_problem(path: str, baud: int, error: OSError | ValueError) -> str:
    """Say in one line why the port cannot be opened and what to do."""
    code = error.errno if isinstance(error, OSError) else None
    text = str(error)
    if code == errno.ENOENT or "FileNotFoundError" in text:
        return f"there is no port {path}; plug the device in, or see which ports there are with `myocast scan`"
    if code in (errno.EAGAIN, errno.EBUSY) or ("PermissionError" in text and code is None):
        return f"{path} is in use by another program (Myo Connect, a serial monitor, another myocast); close it"
    if code in (errno.EACCES, errno.EPERM):
        return (
            f"no permission to open {path}; add yourself to its group "
            "(sudo usermod -aG dialout $USER), then log in again"
        )
    if isinstance(error, ValueError):
        return f"{path} cannot run at {baud} baud; expected a rate that the port knows, such as 115200"
    if "ioctl" in text or "configure" in text:
        return f"{path} is not a serial port; see which ports there are with `myocast scan`"
    return f"{path} cannot be opened ({_cause(error)}); unplug the device, plug it in again and retry"


def _cause(error: OSError | ValueError) -> str:
    cause = error.__context__ if isinstance(error, OSError) and error.errno is None else error
    reason = getattr(cause, "strerror", None) or str(error)
    return " ".join(str(reason).split())
