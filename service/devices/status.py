"""The state of one armband: whether samples flow, at which rate, and what was lost."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Container, Mapping
from typing import Final, Literal, TypedDict

from drivers.clock import Clock, now
from drivers.events import Battery, Frame, Notice, Playback, SourceInfo

log = logging.getLogger("myocast")

State = Literal["connecting", "live", "stalled", "reconnecting", "replay", "paused", "ended", "failed"]
TOLD: Final = frozenset({"columns", "other sender"})
"""Kinds of notices that are logged."""
FATAL: Final = frozenset({"source_failed", "model_does_not_fit"})
"""Codes of errors that end the program, where the state is `failed`."""
STALLED_AFTER_S: Final = 0.5
"""Seconds without a sample after which a live device counts as stalled."""
RATE_SPAN_S: Final = 2.0
"""Seconds over which the rate is measured."""
_CHECKPOINT_S: Final = 0.1
"""Seconds between two counts that are kept to measure the rate."""


class ReplayStatus(TypedDict):
    """`status.replay`."""

    position_s: float
    duration_s: float
    speed: float
    loop: bool


class StatusError(TypedDict):
    """`status.error`."""

    code: str
    message: str


class RateMeter:
    """Samples per second over the last two seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()
        self._count = 0

    def add(self, count: int, time: float) -> None:
        """Count samples that arrived at a time."""
        self._count += count
        if self._points and time - self._points[-1][0] < _CHECKPOINT_S:
            return
        self._points.append((time, self._count))
        while time - self._points[0][0] > RATE_SPAN_S:
            self._points.popleft()

    def rate(self, time: float) -> float:
        """Return samples per second; 0 if none came within the span."""
        while self._points and time - self._points[0][0] > RATE_SPAN_S:
            self._points.popleft()
        if len(self._points) < 2:
            return 0.0
        (start, first), (end, last) = self._points[0], self._points[-1]
        idle = time - end
        return (last - first) / (end - start + (idle if idle > STALLED_AFTER_S else 0.0))

    def restart(self) -> None:
        """Forget what was counted: the rate is about to change."""
        self._points.clear()


class DeviceStatus:
    """The state of one device. `on_change` is called after every change that is sent to clients at once."""

    def __init__(
        self, index: int, on_change: Callable[[], None], clock: Clock = now, *, log_level: int = logging.INFO
    ) -> None:
        """`log_level`: of the least changes of state that are logged."""
        self.index = index
        self.state: State = "connecting"
        self.lost = 0
        """Samples missing from the stream, by the source's numbering."""
        self.gaps = 0
        """Times that the signal began anew after something was missing."""
        self.reconnects = 0
        """Times that the link was lost and sought again."""
        self.samples = 0
        self.battery: int | None = None
        self.error: StatusError | None = None
        self.playback: Playback | None = None
        self.newest_sample = -1
        self.newest_arrival = 0.0
        self._meter = RateMeter()
        self._nature = "live"
        self._next_sample: int | None = None
        self._on_change, self._log_level = on_change, log_level
        self._clock = clock

    @property
    def flowing(self) -> bool:
        """Whether samples are coming."""
        return self.state in ("live", "replay")

    @property
    def lost_signal(self) -> bool:
        """Whether samples came, and should come now, but do not."""
        return self.state in ("stalled", "reconnecting")

    @property
    def silent(self) -> bool:
        """Whether no samples come: not yet, not now, or no more."""
        return self.state in ("connecting", "stalled", "reconnecting", "paused", "ended")

    def rate_hz(self) -> float:
        """Measured samples per second of real time."""
        return round(self._meter.rate(self._clock()), 1)

    def on_info(self, info: SourceInfo) -> None:
        """Take what the source is: a live device, a replay or a synthetic one."""
        self._nature = info.nature

    def on_frame(self, frame: Frame) -> None:
        """Count a frame's samples, and those missing before it."""
        if self._next_sample is not None and frame.first_sample > self._next_sample:
            self.lost += frame.first_sample - self._next_sample
        self.gaps += frame.gap
        size = len(frame.samples)
        self._next_sample = frame.first_sample + size
        self.samples += size
        self.newest_sample, self.newest_arrival = self._next_sample - 1, frame.arrival
        self._meter.add(size, frame.arrival)
        if not self.flowing and self.state not in ("paused", "failed"):
            self._resume()

    def on_received_pose(self, sample: int, arrival: float) -> None:
        """Take the place and time of a pose that another server has made."""
        self.newest_sample, self.newest_arrival = sample, arrival
        if not self.flowing:
            self._resume()

    def on_pose(self) -> State:
        """Leave `failed`, since the model gives poses again; return the state that the new pose carries."""
        if self.state == "failed":
            self._resume()
        return self.state

    def on_battery(self, battery: Battery) -> None:
        """Take the battery's level."""
        if battery.percent != self.battery:
            self.battery = battery.percent
            self._on_change()

    def on_notice(self, notice: Notice) -> None:
        """Log what a person should know of how the source is read."""
        if notice.kind in TOLD:
            log.warning("device %d: %s", self.index, notice.detail)

    def on_playback(self, playback: Playback) -> None:
        """Take where a replay stands."""
        self.playback = playback
        self._meter.restart()
        if playback.paused:
            self.state = "paused"
        elif self.state == "paused":
            self.state = "replay"
        self._on_change()

    def set(self, state: State, error: tuple[str, str] | None = None) -> None:
        """Enter a state. `error` is a code and a message; some states keep the error that led to them."""
        new = StatusError(code=error[0], message=error[1]) if error else None
        if state == self.state and (new is None or new == self.error):
            return
        # The line about what is served tells of the first samples.
        first = self.state == "connecting" and state in ("live", "replay")
        self.reconnects += state == "reconnecting" and self.state != "reconnecting"
        self.state = state
        self.error = new or (self.error if state in ("reconnecting", "stalled", "failed") else None)
        if not first:
            self._log()
        self._on_change()

    def report(self, code: str, message: str) -> None:
        """Set the error without leaving the state."""
        self.error = StatusError(code=code, message=message)
        self._on_change()

    def clear_error(self, codes: Container[str]) -> None:
        """Remove an error of one of these codes: its cause is gone."""
        if self.error is not None and self.error["code"] in codes:
            self.error = None

    def _resume(self) -> None:
        self.error = None
        self.set("replay" if self._nature == "replay" else "live")

    def _log(self) -> None:
        """One line for each change of state: a service is read in its log.

        What ends the program is its last line, and no line of the log beside it.
        """
        if self.state == "failed" and self.error is not None and self.error["code"] in FATAL:
            return
        level = logging.WARNING if self.state in ("stalled", "reconnecting", "failed") else logging.INFO
        reason = f": {self.error['message']}" if self.error is not None else ""
        if level < self._log_level:
            return
        log.log(level, "device %d: %s%s", self.index, self.state, reason)

    def as_message(self, playback: Playback | None, recording: Mapping[str, object] | None) -> dict[str, object]:
        """Return the fields of a status message that are the same for every client."""
        return {
            "device": self.index,
            "t": self._clock(),
            "state": self.state,
            "rate_hz": self.rate_hz(),
            "lost": self.lost,
            "battery": self.battery,
            "recording": recording,
            "replay": None if playback is None else replay_object(playback),
            "error": self.error,
        }


def replay_object(playback: Playback) -> ReplayStatus:
    """Return `status.replay`."""
    return {
        "position_s": round(playback.position_s, 3),
        "duration_s": round(playback.duration_s, 3),
        "speed": playback.speed,
        "loop": playback.loop,
    }
