"""A board that prints lines of numbers, over a serial port, TCP or UDP.

`serial:PORT?baud=115200&rate=…&unit=adc&mode=raw&first=1&channels=1-8` (a port may be `socket://HOST:PORT`),
`tcp://HOST:PORT?…`, `udp://[HOST]:PORT?…`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Final

import numpy as np

from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError, connection_error
from drivers.events import EMG_MODES, Emit, Frame, Notice, Raw, SourceInfo
from drivers.sample_clock import SampleClock, TooFast
from drivers.text.parser import TextLines, TextRun
from drivers.text.rate import RateWatch, measured_rate
from drivers.transport.byte_link import ByteLink, BytePort, Chunk, sends_something
from drivers.transport.network import TcpLink, UdpLink, UdpPort, address_of
from drivers.units import unit_option
from drivers.uri import SourceUri, channels_option, hand_option

DEFAULT_BAUD: Final = 115200
FIRST_LINE_S: Final = 6.0
"""Seconds for the first line of numbers; a board that restarts when its port is opened is silent for about two."""
MEASURE_S: Final = 2.0
"""Seconds of samples from which the rate is measured."""
LEAST_S: Final = 0.5
"""Seconds of samples that are the least for a rate; with fewer, only the bytes are recorded."""
FASTEST_HZ: Final = 10_000.0
DISCARD_S: Final = 0.2
"""Seconds for which a serial port is emptied of what waited in it: it would spoil the rate."""
PACE_S: Final = 0.5
"""Seconds for which the pace of a board that was too fast is looked at before its lines are samples again."""
PACE: Final = 1.5
"""Times its rate at which a board is still too fast then."""
_LOSS_UNIT_S: Final = 0.05
"""Seconds of samples in the buffers that a USB serial adapter loses whole."""
_TOLERANCE: Final = 0.05
_OPTIONS: Final = ("rate", "unit", "mode", "hand", "first", "channels")

Arrived = tuple[TextRun, float]


def from_uri(uri: SourceUri) -> TextSource:
    """Make the source of a `serial:`, `tcp:` or `udp:` URI.

    Raises:
        DriverError: the port or address is missing, or an option is unknown or has no such value.
        ModuleNotFoundError: the package that serial ports need is not installed.
    """
    uri.allow((*_OPTIONS, "baud") if uri.scheme == "serial" else _OPTIONS)
    link = _link(uri)
    unit, scale = unit_option(uri)
    info = SourceInfo(
        uri.text,
        f"board at {link.name}" if uri.scheme != "serial" else f"serial board at {link.name}",
        uri.number("rate", 0.0, 1.0, FASTEST_HZ),
        unit=unit,
        emg_mode=uri.choice("mode", "raw", EMG_MODES),
        hand=hand_option(uri),
        address=link.name,
    )
    first = int(uri.number("first", 1, 1, 100)) if "first" in uri.options else None
    return TextSource(info, link, TextLines(first, channels_option(uri)), scale=scale)


def _link(uri: SourceUri) -> ByteLink:
    if uri.scheme == "serial":
        from drivers.transport.serial_port import link_to

        port = uri.required_target("port", "serial:PORT, see which there are with `myocast scan`")
        baud = int(uri.number("baud", DEFAULT_BAUD, 50, 4_000_000))
        return link_to(port, baud, now, discard_s=DISCARD_S)
    expected = "tcp://HOST:PORT" if uri.scheme == "tcp" else "udp://:PORT"
    host, port_number = address_of(uri.required_target("address", expected).removeprefix("//"), expected)
    if uri.scheme == "udp":
        return UdpLink(host, port_number, now)
    if not host:
        raise DriverError(f"{uri.text!r} names no host; expected {expected}")
    return TcpLink(host, port_number, now)


class TextSource:
    """Eight channels from lines of text.

    Where the rate is not given it is measured: the first two seconds of samples are held back until it is
    known, then emitted at once with their own times. A run that ends earlier emits those it has held back. It is
    measured on while samples flow, and corrected where it was wrong.

    Args:
        info: what is known of the board; rate 0: to be measured.
        link: the way to it.
        lines: the parser of its lines.
        clock: Unix seconds.
        first_line_s: seconds that the first line of numbers may take.
        scale: what numbers are multiplied with.
    """

    def __init__(
        self,
        info: SourceInfo,
        link: ByteLink,
        lines: TextLines | None = None,
        *,
        clock: Clock = now,
        first_line_s: float = FIRST_LINE_S,
        scale: float = 1.0,
    ) -> None:
        self.info = info
        self._scale = scale
        self._link = link
        self._clock = clock
        self._first_line_s = first_line_s
        self._lines = lines or TextLines()
        self._samples = sample_clock(info.rate_hz) if info.rate_hz else None
        self._watch: RateWatch | None = None
        self._held: list[Arrived] = []
        self._connected_before = False
        self._too_fast = False
        self._strangers = 0
        self._seen = b""
        self._columns = ""

    @property
    def lost(self) -> int:
        """Samples lost so far: malformed lines, and those that the sample clock found missing."""
        return self._samples.lost if self._samples else 0

    async def run(self, emit: Emit) -> None:
        """Read lines until the link is lost.

        Raises:
            DriverError: the link cannot be used, or no lines of eight numbers come.
            DeviceLost: the link was lost, or the board that was there is silent, or sends too fast.
        """
        try:
            port = await self._link.open()
        except DriverError as error:
            raise self._problem(str(error)) from None
        try:
            self._begin(emit)
            if self._samples is not None and self._too_fast:
                await self._look_at_pace(port, self._samples)
            await self._first_lines(port, emit)
            while True:
                for chunk in await self._read(port):
                    self._take(chunk, emit)
                self._tell_strangers(port, emit)
        except TooFast as error:
            self._too_fast = True
            raise self._flood(error.rate_hz, error.nominal_hz) from None
        finally:
            self._release(emit)
            await port.close()

    async def reachable(self) -> None:
        """Wait until the link can be used again or, where it never went away, until the board sends something."""
        await self._link.returns(sends_something)

    def _begin(self, emit: Emit) -> None:
        self._lines.restart()
        self._held.clear()
        self._seen = b""
        if self._samples is not None:
            self._samples.restart(self._clock())
        if self._watch is not None:
            self._watch.restart()
        emit(self.info)
        emit(Notice(self._clock(), "connect", self.info.name))

    async def _look_at_pace(self, port: BytePort, samples: SampleClock) -> None:
        """Discard the lines of a board that was too fast until it keeps its rate, and until its times are past."""
        too_fast = True
        while too_fast or samples.ahead_s(self._clock()) > 0:
            end, count = self._clock() + PACE_S, 0
            while (left := end - self._clock()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        chunks = await port.read()
                        count += sum(len(run.samples) for data, _ in chunks for run in self._lines.feed(data))
            too_fast = count > PACE * samples.rate_hz * PACE_S
        self._too_fast = False
        self._lines.restart()
        samples.restart(self._clock())

    def _flood(self, came_hz: float, rate_hz: float) -> DeviceLost:
        return DeviceLost(
            f"{self._link.name} sends {came_hz:.0f} lines a second, not {rate_hz:.0f}; mend the board, or say its "
            f"rate: ?rate={came_hz:.0f}"
        )

    def _tell_strangers(self, port: BytePort, emit: Emit) -> None:
        """Tell once of each other sender whose datagrams are left out."""
        if isinstance(port, UdpPort) and len(port.strangers) != self._strangers:
            self._strangers = len(port.strangers)
            emit(Notice(self._clock(), "other sender", f"left out: {', '.join(port.strangers)}"))

    async def _first_lines(self, port: BytePort, emit: Emit) -> None:
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

    async def _read(self, port: BytePort) -> list[Chunk]:
        """Read the port, with a time limit while samples are held back: no watchdog sees those."""
        if self._samples is not None:
            return await port.read()
        try:
            async with asyncio.timeout(MEASURE_S):
                return await port.read()
        except TimeoutError:
            raise DeviceLost(f"{self._link.name} fell silent before its rate was known; give it: ?rate=") from None

    def _silence(self) -> str:
        if not self._seen:
            return f"{self._link.name} says nothing; check that the board runs and prints its samples"
        line = self._seen.splitlines()[-1][-60:].decode("ascii", "backslashreplace")
        at, check = (f" at {baud} baud", "check ?baud=, or ") if (baud := self._link.baud) else ("", "check ")
        return (
            f"{self._link.name} prints no lines of 8 numbers{at}, but {line!r}; "
            f"expected v1,v2,…,v8: {check}what the board prints"
        )

    def _take(self, chunk: Chunk, emit: Emit) -> None:
        data, arrival = chunk
        emit(Raw(arrival, self._link.name, data))
        arrived = [(run, arrival) for run in self._lines.feed(data)]
        if self._lines.columns != self._columns:
            self._columns = self._lines.columns
            if self._columns:
                emit(Notice(arrival, "columns", self._columns))
        if self._samples is None:
            arrived = self._measure(arrived, emit)
        if self._samples is not None:
            for run, when in arrived:
                self._correct_rate(self._samples, run, when, emit)
                self._frame(self._samples, run, when, emit)

    def _correct_rate(self, samples: SampleClock, run: TextRun, arrival: float, emit: Emit) -> None:
        """Take another rate where the first measurement proves wrong."""
        rate_hz = self._watch.add(len(run.samples) + run.lost, arrival) if self._watch else None
        if rate_hz is not None:
            samples.change_rate(rate_hz, loss_unit=_loss_unit(rate_hz))
            self.info = replace(self.info, rate_hz=rate_hz)
            emit(self.info)

    def _frame(self, samples: SampleClock, run: TextRun, arrival: float, emit: Emit) -> None:
        stamp = samples.stamp(len(run.samples), arrival, lost=run.lost)
        samples_read = run.samples if self._scale == 1.0 else run.samples * np.float32(self._scale)
        emit(Frame(stamp.sample, stamp.t, samples_read, arrival, stamp.gap))

    def _measure(self, arrived: list[Arrived], emit: Emit) -> list[Arrived]:
        """Hold samples back until their rate is known; then return all of them."""
        self._held += arrived
        if self._held_s() < MEASURE_S:
            return []
        held, self._held = self._held, []
        self._set_rate(held, emit)
        return held

    def _held_s(self) -> float:
        return self._held[-1][1] - self._held[0][1] if self._held else 0.0

    def _set_rate(self, held: list[Arrived], emit: Emit) -> SampleClock:
        rate_hz = measured_rate([(len(run.samples) + run.lost, arrival) for run, arrival in held])
        self._samples = sample_clock(rate_hz)
        self._watch = RateWatch(rate_hz)
        self.info = replace(self.info, rate_hz=rate_hz)
        emit(self.info)
        return self._samples

    def _release(self, emit: Emit) -> None:
        """At the end of a run, emit the samples held back, at the rate measured so far."""
        if self._held_s() >= LEAST_S:
            held, self._held = self._held, []
            samples = self._set_rate(held, emit)
            with suppress(TooFast):
                for run, arrival in held:
                    self._frame(samples, run, arrival, emit)

    def _problem(self, text: str) -> DriverError:
        return connection_error(text, connected_before=self._connected_before)


def sample_clock(rate_hz: float) -> SampleClock:
    """Make the clock of a wire, which loses malformed lines (counted by the parser) or whole buffers."""
    return SampleClock(rate_hz, loss_unit=_loss_unit(rate_hz), tolerance=_TOLERANCE)


def _loss_unit(rate_hz: float) -> int:
    return max(1, round(_LOSS_UNIT_S * rate_hz))
