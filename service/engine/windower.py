"""When a pose is due: samples are counted on a grid of hops, which starts anew after every gap."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.events import Frame
from models.arrays import Float32Array


@dataclass(slots=True)
class Window:
    """The samples that one pose is made from, identified by the newest one."""

    end: int
    """Samples pushed since the beginning, up to and including the newest one of the window."""
    count: int
    """Samples since the start or the last gap, the newest one included."""
    sample: int
    """Index of the newest sample."""
    t: float
    """Time of the newest sample, seconds on the process clock."""
    arrival: float
    """When the newest sample arrived, same clock."""
    truth: Float32Array | None
    """(63,) mm at the newest sample, frame `hand`, if the source provides it."""
    gap: bool
    """Whether this is the first window after a gap."""


class Windower:
    """Determines which windows fall due as frames arrive.

    The first window after a start or a gap is due when `window` samples are there, then one every
    `hop`; a streaming model (`window` 0) is due every `hop` samples from the start.
    """

    def __init__(self, window: int, hop: int, rate_hz: float) -> None:
        self.hop = hop
        self.rate_hz = rate_hz
        self.due = 0
        """Windows that fell due since the beginning."""
        self._first = window or hop
        self._rows = 0
        self._count = 0
        self._next_sample: int | None = None
        self._gap = False

    @property
    def stretch_start(self) -> int:
        """Samples pushed before the stretch without a gap that goes on now."""
        return self._rows - self._count

    def change(self, window: int, hop: int) -> None:
        """Go on with another model's window and hop. What fell due so far is not due again."""
        self.hop = hop
        self._first = window or hop

    def push(self, frame: Frame) -> tuple[int, Window | None]:
        """Take a frame; return how many windows fell due in it, and the newest of them."""
        if frame.gap or (self._next_sample is not None and frame.first_sample != self._next_sample):
            self.reset()
        size = len(frame.samples)
        before, self._count = self._count, self._count + size
        self._rows += size
        self._next_sample = frame.first_sample + size
        fell_due = self._completed(self._count) - self._completed(before)
        if not fell_due:
            return 0, None
        self.due += fell_due
        return fell_due, self._newest(frame, before)

    def reset(self) -> None:
        """Start anew: samples from before belong to no later window."""
        self._gap = self._gap or self._rows > 0
        self._count = 0

    def _completed(self, count: int) -> int:
        return 0 if count < self._first else 1 + (count - self._first) // self.hop

    def _newest(self, frame: Frame, before: int) -> Window:
        count = self._first + (self._completed(self._count) - 1) * self.hop
        row = count - before - 1
        gap, self._gap = self._gap, False
        return Window(
            end=self._rows - (self._count - count),
            count=count,
            sample=frame.first_sample + row,
            t=frame.t + row / self.rate_hz,
            arrival=frame.arrival,
            truth=None if frame.truth is None else frame.truth[row],
            gap=gap,
        )
