"""EMG from the Lab Streaming Layer: `lsl:NAME?source_id=…&channels=1-8&rate=…&unit=…`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np

from drivers.clock import Clock, now
from drivers.clock_shift import shifted
from drivers.errors import DeviceLost, DriverError
from drivers.events import EMG_MODES, Emit, Frame, Notice, SourceInfo, Unit
from drivers.lsl.streams import claim, names_of, release, streams_there
from drivers.transport.thread_queue import ThreadQueue
from drivers.units import unit_of, unit_option
from drivers.uri import SourceUri, channels_option, hand_option
from models.arrays import Float32Array, Float64Array
from models.installation import install_command

if TYPE_CHECKING:
    import pylsl

RESOLVE_S: Final = 5.0
GAP_S: Final = 0.1
"""Seconds; between stamps further apart than this, and than two samples, samples are missing."""
BUFFER_VALUES: Final = 1 << 20
"""Values that may wait for the event loop; values beyond are dropped and counted."""
_SLICE_S: Final = 0.2
_CHUNK: Final = 1024
_MOST_STREAMS: Final = 64
_LIST_S: Final = 1.0
_OPTIONS: Final = ("channels", "rate", "unit", "mode", "hand", "source_id")
_TEXT_FORMAT: Final = 3
"""liblsl's cft_string."""


def from_uri(uri: SourceUri) -> LslSource:
    """Make the source of an `lsl:` URI; liblsl is loaded, and nothing is resolved yet.

    Raises:
        DriverError: liblsl is missing, or an option is unknown or has no such value.
    """
    uri.allow(_OPTIONS)
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:  # RuntimeError: pylsl without its shared library
        reason = str(error).splitlines()[0]
        raise DriverError(f"`lsl:` needs the Lab Streaming Layer ({reason}); run: {install_command('lsl')}") from None
    unit, scale = unit_option(uri)
    info = SourceInfo(
        uri.text,
        uri.target or "LSL stream",
        uri.number("rate", 0.0, 1.0, 100_000.0),
        unit=unit,
        emg_mode=uri.choice("mode", "raw", EMG_MODES),
        hand=hand_option(uri),
    )
    source_id = uri.options.get("source_id")
    channels = channels_option(uri)
    return LslSource(
        info, uri.target or None, channels, "unit" in uri.options, lsl=pylsl, source_id=source_id, scale=scale
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """The description of an open stream."""

    name: str
    channels: int
    rate_hz: float
    units: tuple[str, ...]


_Chunk = tuple[Float32Array, Float64Array, float]
"""Samples of all channels, their stamps on our clock, and the arrival."""


class LslSource:
    """Eight channels of an LSL stream, stamped by LSL's own synchronised clock.

    Args:
        info: what the user gives; rate 0: that of the stream.
        name: of the stream, or None for the first one of type EMG.
        channels: which eight, from 0.
        unit_given: whether `info.unit` overrides the unit of the stream.
        lsl: the module `pylsl`.
        source_id: of the stream, where several have its name; then other sources may read it as well.
        clock: Unix seconds.
        resolve_s: how long to look for the stream.
        scale: factor to `info.unit`, where that overrides the stream's.
    """

    def __init__(
        self,
        info: SourceInfo,
        name: str | None,
        channels: list[int],
        unit_given: bool,
        *,
        lsl: ModuleType,
        source_id: str | None = None,
        clock: Clock = now,
        resolve_s: float = RESOLVE_S,
        scale: float = 1.0,
    ) -> None:
        self.info = info
        self._scale = scale
        self.lost = 0
        self._name = name
        self._source_id = source_id
        self._channels = channels
        self._unit_given = unit_given
        self._rate_given = info.rate_hz > 0
        self._lsl = lsl
        self._clock = clock
        self._resolve_s = resolve_s
        self._next = 0
        self._last_t = float("-inf")
        self._connected_before = False

    async def run(self, emit: Emit) -> None:
        """Resolve the stream and read it until it ends.

        Raises:
            DriverError: no such stream, or one that is no EMG of eight channels.
            DeviceLost: it ended, or is not back yet.
        """
        reader = _Reader(self._lsl, self._name, self._source_id, self._resolve_s, self._clock)
        fresh = self._connected_before
        try:
            emit(self.info)
            self._accept(await reader.opened(), emit)
            while True:
                for samples, t, arrival in await reader.chunks.take():
                    self._emit(samples, t, arrival, fresh, emit)
                    fresh = False
                    self._connected_before = True
        except DeviceLost:
            raise
        except DriverError as error:
            if self._connected_before:
                raise DeviceLost(str(error)) from None
            raise
        finally:
            await reader.close()

    def _accept(self, opened: _Opened, emit: Emit) -> None:
        """Take over the stream's description. Raises DriverError if it has too few channels or no rate."""
        if opened.channels <= max(self._channels):
            raise DriverError(
                f"the LSL stream {opened.name!r} has {opened.channels} channels; expected EMG with channel "
                f"{max(self._channels) + 1}: choose another stream, or ?channels="
            )
        if not self._rate_given and opened.rate_hz <= 0:
            raise DriverError(
                f"the LSL stream {opened.name!r} has no nominal rate; give it: lsl:{opened.name}?rate=200"
            )
        rate_hz = self.info.rate_hz if self._rate_given else opened.rate_hz
        unit = self.info.unit
        if not self._unit_given:
            unit, self._scale = _unit(opened, self._channels)
        self.info = replace(self.info, name=opened.name, rate_hz=rate_hz, unit=unit)
        emit(self.info)
        emit(Notice(self._clock(), "connect", opened.name))

    def _emit(self, samples: Float32Array, t: Float64Array, arrival: float, fresh: bool, emit: Emit) -> None:
        rows = np.ascontiguousarray(samples[:, self._channels], dtype=np.float32)
        if self._scale != 1.0:
            rows *= np.float32(self._scale)
        for run in consecutive(t, self.info.rate_hz):
            missing = self._missing(float(t[run.start]), fresh)
            self.lost += missing
            self._last_t = max(self._last_t, float(t[run.start]))
            emit(Frame(self._next + missing, self._last_t, rows[run], arrival, fresh or missing > 0))
            self._next += missing + run.stop - run.start
            self._last_t = max(self._last_t, float(t[run.stop - 1]))
            fresh = False

    def _missing(self, t: float, fresh: bool) -> int:
        """Samples missing before the one of this time; after a reconnect, also in a gap shorter than `GAP_S`."""
        apart = t - self._last_t
        if self._next == 0 or apart <= (0.0 if fresh else max(GAP_S, 2 / self.info.rate_hz)):
            return 0
        return max(0, round(apart * self.info.rate_hz) - 1)


def consecutive(t: Float64Array, rate_hz: float) -> Iterator[slice]:
    """Slices of samples without a gap.

    Args:
        t: (n,) time stamps, seconds.
        rate_hz: nominal rate, samples per second.
    """
    cuts = (np.flatnonzero(np.diff(t) > max(GAP_S, 2 / rate_hz)) + 1).tolist()
    for start, stop in zip([0, *cuts], [*cuts, len(t)], strict=True):
        yield slice(start, stop)


def _unit(opened: _Opened, channels: list[int]) -> tuple[Unit, float]:
    """The unit of the channels' frames and the factor to it; counts where they do not agree on one."""
    units = {unit_of(opened.units[channel]) if channel < len(opened.units) else unit_of("") for channel in channels}
    return units.pop() if len(units) == 1 else unit_of("")


class _Reader:
    """The thread that calls liblsl, whose calls block."""

    def __init__(
        self, lsl: ModuleType, name: str | None, source_id: str | None, resolve_s: float, clock: Clock
    ) -> None:
        self._source_id = source_id
        self._claimed: pylsl.StreamInfo | None = None
        self.chunks = ThreadQueue[_Chunk](BUFFER_VALUES)
        self._opened: asyncio.Future[_Opened] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()
        self._stop = threading.Event()
        self._lsl, self._name, self._resolve_s, self._clock = lsl, name, resolve_s, clock
        threading.Thread(target=self._run, name="lsl", daemon=True).start()

    async def opened(self) -> _Opened:
        return await self._opened

    async def close(self) -> None:
        """End the thread; return after a second at most."""
        self._stop.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._closed.wait()

    def _report_opened(self, outcome: _Opened | DriverError) -> None:
        if self._opened.done():
            return
        if isinstance(outcome, DriverError):
            self._opened.set_exception(outcome)
        else:
            self._opened.set_result(outcome)

    # The methods below run on the thread.

    def _run(self) -> None:
        try:
            self._read(self._open())
        except DriverError as error:
            self._fail(error)
        except (self._lsl.util.LostError, self._lsl.util.TimeoutError):
            self._fail(DeviceLost(f"the LSL stream {self._name or 'of type EMG'} has ended"))
        finally:
            if self._claimed is not None:
                release(self._claimed)
            self.chunks.call(self._closed.set)

    def _fail(self, error: DriverError) -> None:
        self.chunks.fail(error)
        self.chunks.call(lambda: self._report_opened(error))

    def _open(self) -> pylsl.StreamInlet:
        lsl = self._lsl
        # Not proc_dejitter: it smooths the stamps over a gap, and so hides it.
        flags = lsl.proc_clocksync | lsl.proc_monotonize
        inlet = lsl.StreamInlet(self._resolve(), recover=False, processing_flags=flags)
        info = inlet.info(self._resolve_s)
        if info.channel_format() == _TEXT_FORMAT:
            raise DriverError(f"the LSL stream {info.name()!r} is of text; expected EMG: choose another stream")
        inlet.open_stream(self._resolve_s)
        units = tuple(unit or "" for unit in info.get_channel_units() or ())
        opened = _Opened(info.name(), info.channel_count(), info.nominal_srate(), units)
        self.chunks.call(lambda: self._report_opened(opened))
        return inlet

    def _resolve(self) -> pylsl.StreamInfo:
        """Look for the stream in short calls, so that `close` is not held up."""
        what = ("name", self._name) if self._name else ("type", "EMG")
        end = self._clock() + self._resolve_s
        taken = False
        while not self._stop.is_set() and self._clock() < end:
            # With a minimum of one, liblsl returns at the first answer: others of that name answer a little later.
            found = self._lsl.resolve_byprop(*what, _MOST_STREAMS, _SLICE_S)
            found = [one for one in found if self._source_id in (None, one.source_id())]
            stream = claim(found, shared=self._source_id is not None)
            if stream is not None:
                self._claimed = stream
                return stream
            taken = taken or bool(found)
        if taken:
            raise DriverError(
                f"every LSL stream named {self._name!r} is read by another source already; to read one twice, say "
                f"which: lsl:{self._name}?source_id=…"
            )
        wanted = f"named {self._name!r}" if self._name else "of type EMG"
        wanted += f" with source_id={self._source_id}" if self._source_id is not None else ""
        there = names_of(streams_there(lsl=self._lsl, seconds=_LIST_S))
        raise DriverError(
            f"there is no LSL stream {wanted} on this network, but {there}; start it, or check its name (case counts)"
        )

    def _read(self, inlet: pylsl.StreamInlet) -> None:
        offset = self._clock() - self._lsl.local_clock() - shifted()
        try:
            while not self._stop.is_set():
                first, stamp = inlet.pull_sample(_SLICE_S)
                if stamp is None:
                    continue
                more, stamps = inlet.pull_chunk(0.0, _CHUNK)
                arrival = self._clock()
                samples = np.array([first, *more], np.float32)
                t = np.array([stamp, *stamps], np.float64) + offset + shifted()
                self.chunks.put((samples, t, arrival), samples.size)
        finally:
            inlet.close_stream()
