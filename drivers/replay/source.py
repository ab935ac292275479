"""A recorded session as a source: `replay:FILE?speed=1&loop=0&start=0` and `demo:`."""

from __future__ import annotations

import asyncio
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, cast

import numpy as np

from drivers.clock import Clock, now
from drivers.clock_shift import shifted
from drivers.events import EmgMode, Emit, Frame, Playback, SourceInfo, Unit
from drivers.replay.playback_schedule import Extras, Frames, Truth
from drivers.sessions import SessionError, read_session
from drivers.sessions.file_options import FASTEST, PLAY_OPTIONS, READ_OPTIONS, device_option, play_options, read_config
from drivers.sessions.reader import read_configured
from drivers.sessions.report import ReadReport
from drivers.uri import SourceUri
from models.recording import Recording

OPTIONS: Final = (*PLAY_OPTIONS, *READ_OPTIONS)

STOPPED_S: Final = 2.0
"""Seconds late with one step after which it counts as a process that stood still (a machine that slept)."""
_TICK_S: Final = 0.002
_TICK_ABOVE: Final = 500.0
_EARLY_S: Final = 1e-6
_BATCH: Final = 256


class ReplaySource:
    """A recording that plays by the clock: second p is due at `anchor + p / speed`, however late others were.

    Frames come in the recorded bursts where arrival times are known, else every 10 ms, when their last sample
    is due. `Frame.t` is the time at which the first row is due.

    Args:
        recording: what to play; at least one sample.
        uri: as the user gave it.
        name: of the session, as `SourceInfo.name`.
        speed: recorded seconds per real second, in (0, 100].
        loop: start again at the end.
        start: position to start from, seconds from the first sample.
        clock: Unix seconds; it must advance as the event loop's does.

    Raises:
        ValueError: speed or start is out of its range, or the recording is empty.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        uri: str = "replay:",
        name: str = "",
        speed: float = 1.0,
        loop: bool = False,
        start: float = 0.0,
        clock: Clock = now,
    ) -> None:
        if not len(recording):
            raise ValueError("the recording is empty")
        self._recording = recording
        self._frames = Frames.of(recording)
        self._extras = Extras.of(recording)
        self._truth = Truth(recording)
        self._duration = round(recording.duration_s, 6)
        self._loop = loop
        self._clock = clock
        self._info = SourceInfo(
            uri=uri,
            name=name or recording.name,
            rate_hz=recording.rate_hz,
            unit=cast(Unit, recording.unit),
            emg_mode=cast(EmgMode, recording.emg_mode),
            hand=recording.hand,
            nature="replay",
            other_counts=ReadReport.of(recording.meta).other_counts,
        )
        self._emit: Emit | None = None
        self._over: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._steered = False
        """Whether it was steered since the present step began."""
        self._expected = 0.0
        """When the present step was to begin."""
        self._missed = False
        """Whether frames were left out because the process stood still."""
        self._running = self._paused = self._ended = False
        self._played = self._jumped = False
        self._next_sample = self._base = self._row = self._extra = 0
        self._last_t = -np.inf
        self._speed = _speed(speed)
        self._anchor_t: float | None = None
        self._shifted_s = shifted()
        self._jump(start)

    @property
    def info(self) -> SourceInfo:
        """Description of the recording; it does not change."""
        return self._info

    @property
    def notes(self) -> list[str]:
        """What was dropped from the file, and how it was read."""
        report = ReadReport.of(self._recording.meta)
        return [f"{self._info.name}: {line}" for line in (*map(str, report.drops.values()), *report.notes)]

    @property
    def playback(self) -> Playback:
        """Position and speed now."""
        at = self._clock()
        self._follow_clock()
        position = min(max(self._position(at), 0.0), self._duration)
        return Playback(position, self._duration, self._speed, self._loop, self._paused)

    @property
    def ended(self) -> bool:
        """Whether the end was reached, and neither `resume` nor `seek` was called since."""
        return self._ended

    def pause(self) -> None:
        """Hold at the present position; no effect at the end."""
        if not self._paused and not self._ended:
            self._stop_clock()
            self._paused = True
            self._emit_playback()

    def resume(self) -> None:
        """Play on; at the end, from the start again."""
        if not self._paused and not self._ended:
            return
        if self._ended:
            self._jump(0.0)
        self._paused = False
        self._start_clock()
        self._emit_playback()

    def seek(self, position_s: float) -> None:
        """Go to a position, paused or not; at the end, `run` can then be called again.

        Raises:
            ValueError: outside [0, duration_s].
        """
        self._jump(position_s)
        self._start_clock()
        self._emit_playback()

    def set_speed(self, speed: float) -> None:
        """Change the speed from here on.

        Raises:
            ValueError: outside (0, 100].
        """
        speed = _speed(speed)
        self._stop_clock()
        self._speed = speed
        self._start_clock()
        self._emit_playback()

    async def run(self, emit: Emit) -> None:
        """Emit until cancelled or at the end; return at once if it is at the end."""
        self._emit = emit
        self._running = True
        self._over = asyncio.get_running_loop().create_future()
        try:
            emit(self._info)
            self._start_clock()
            emit(self.playback)
            self._expected = self._clock()
            self._play()
            await self._over
        finally:
            self._stop_timer()
            self._stop_clock()
            self._running = False

    def _play(self) -> None:
        """Emit what is due and set the timer for what is due next: a task would cost more than the frame."""
        self._timer = None
        if self._over is None or self._over.done():
            return
        try:
            self._steered = False
            if self._clock() - self._expected > STOPPED_S:
                self._join_present()
            wait = self._step()
        except Exception as error:
            self._over.set_exception(error)
            return
        if self._ended:
            self._over.set_result(None)
        elif wait is not None:
            # Steering while events were emitted may have set the timer already.
            self._stop_timer()
            self._expected = self._clock() + wait
            self._timer = asyncio.get_running_loop().call_later(wait, self._play)

    def _step(self) -> float | None:
        """Emit what is due; return the seconds until more is due, None while the clock stands still."""
        assert self._emit is not None
        self._follow_clock()
        if self._anchor_t is None:
            return None
        if self._play_due(self._emit):
            return 0.0
        if self._row >= len(self._frames):
            self._at_end()
            return 0.0
        return max(self._real(self._next_due()) - self._clock(), self._tick)

    def _join_present(self) -> None:
        """Leave out what was due while the process stood still: nobody wants a minute of it at once."""
        if self._anchor_t is None:
            return
        position = self._position(self._clock())
        if self._loop and position >= self._duration > 0.0:
            self._jump(position % self._duration)
            self._start_clock()
            return
        row = int(np.searchsorted(self._frames.due, position, side="right"))
        self._missed = self._missed or row > self._row
        self._row = max(self._row, row)
        self._extra = max(self._extra, int(np.searchsorted(self._extras.due, position, side="right")))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _tick(self) -> float:
        # Above some hundred frames a second, timers would cost more than the frames.
        return _TICK_S if self._frames.per_second * self._speed > _TICK_ABOVE else 0.0

    def _next_due(self) -> float:
        return min(self._frames.due.item(self._row), self._extras.next_due(self._extra))

    def _play_due(self, emit: Emit) -> bool:
        """Emit what is due, one batch at most; return whether to look again at once: more is due, or it was steered."""
        position = self._position(self._clock() + _EARLY_S)
        due, last = self._frames.due, min(self._row + _BATCH, len(self._frames))
        while self._row < last and due.item(self._row) <= position:
            self._play_extras(emit, due.item(self._row))
            if not self._steered:
                frame = self._frame(self._row)
                self._row += 1
                emit(frame)
            if self._steered:
                return True
        if self._row == last < len(self._frames) and due.item(last) <= position:
            return True
        self._play_extras(emit, position)
        return self._steered

    def _frame(self, row: int) -> Frame:
        start, stop = self._frames.edges.item(row), self._frames.edges.item(row + 1)
        recorded = self._recording.sample.item(start)
        gap, self._missed = self._frames.gap.item(row) or (self._missed and self._played), False
        if self._jumped:
            self._base = self._next_sample - recorded
            self._jumped, gap = False, self._played
        self._next_sample = self._base + recorded + stop - start
        self._played = True
        # A change of speed must not make time step back.
        self._last_t = max(self._last_t, self._real(self._frames.first_t.item(row)))
        samples, truth = self._recording.emg[start:stop], self._truth.rows(start, stop)
        return Frame(self._base + recorded, self._last_t, samples, self._clock(), gap, truth)

    def _play_extras(self, emit: Emit, until: float) -> None:
        while self._extras.next_due(self._extra) <= until:
            due = self._extras.next_due(self._extra)
            event = self._extras.event(self._extra, self._real(due))
            self._extra += 1
            emit(event)
            if self._steered:
                return

    def _at_end(self) -> None:
        assert self._emit is not None
        self._play_extras(self._emit, sys.float_info.max)
        if self._loop:
            again = self._real(self._duration)
            self._jump(0.0)
            self._anchor_t = again
        else:
            self._ended = True
            self._anchor_t, self._held = None, self._duration
        self._emit(self.playback)

    def _jump(self, position: float) -> None:
        if not 0.0 <= position <= self._duration:
            raise ValueError(f"position {position:g} s: expected 0 to {self._duration:g} s")
        self._anchor_t, self._held = None, position
        self._row = int(np.searchsorted(self._frames.first_t, position - _EARLY_S))
        self._extra = int(np.searchsorted(self._extras.due, position - _EARLY_S))
        self._jumped, self._ended = True, False

    def _position(self, at: float) -> float:
        """Recorded second that is due at a time of the clock."""
        return self._held if self._anchor_t is None else self._held + (at - self._anchor_t) * self._speed

    def _real(self, position: float) -> float:
        """Time of the clock at which a recorded second is due."""
        anchor = self._clock() if self._anchor_t is None else self._anchor_t
        return anchor + (position - self._held) / self._speed

    def _start_clock(self) -> None:
        if self._running and not self._paused and not self._ended and self._anchor_t is None:
            self._anchor_t = self._clock()

    def _follow_clock(self) -> None:
        """Move with a clock that was anchored anew: playback goes on where it was."""
        moved_s, self._shifted_s = shifted() - self._shifted_s, shifted()
        if self._anchor_t is not None:
            self._anchor_t += moved_s

    def _stop_clock(self) -> None:
        self._held = self._position(self._clock())
        self._anchor_t = None

    def _emit_playback(self) -> None:
        self._steered = True
        if self._running:
            self._stop_timer()
            self._expected = self._clock()
            self._timer = asyncio.get_running_loop().call_soon(self._play)
        if self._emit:
            self._emit(self.playback)


def from_uri(uri: SourceUri) -> ReplaySource:
    """Make the source of a `replay:FILE` or `demo:` URI; the file is read here.

    Raises:
        DriverError: an option is wrong, or the file cannot be read (SessionError).
    """
    demo = uri.scheme == "demo"
    uri.allow(PLAY_OPTIONS if demo else OPTIONS)
    if demo:
        uri.no_target(f"`demo:`, or `replay:{uri.target}`", kind="file")
    speed, loop, start = play_options(uri, demo)
    recording = _demo() if demo else _recording(uri)
    duration = round(recording.duration_s, 6)
    if start > duration:
        raise uri.problem("start", f"the session lasts {duration:g} s")
    return ReplaySource(recording, uri=uri.text, speed=speed, loop=loop, start=start)


def _recording(uri: SourceUri) -> Recording:
    path = Path(uri.required_target("file", "`replay:FILE`")).expanduser()
    return read_configured(path, read_config(uri), device_option(uri))


def _demo() -> Recording:
    with as_file(files("drivers").joinpath("demo", "demo.mcap")) as session:
        if not session.is_file():
            raise SessionError("the demo session is not part of this installation; install Myocast again")
        return read_session(session)


def _speed(speed: float) -> float:
    if not 0.0 < speed <= FASTEST:
        raise ValueError(f"speed {speed:g}: expected a number above 0, up to {FASTEST:g}")
    return float(speed)
