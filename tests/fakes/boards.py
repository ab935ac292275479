"""Emulated serial boards on pseudo-terminals: a Cyton, a Chords and a do-it-yourself board, in real or faster time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from drivers.clock import Clock
from drivers.cyton.protocol import microvolts_per_count
from drivers.emulation.pseudo_terminal import open_pty
from models.arrays import Float32Array


class Board:
    """A board that writes packet after packet at a rate; subclasses define its answers."""

    def __init__(self, packets: list[bytes], rate_hz: float, clock: Clock, time_scale: float) -> None:
        self.packets = packets
        self.received = b""
        self.skip: set[int] = set()
        """Packets to lose on the radio."""
        self.at = 0
        self._period = 1.0 / rate_hz
        self._clock = clock
        self._time_scale = time_scale
        self._started: float | None = None
        self._done = 0
        self._unsent = bytearray()
        self._arrived = asyncio.Event()
        self._master = self._slave = -1
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._master, self._slave = open_pty()
        self.path = os.ttyname(self._slave)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        self.plugged_in()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def unplug(self) -> None:
        self.stop()
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1
            self._unsent.clear()

    def plugged_in(self) -> None:
        """What it sends when it is plugged in."""

    def answer(self, data: bytes) -> None:
        """Answer bytes from the host."""

    def send(self, data: bytes) -> None:
        """Send now, or with the next data if the reader is slow."""
        self._unsent += data
        with suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: os.write(self._master, self._unsent)]

    async def until_received(self, data: bytes) -> None:
        """Wait until the bytes received end with these."""
        async with asyncio.timeout(20):
            while not self.received.endswith(data):
                self._arrived.clear()
                await self._arrived.wait()

    def start(self) -> None:
        if self._started is None:
            self._started, self._done = self._clock(), 0
            self._tick()

    def stop(self) -> None:
        self._started = None
        if self._timer is not None:
            self._timer.cancel()

    def _read(self) -> None:
        with suppress(OSError):
            data = os.read(self._master, 4096)
            self.received += data
            self._arrived.set()
            self.answer(data)

    def _tick(self) -> None:
        if self._started is None:
            return
        due = int((self._clock() - self._started) / self._period)
        while self._done < due and self.at < len(self.packets):
            if self.at not in self.skip:
                self.send(self.packets[self.at])
            self.at += 1
            self._done += 1
        self._timer = asyncio.get_running_loop().call_later(max(self._period, 0.004) / self._time_scale, self._tick)


class CytonBoard(Board):
    """A Cyton behind its dongle. `on` is the board's switch; `deaf`: something else is on the port."""

    def __init__(self, counts: Float32Array, clock: Clock, time_scale: float, rate_hz: float = 250.0) -> None:
        packets = [cyton_packet(n, row) for n, row in enumerate(counts.astype(int).tolist())]
        super().__init__(packets, rate_hz, clock, time_scale)
        self.on = True
        self.deaf = False
        self.daisy = False
        self.obeys = True
        """Whether it leaves the channels of a Daisy out when asked to."""

    def answer(self, data: bytes) -> None:
        if self.deaf:
            return
        if not self.on:
            self.send(b"Failure: Communications timeout - Device failed to poll Host$$$")
            return
        answers: dict[int, Callable[[], None]] = {
            ord("v"): lambda: self.send(
                b"OpenBCI V3 8-16 channel\r\nOn Board ADS1299 Device ID: 0x3E\r\n"
                + (b"On Daisy ADS1299 Device ID: 0x3E\r\n" if self.daisy else b"")
                + b"$$$"
            ),
            ord("c"): lambda: self.send(b"daisy removed$$$" if self.obeys else b""),
            ord("C"): lambda: self.send(b"16$$$" if self.daisy else b"no daisy to attach!8$$$"),
            ord("d"): lambda: self.send(b"updating channel settings to default$$$"),
            ord("b"): self.start,
            ord("s"): self.stop,
        }
        for byte in data:
            answers.get(byte, lambda: None)()


class ChordsFirmware(Board):
    """A board with the Chords firmware, which takes for a command all that comes before a pause of `pause_s`."""

    def __init__(
        self, counts: Float32Array, clock: Clock, time_scale: float, name: str = "STM32F4-BLACK-PILL",
        rate_hz: float = 500.0, middle: int = 2048, pause_s: float = 0.02,
    ) -> None:  # fmt: skip
        packets = [chords_packet(n, row) for n, row in enumerate((counts.astype(int) + middle).tolist())]
        super().__init__(packets, rate_hz, clock, time_scale)
        self.name = name
        self.on = True
        self._pause_s = pause_s
        self._command = b""
        self._pause: asyncio.TimerHandle | None = None

    def answer(self, data: bytes) -> None:
        self._command += data
        if self._pause is not None:
            self._pause.cancel()
        self._pause = asyncio.get_running_loop().call_later(self._pause_s, self._do)

    def unplug(self) -> None:
        super().unplug()
        if self._pause is not None:
            self._pause.cancel()

    def _do(self) -> None:
        command, self._command = self._command.strip(), b""
        if not self.on:
            return
        if command == b"WHORU":
            self.send(self.name.encode() + b"\r\n")
        elif command == b"START":
            self.start()
        elif command == b"STOP":
            self.stop()


def chords_packet(counter: int, samples: list[int]) -> bytes:
    return b"\xc7\x7c" + bytes((counter % 256,)) + b"".join(each.to_bytes(2, "big") for each in samples) + b"\x01"


class TextBoard(Board):
    """Prints a banner, then lines."""

    banner = b"<Arduino is ready>\r\n"

    def plugged_in(self) -> None:
        self.send(self.banner)
        self.start()


def cyton_packet(counter: int, counts: list[int]) -> bytes:
    body = b"".join(count.to_bytes(3, "big", signed=True) for count in counts)
    return bytes((0xA0, counter % 256)) + body + bytes(6) + b"\xc0"


def text_lines(samples: Float32Array) -> list[bytes]:
    return [",".join(f"{value:g}" for value in row).encode() + b"\r\n" for row in samples.tolist()]


SCALE = microvolts_per_count()
