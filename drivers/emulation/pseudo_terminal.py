"""A pseudo-terminal with an emulated dongle, in real time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final

from drivers.emulation.dongle import EmulatedDongle
from drivers.errors import DriverError

MAX_UNSENT: Final = 16384
"""Bytes that may wait for a slow reader: seconds of EMG."""


class PseudoTerminal:
    """A pseudo-terminal with an emulated dongle; an async context manager.

    Args:
        dongle: the dongle that answers on it.
        clock: seconds that never step back.
        time_scale: seconds of `clock` per second of the event loop.

    Raises:
        DriverError: this system has no pseudo-terminals (Windows).
    """

    def __init__(
        self, dongle: EmulatedDongle, *, clock: Callable[[], float] = time.monotonic, time_scale: float = 1.0
    ) -> None:
        self.dongle = dongle
        self.path = ""
        self.overrun = 0
        """Bytes dropped because the reader was too slow."""
        self._clock = clock
        self._time_scale = time_scale
        self._master = self._slave = -1
        self._unsent = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> PseudoTerminal:
        self._master, self._slave = open_pty()
        self.path = os.ttyname(self._slave)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Remove the port, as when the dongle is pulled out."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        asyncio.get_running_loop().remove_writer(self._master)
        if self._timer is not None:
            self._timer.cancel()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def lose_link(self) -> None:
        """Lose the armband's link, as when it goes out of range."""
        self._write(self.dongle.lose_link())
        self._schedule()

    def _read(self) -> None:
        data = b""
        with suppress(OSError):
            data = os.read(self._master, 4096)
        self._write(self.dongle.feed(data, self._clock()))
        self._schedule()

    def _tick(self) -> None:
        self._timer = None
        self._write(self.dongle.due(self._clock()))
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.dongle.next_due()
        if due is not None and self._master >= 0:
            wait = max(0.0, due - self._clock()) / self._time_scale
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _write(self, data: bytes) -> None:
        """Send, or keep for a slow reader; drop what does not fit, as a dongle does."""
        if len(self._unsent) + len(data) > MAX_UNSENT:
            self.overrun += len(data)
            return
        self._unsent += data
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: os.write(self._master, self._unsent)]
            loop.remove_writer(self._master)
            return
        loop.add_writer(self._master, self._flush)


def open_pty() -> tuple[int, int]:
    """Open a pseudo-terminal in raw mode: (master, slave), the master not blocking.

    Raises:
        DriverError: this system has none.
    """
    try:
        import tty

        master, slave = os.openpty()
    except (ImportError, AttributeError, OSError):
        raise DriverError("this system has no pseudo-terminals; run `myocast emulate` on Linux or macOS") from None
    tty.setraw(slave)
    os.set_blocking(master, False)
    return master, slave
