"""A board of Upside Down Labs, with the Chords firmware: `chords:PORT?channels=1-8`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from typing import Final

from drivers.chords import protocol
from drivers.chords.protocol import BAUDS, ChordsBoard, ChordsParser
from drivers.clock import Clock, now
from drivers.errors import DriverError, connection_error
from drivers.events import Emit, Frame, Notice, Raw, SourceInfo
from drivers.sample_clock import SampleClock
from drivers.transport.byte_link import ByteLink, BytePort, Chunk
from drivers.transport.serial_port import link_to
from drivers.uri import SourceUri, channels_option, hand_option
from models.hand import CHANNELS

GREETING_S: Final = 6.0
"""Seconds for a board to say what it is; one that restarts when its port is opened is silent for about two."""
ASK_S: Final = 1.3
"""Seconds between two commands; the firmware waits a second for the end of one, and takes two at once for none."""
_LONGEST_TEXT: Final = 16384
_NAME: Final = "Chords board"


def from_uri(uri: SourceUri) -> ChordsSource:
    """Make the source of a `chords:` URI. Raises DriverError if the port is missing or an option is wrong."""
    uri.allow(("channels", "hand", "baud"))
    port = uri.required_target("port", "chords:PORT, see which there are with `myocast scan`")
    bauds = (int(uri.number("baud", 0, 50, 4_000_000)),) if "baud" in uri.options else BAUDS
    info = SourceInfo(uri.text, _NAME, 0.0, hand=hand_option(uri), address=port)
    return ChordsSource(info, [link_to(port, baud, now) for baud in bauds], channels_option(uri))


async def identify(path: str, seconds: float, *, ask_s: float = ASK_S) -> ChordsBoard | None:
    """The Chords board on a port; None if there is none, or the port cannot be opened.

    It is asked at the baud rate of boards that restart when their port is opened for `seconds`, then at the other.
    """
    for baud, limit_s in ((115200, seconds), (230400, min(seconds, 2 * ask_s))):
        link = link_to(path, baud, now)
        info = SourceInfo(f"chords:{path}", _NAME, 0.0)
        source = ChordsSource(info, [link], list(range(CHANNELS)), greeting_s=limit_s, ask_s=ask_s)
        with suppress(DriverError):
            port, board = await source._find()
            await port.close()
            return board
    return None


class ChordsSource:
    """Eight channels of a Chords board, with lost samples counted exactly.

    Args:
        info: what is known of the board; it says its rate itself.
        links: the ways to its port, one for each baud rate that it may have.
        channels: which eight of its channels, from 0.
        clock: Unix seconds.
        greeting_s: seconds that it may take, at each baud rate, to say what it is.
        ask_s: seconds between two commands.
    """

    def __init__(
        self,
        info: SourceInfo,
        links: list[ByteLink],
        channels: list[int],
        *,
        clock: Clock = now,
        greeting_s: float = GREETING_S,
        ask_s: float = ASK_S,
    ) -> None:
        self.info = info
        self._links = links
        self._channels = channels
        self._clock = clock
        self._greeting_s, self._ask_s = greeting_s, ask_s
        self._board: ChordsBoard | None = None
        self._parser: ChordsParser | None = None
        self._samples: SampleClock | None = None

    @property
    def lost(self) -> int:
        """Samples lost so far, according to the board's counter."""
        return self._samples.lost if self._samples else 0

    async def run(self, emit: Emit) -> None:
        """Ask the board what it is, start it, stream.

        Raises:
            DriverError: the port cannot be used, no Chords board answers on it, or it has too few channels.
            DeviceLost: the port went away, or the board that was there does not answer.
        """
        port, board = await self._find()
        try:
            parser, samples = self._accept(board, emit)
            port.write(protocol.START)
            while True:
                for chunk in await port.read():
                    self._take(chunk, parser, samples, emit)
        finally:
            port.write(protocol.STOP)
            await port.close()

    async def reachable(self) -> None:
        """Wait until the port is there again or, where it never went away, until the board answers."""
        await self._links[0].returns(self._answers)

    async def _find(self) -> tuple[BytePort, ChordsBoard]:
        """The open port and the board on it, at the baud rate at which it answers."""
        for link in self._links:
            try:
                port = await link.open()
            except DriverError as error:
                raise self._problem(str(error)) from None
            try:
                board = await self._who(port, self._greeting_s)
            except BaseException:
                await port.close()
                raise
            if board is not None:
                # Tried first from now on.
                self._links.remove(link)
                self._links.insert(0, link)
                return port, board
            await port.close()
        raise self._problem(
            f"no Chords board answers at {self._links[0].name}; check the port, and that the firmware is Chords"
        )

    async def _who(self, port: BytePort, seconds: float) -> ChordsBoard | None:
        """Ask, and stop an earlier stream; None if nothing answers. Raises DriverError for an unknown board."""
        text = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for command in cycle((protocol.WHO, protocol.STOP)):
                    port.write(command)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._ask_s):
                            while (board := protocol.board_named(text)) is None:
                                text = (text + b"".join(data for data, _ in await port.read()))[-_LONGEST_TEXT:]
                            return self._known(board)
        return None

    def _known(self, board: ChordsBoard | str) -> ChordsBoard:
        if isinstance(board, str):
            names = ", ".join(protocol.BOARDS)
            raise self._problem(f"the board at {self._links[0].name} calls itself {board!r}; known are: {names}")
        return board

    async def _answers(self, port: BytePort) -> None:
        while await self._who(port, self._greeting_s) is None:
            pass

    def _accept(self, board: ChordsBoard, emit: Emit) -> tuple[ChordsParser, SampleClock]:
        """Take over what the board is. Raises DriverError if it has too few channels."""
        needed = max(self._channels) + 1
        if board.channels < needed:
            raise self._problem(
                f"the {board.name} at {self._links[0].name} has {board.channels} channels; expected {needed} at least: "
                "use a board with eight (Nano, STM32F4 Black Pill) or sixteen (Mega, STM32G4, ESP32-S3)"
            )
        if self._board != board or self._parser is None or self._samples is None:
            self._board = board
            self._parser = ChordsParser(board, self._channels)
            if self._samples is None:
                self._samples = SampleClock(board.rate_hz, loss_unit=protocol.COUNTS)
            else:
                self._samples.change_rate(board.rate_hz, loss_unit=protocol.COUNTS)
        self._parser.restart()
        self._samples.restart(self._clock())
        self.info = replace(self.info, name=f"Chords {board.name}", rate_hz=board.rate_hz)
        emit(self.info)
        emit(Notice(self._clock(), "connect", self.info.name))
        return self._parser, self._samples

    def _take(self, chunk: Chunk, parser: ChordsParser, samples: SampleClock, emit: Emit) -> None:
        data, arrival = chunk
        emit(Raw(arrival, self._links[0].name, data))
        for run in parser.feed(data):
            stamp = samples.stamp(len(run.samples), arrival, lost=run.lost)
            emit(Frame(stamp.sample, stamp.t, run.samples, arrival, stamp.gap))

    def _problem(self, text: str) -> DriverError:
        return connection_error(text, connected_before=self._board is not None)
