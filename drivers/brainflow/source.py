"""Boards through BrainFlow: `brainflow:BOARD?serial_port=…&channels=1-8`; MindRove's through its own: `mindrove:`.

BOARD is a number or name of the library's list; -1 is its synthetic board. Options say what a board is reached by
(`serial_port`, `mac`, `ip_address`, `ip_port`, `serial_number`, `other_info`, `timeout`, `file`, `master_board`);
`config` is a text that is sent to it before it streams.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from drivers.brainflow.library import (
    PARAMETERS,
    PLAYBACK,
    STREAMING,
    Board,
    BoardDescription,
    Library,
    library,
)
from drivers.brainflow.packages import PackageNumbers
from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError, connection_error
from drivers.events import EMG_MODES, UNITS, Emit, Frame, Notice, SourceInfo
from drivers.sample_clock import SampleClock
from drivers.transport.thread_queue import ThreadQueue
from drivers.uri import SourceUri, channels_option, hand_option
from models.arrays import Float64Array

POLL_S: Final = 0.01
"""Seconds between two looks into the library's buffer: it has no way to wait for samples."""
FIRST_S: Final = 10.0
"""Seconds that the first samples may take after the stream was started."""
CLOSE_S: Final = 10.0
"""Seconds that stopping and disconnecting may take: BrainFlow's streaming board takes five, and a program that ends
before its library has stopped is aborted. A library that hangs is left to its thread."""
RELEASE_S: Final = 15.0
"""Seconds for which the next run waits for such a thread."""
BUFFER_VALUES: Final = 1 << 21
"""Values that may wait for the event loop; values beyond are dropped and counted."""
_BUFFER_S: Final = 30
_LOSS_UNIT_S: Final = 0.05
_TOLERANCE: Final = 0.05

_ADDRESSES: Final = ("serial_port", "mac", "ip_address", "file")

_in_use: Final[set[str]] = set()
"""Boards that sources of this process have open, by `_Opened.key`."""

_Chunk = tuple[Float64Array, float]
"""Rows of everything that the board gives, and the arrival."""


def from_uri(uri: SourceUri) -> BoardSource:
    """Make the source of a `brainflow:` or `mindrove:` URI; nothing is connected yet.

    Raises:
        DriverError: no such board, or an option is unknown or has no such value.
        ModuleNotFoundError: the library is not installed.
    """
    uri.allow((*PARAMETERS, "channels", "unit", "mode", "hand", "config"))
    from_library = library(uri.scheme)
    number = from_library.number_of(uri)
    described = number
    if number in (PLAYBACK, STREAMING):
        if "master_board" not in uri.options:
            raise DriverError(f"{uri.text!r} does not say of which board it is; add it: ?master_board=-1")
        described = from_library.number_of(SourceUri(uri.text, uri.scheme, uri.options["master_board"]))
    description = from_library.describe(described, uri)
    channels = channels_option(uri)
    if len(description.channels) <= max(channels):
        raise DriverError(
            f"{uri.text!r}: {description.name} has {len(description.channels)} channels; expected channel "
            f"{max(channels) + 1}: choose a board with eight, or ?channels="
        )
    info = SourceInfo(
        uri.text,
        description.name,
        description.rate_hz,
        unit=uri.choice("unit", "uV", UNITS),
        emg_mode=uri.choice("mode", "raw", EMG_MODES),
        hand=hand_option(uri),
        address=next(
            (uri.options[name] for name in ("serial_port", "mac", "ip_address", "file") if name in uri.options), None
        ),
    )
    opened = _Opened(from_library, number, from_library.options(uri), uri.options.get("config"))
    return BoardSource(info, opened, description, channels)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A board, and what it is reached by."""

    library: Library
    number: int
    options: dict[str, str | int]
    config: str | None

    @property
    def key(self) -> str:
        """The same for boards that the library takes for one."""
        return f"{self.library.name} {self.number} {sorted(self.options.items())}"


class BoardSource:
    """Eight channels of a board that a library opens.

    Args:
        info: what is known of it.
        opened: which board.
        description: of its data.
        channels: which eight of its channels, from 0.
        clock: Unix seconds.
        first_s: seconds that the first samples may take.
    """

    def __init__(
        self,
        info: SourceInfo,
        opened: _Opened,
        description: BoardDescription,
        channels: list[int],
        *,
        clock: Clock = now,
        first_s: float = FIRST_S,
    ) -> None:
        self.info = info
        self._opened, self._description = opened, description
        self._rows = [description.channels[channel] for channel in channels]
        self._clock = clock
        self._first_s = first_s
        self._packages = PackageNumbers()
        loss_unit = max(1, round(_LOSS_UNIT_S * info.rate_hz))
        self._samples = SampleClock(info.rate_hz, loss_unit=loss_unit, tolerance=_TOLERANCE)
        self._connected_before = False
        self._reader: _Reader | None = None

    @property
    def lost(self) -> int:
        """Samples lost so far: by the board's counter, and those that the sample clock found missing."""
        return self._samples.lost

    async def run(self, emit: Emit) -> None:
        """Open the board and read it until it fails.

        Raises:
            DriverError: it cannot be opened, or gives no samples.
            DeviceLost: it failed, or is not back yet.
        """
        await self._claim()
        reader = self._reader = _Reader(self._opened, self.info, self._clock)
        try:
            emit(self.info)
            await self._started(reader, emit)
            while True:
                for chunk in await self._chunks(reader):
                    self._take(chunk, emit)
                    self._connected_before = True
        except DeviceLost:
            raise
        except DriverError as error:
            raise connection_error(str(error), connected_before=self._connected_before) from None
        finally:
            await reader.close()

    async def _claim(self) -> None:
        """Make sure that nothing else of this program has the board; the thread of the run before is waited for."""
        if self._reader is not None and not await self._reader.closed_within(RELEASE_S):
            raise connection_error(
                f"{self.info.name} is still being disconnected; switch it off and on", connected_before=True
            )
        if self._opened.key in _in_use:
            raise connection_error(
                f"another source of this program reads {self.info.name} already; to open two, say which: "
                "?serial_port=, ?mac=, ?serial_number=",
                connected_before=self._connected_before,
            )
        _in_use.add(self._opened.key)

    async def _started(self, reader: _Reader, emit: Emit) -> None:
        await reader.started()
        self._packages.restart()
        self._samples.restart(self._clock())
        emit(replace(self.info))
        emit(Notice(self._clock(), "connect", self.info.name))

    async def _chunks(self, reader: _Reader) -> list[_Chunk]:
        """Take what has come; the first samples have a time limit: no watchdog waits for those."""
        if self._connected_before:
            return await reader.chunks.take()
        try:
            async with asyncio.timeout(self._first_s):
                return await reader.chunks.take()
        except TimeoutError:
            where = (
                "you are on its Wi-Fi, and it is on"
                if self._opened.library.name == "MindRove"
                else "it is on and sends"
            )
            raise DriverError(
                f"{self.info.name} gives no samples within {self._first_s:g} s; check that {where}"
            ) from None

    def _take(self, chunk: _Chunk, emit: Emit) -> None:
        data, arrival = chunk
        emg = np.ascontiguousarray(data[self._rows].T * self._opened.library.scale, dtype=np.float32)
        for run in self._packages.runs(data[self._description.package]):
            rows = emg[run.start : run.stop]
            # Some boards mark by NaN what they have no value for.
            rows = np.nan_to_num(rows, nan=0.0, posinf=0.0, neginf=0.0)
            stamp = self._samples.stamp(len(rows), arrival, lost=run.lost)
            emit(Frame(stamp.sample, stamp.t, rows, arrival, stamp.gap))


class _Reader:
    """The thread that calls the library, whose calls block and have to be repeated."""

    def __init__(self, opened: _Opened, info: SourceInfo, clock: Clock) -> None:
        self.chunks = ThreadQueue[_Chunk](BUFFER_VALUES)
        self._opened, self._clock = opened, clock
        self._library = opened.library
        self._buffer = max(1000, round(_BUFFER_S * info.rate_hz))
        self._name = info.name
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()
        self._stop = threading.Event()
        threading.Thread(target=self._run, name=opened.library.name, daemon=True).start()

    async def started(self) -> None:
        """Wait until the board streams. Raises DriverError if it cannot."""
        await self._started

    async def close(self) -> None:
        """End the stream and the thread; return after `CLOSE_S` at most, also where the wait is cancelled.

        A process that ends while the library still works is aborted by the library.
        """
        self._stop.set()
        closing = asyncio.ensure_future(self.closed_within(CLOSE_S))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise

    async def closed_within(self, seconds: float) -> bool:
        """Whether the thread has ended, or ends within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        return self._closed.is_set()

    def _report(self, error: DriverError | None) -> None:
        if self._started.done():
            return
        if error is None:
            self._started.set_result(None)
        else:
            self._started.set_exception(error)

    # The methods below run on the thread.

    def _run(self) -> None:
        try:
            self._read(self._library.open(self._opened.number, self._opened.options))
        except self._library.error as error:
            self._fail(error)
        finally:
            _in_use.discard(self._opened.key)
            self.chunks.call(self._closed.set)

    def _read(self, board: Board) -> None:
        board.prepare_session()
        try:
            if self._opened.config is not None:
                board.config_board(self._opened.config)
            board.start_stream(self._buffer)
            self.chunks.call(lambda: self._report(None))
            while not self._stop.wait(POLL_S):
                data = board.get_board_data()
                if data.shape[1]:
                    self.chunks.put((data, self._clock()), data.size)
        finally:
            for leave in (board.stop_stream, board.release_session):
                # It may not have got so far.
                with suppress(self._library.error):
                    leave()

    def _fail(self, error: Exception) -> None:
        failure = DriverError(f"{self._name} cannot be read: {self._library.explain(error)}")
        self.chunks.fail(failure)
        self.chunks.call(lambda: self._report(failure))
