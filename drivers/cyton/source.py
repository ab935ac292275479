"""An OpenBCI Cyton on its radio dongle: `cyton:PORT`; with a Daisy module `cyton:PORT?channels=9-16` and alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from drivers.clock import Clock, now
from drivers.cyton import protocol
from drivers.cyton.protocol import CytonParser, CytonRun, DaisyPairs
from drivers.errors import DriverError, connection_error
from drivers.events import Emit, Frame, Notice, Raw, SourceInfo
from drivers.sample_clock import SampleClock
from drivers.transport.byte_link import ByteLink, BytePort, Chunk
from drivers.transport.serial_port import link_to
from drivers.uri import SourceUri, channels_option, hand_option
from models.hand import CHANNELS, Side

BAUD: Final = 115200
_GREETING_S: Final = 5.0
_DEFAULTS_S: Final = 1.0
_RESET_S: Final = 1.0
"""Seconds between attempts to reset a board that does not answer."""
_LONGEST_BANNER: Final = 16384
_NAME: Final = "OpenBCI Cyton"


def from_uri(uri: SourceUri) -> CytonSource:
    """Make the source of a `cyton:` URI. Raises DriverError if the port is missing or an option is unknown."""
    uri.allow(("hand", "channels"))
    port = uri.required_target("port", "cyton:PORT, see which there are with `myocast scan`")
    return CytonSource(uri.text, link_to(port, BAUD, now), hand_option(uri), channels_option(uri))


class CytonSource:
    """An OpenBCI Cyton: eight channels in microvolts at 250 Hz, with lost samples counted exactly.

    Any other eight than the first need its Daisy module, with which it sends sixteen at 125 Hz.

    Args:
        uri: as the user gave it.
        link: the way to the port of the board's dongle.
        hand: the arm that wears the electrodes, if known.
        channels: which eight, from 0.
        clock: Unix seconds.
        greeting_s: seconds that the board may take to answer a reset.
    """

    def __init__(
        self,
        uri: str,
        link: ByteLink,
        hand: Side | None = None,
        channels: Sequence[int] = range(CHANNELS),
        *,
        clock: Clock = now,
        greeting_s: float = _GREETING_S,
    ) -> None:
        self._channels = list(channels)
        self._pairs = DaisyPairs() if max(channels) >= CHANNELS else None
        rate_hz = protocol.RATE_HZ if self._pairs is None else protocol.DAISY_RATE_HZ
        self.info = SourceInfo(uri, _NAME, rate_hz, unit="uV", hand=hand, address=link.name)
        self._link = link
        self._clock = clock
        self._greeting_s = greeting_s
        self._parser = CytonParser()
        self._samples = SampleClock(rate_hz, loss_unit=protocol.COUNTS // (1 if self._pairs is None else 2))
        self._connected_before = False

    @property
    def lost(self) -> int:
        """Samples lost so far, according to the board's counter."""
        return self._samples.lost

    async def run(self, emit: Emit) -> None:
        """Reset the board, start it, stream.

        Raises:
            DriverError: the port cannot be used, or no Cyton answers on it.
            DeviceLost: the port went away, or the board that was there does not answer.
        """
        try:
            port = await self._link.open()
        except DriverError as error:
            raise self._problem(str(error)) from None
        try:
            await self._greet(port)
            self._parser.restart()
            if self._pairs is not None:
                self._pairs.restart()
            self._samples.restart(self._clock())
            emit(self.info)
            emit(Notice(self._clock(), "connect", _NAME))
            port.write(protocol.STREAM)
            while True:
                for chunk in await port.read():
                    self._take(chunk, emit)
        finally:
            port.write(protocol.STOP)
            await port.close()

    async def reachable(self) -> None:
        """Wait until the port is there again or, where it never went away, until the board answers."""
        await self._link.returns(self._answers)

    async def _answers(self, port: BytePort) -> None:
        while True:
            if _ready(await self._reset(port, _RESET_S)):
                return
            await asyncio.sleep(_RESET_S)

    async def _reset(self, port: BytePort, seconds: float) -> bytes:
        """Reset the board; return the text it answers with."""
        port.write(protocol.STOP + protocol.SOFT_RESET)
        return await _text_until_prompt(port, seconds)

    def _take(self, chunk: Chunk, emit: Emit) -> None:
        data, arrival = chunk
        emit(Raw(arrival, self._link.name, data))
        for run in self._runs(data):
            self._connected_before = True
            stamp = self._samples.stamp(len(run.samples), arrival, lost=run.lost)
            emit(Frame(stamp.sample, stamp.t, run.samples[:, self._channels], arrival, stamp.gap))

    def _runs(self, data: bytes) -> list[CytonRun]:
        runs = self._parser.feed(data)
        return runs if self._pairs is None else [joined for run in runs for joined in self._pairs.feed(run)]

    async def _greet(self, port: BytePort) -> None:
        """Stop an earlier stream, reset, and set the channels to the gain that the scale assumes."""
        banner = await self._reset(port, self._greeting_s)
        if b"Failure" in banner:
            raise self._problem(
                f"the dongle at {self._link.name} answers, but not the Cyton: switch the board on (to PC)"
            )
        if not _ready(banner):
            raise self._problem(
                f"no OpenBCI Cyton answers at {self._link.name}; check the port, and the dongle's switch (GPIO 6)"
            )
        daisy = protocol.DAISY in banner
        if self._pairs is not None and not daisy:
            raise self._problem(
                f"the Cyton at {self._link.name} has no Daisy module, and so 8 channels; expected channel "
                f"{max(self._channels) + 1}: attach it, or leave ?channels= out"
            )
        if daisy:
            # At 250 Hz, or at 125 Hz with both: with a Daisy, the board begins with both.
            command = protocol.EIGHT_CHANNELS if self._pairs is None else protocol.SIXTEEN_CHANNELS
            if protocol.PROMPT not in await self._command(port, command) and self._pairs is None:
                self._read_both()
        await self._command(port, protocol.CHANNEL_DEFAULTS)

    def _read_both(self) -> None:
        """Read the Daisy's channels too: the board does not leave them out, and they must not be mixed with its own."""
        self._pairs = DaisyPairs()
        self._samples.change_rate(protocol.DAISY_RATE_HZ, loss_unit=protocol.COUNTS // 2)
        self.info = replace(self.info, rate_hz=protocol.DAISY_RATE_HZ)

    async def _command(self, port: BytePort, command: bytes) -> bytes:
        """Send a command; return what the board answers."""
        port.write(command)
        return await _text_until_prompt(port, _DEFAULTS_S)

    def _problem(self, text: str) -> DriverError:
        return connection_error(text, connected_before=self._connected_before)


def _ready(banner: bytes) -> bool:
    return protocol.PROMPT in banner and b"Failure" not in banner


async def _text_until_prompt(port: BytePort, seconds: float) -> bytes:
    """Read the board's text up to its prompt or until the time is over."""
    text = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while protocol.PROMPT not in text and b"Failure" not in text:
                text = (text + b"".join(data for data, _ in await port.read()))[-_LONGEST_BANNER:]
    return text
