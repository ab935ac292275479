"""A board that prints lines of numbers: `serial:PORT?baud=115200&rate=…&unit=adc&mode=raw&first=1`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError, connection_error
from drivers.events import EMG_MODES, UNITS, Emit, Frame, Notice, Raw, SourceInfo
from drivers.sample_clock import SampleClock
from drivers.text.parser import TextLines, TextRun
from drivers.transport.serial_port import Chunk, SerialPort, port_returns, usable
from drivers.uri import SourceUri, hand_option

DEFAULT_BAUD: Final = 115200
FIRST_LINE_S: Final = 6.0
"""Seconds for the first line of numbers; a board that restarts when its port is opened is silent for about two."""
MEASURE_S: Final = 2.0
"""Seconds of samples from which the rate is measured."""
LEAST_S: Final = 0.5
"""Seconds of samples that are the least for a rate; with fewer, only the bytes are recorded."""
FASTEST_HZ: Final = 10_000.0
_LOSS_UNIT_S: Final = 0.05
"""Seconds of samples in the buffers that a USB serial adapter loses whole."""
_TOLERANCE: Final = 0.05
_OPTIONS: Final = ("baud", "rate", "unit", "mode", "hand", "first")

Arrived = tuple[TextRun, float]


def from_uri(uri: SourceUri) -> TextSource:
    """Make the source of a `serial:` URI.

    Raises:
        DriverError: the port is missing, or an option is unknown or has no such value.
    """
    uri.allow(_OPTIONS)
    port = uri.required_target("port", "serial:PORT, see which there are with `myocast scan`")
    info = SourceInfo(
        uri.text,
        f"serial board at {port}",
        uri.number("rate", 0.0, 1.0, FASTEST_HZ),
        unit=uri.choice("unit", "adc", UNITS),
        emg_mode=uri.choice("mode", "raw", EMG_MODES),
        hand=hand_option(uri),
        address=port,
    )
    first = int(uri.number("first", 1, 1, 100)) if "first" in uri.options else None
    return TextSource(info, port, int(uri.number("baud", DEFAULT_BAUD, 50, 4_000_000)), first)


class TextSource:
    """Eight channels from lines of text.

    Where the rate is not given it is measured: the first two seconds of samples are held back until it is
    known, then emitted at once with their own times. A run that ends earlier emits those it has held back.

    Args:
        info: what is known of the board; rate 0: to be measured.
        path: its port.
        baud: bits per second.
        first: the column of channel 1, from 1, or None to find it.
        clock: Unix seconds.
        first_line_s: seconds that the first line of numbers may take.
    """

    def __init__(
        self,
        info: SourceInfo,
        path: str,
        baud: int = DEFAULT_BAUD,
        first: int | None = None,
        *,
        clock: Clock = now,
        first_line_s: float = FIRST_LINE_S,
    ) -> None:
        self.info = info
        self._path = path
        self._baud = baud
        self._clock = clock
        self._first_line_s = first_line_s
        self._lines = TextLines(first)
        self._samples = sample_clock(info.rate_hz) if info.rate_hz else None
        self._held: list[Arrived] = []
        self._connected_before = False
        self._seen = b""

    @property
    def lost(self) -> int:
        """Samples lost so far: malformed lines, and those that the sample clock found missing."""
        return self._samples.lost if self._samples else 0

    async def run(self, emit: Emit) -> None:
        """Read lines until the port goes away.

        Raises:
            DriverError: the port cannot be used, or no lines of eight numbers come.
            DeviceLost: the port went away, or the board that was there is silent.
        """
        try:
            port = await SerialPort.open(self._path, self._baud, self._clock)
        except DriverError as error:
            raise self._problem(str(error)) from None
        try:
            self._begin(emit)
            await self._first_lines(port, emit)
            while True:
                for chunk in await self._read(port):
                    self._take(chunk, emit)
        finally:
            self._release(emit)
            await port.close()

    async def reachable(self) -> None:
        """Wait until the port is there again or, where it never went away, until the board sends something."""
        await port_returns(
            lambda: [self._path] if usable(self._path) else [], self._baud, self._clock, _sends_something
        )

    def _begin(self, emit: Emit) -> None:
        self._lines.restart()
        self._held.clear()
        self._seen = b""
        if self._samples is not None:
            self._samples.restart()
        emit(self.info)
        emit(Notice(self._clock(), "connect", self.info.name))

    async def _first_lines(self, port: SerialPort, emit: Emit) -> None:
        lines = self._lines.lines
        try:
            async with asyncio.timeout(self._first_line_s):
                while self._lines.lines == lines:
                    for chunk in await port.read():
                        self._seen = (self._seen + chunk[0])[-200:]
                        self._take(chunk, emit)
        except TimeoutError:
            raise self._problem(self._silence()) from None
        self._connected_before = True

    async def _read(self, port: SerialPort) -> list[Chunk]:
        """Read the port, with a time limit while samples are held back: no watchdog sees those."""
        if self._samples is not None:
            return await port.read()
        try:
            async with asyncio.timeout(MEASURE_S):
                return await port.read()
        except TimeoutError:
            raise DeviceLost(f"{self._path} fell silent before its rate was known; give it: ?rate=") from None

    def _silence(self) -> str:
        if not self._seen:
            return f"{self._path} says nothing; check that the board runs and prints its samples"
        line = self._seen.splitlines()[-1][-60:].decode("ascii", "backslashreplace")
        return (
            f"{self._path} prints no lines of 8 numbers at {self._baud} baud, but {line!r}; "
            "expected v1,v2,…,v8: check ?baud=, or what the board prints"
        )

    def _take(self, chunk: Chunk, emit: Emit) -> None:
        data, arrival = chunk
        emit(Raw(arrival, self._path, data))
        arrived = [(run, arrival) for run in self._lines.feed(data)]
        if self._samples is None:
            arrived = self._measure(arrived, emit)
        if self._samples is not None:
            for run, when in arrived:
                self._frame(self._samples, run, when, emit)

    def _frame(self, samples: SampleClock, run: TextRun, arrival: float, emit: Emit) -> None:
        stamp = samples.stamp(len(run.samples), arrival, lost=run.lost)
        emit(Frame(stamp.sample, stamp.t, run.samples, arrival, stamp.gap))

    def _measure(self, arrived: list[Arrived], emit: Emit) -> list[Arrived]:
        """Hold samples back until their rate is known; then return all of them."""
        self._held += arrived
        if self._held_s() < MEASURE_S:
            return []
        held, self._held = self._held, []
        self._set_rate(measured_rate(held), emit)
        return held

    def _held_s(self) -> float:
        return self._held[-1][1] - self._held[0][1] if self._held else 0.0

    def _set_rate(self, rate_hz: float, emit: Emit) -> SampleClock:
        self._samples = sample_clock(rate_hz)
        self.info = replace(self.info, rate_hz=rate_hz)
        emit(self.info)
        return self._samples

    def _release(self, emit: Emit) -> None:
        """At the end of a run, emit the samples held back, at the rate measured so far."""
        if self._held_s() >= LEAST_S:
            held, self._held = self._held, []
            samples = self._set_rate(measured_rate(held), emit)
            for run, arrival in held:
                self._frame(samples, run, arrival, emit)

    def _problem(self, text: str) -> DriverError:
        return connection_error(text, connected_before=self._connected_before)


async def _sends_something(port: SerialPort) -> None:
    await port.read()


def sample_clock(rate_hz: float) -> SampleClock:
    """Make the clock of a wire, which loses malformed lines (counted by the parser) or whole buffers."""
    return SampleClock(rate_hz, loss_unit=max(1, round(_LOSS_UNIT_S * rate_hz)), tolerance=_TOLERANCE)


def measured_rate(arrived: Sequence[Arrived]) -> float:
    """Samples per second, to 0.1 Hz: those after the first run, by the time between first and last arrival."""
    count = sum(len(run.samples) + run.lost for run, arrival in arrived if arrival > arrived[0][1])
    return max(0.1, round(count / (arrived[-1][1] - arrived[0][1]), 1))
