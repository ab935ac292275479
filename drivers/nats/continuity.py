"""Numbering of samples that come over a broker: nothing twice, nothing backwards, every hole known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drivers.events import Frame


class Continuity:
    """Frames as they come, made consecutive.

    A broker may give what it kept a second time after a connection was lost: those samples have indices and times that
    were there before. An armband whose server was started anew counts from 0 again, at a later time.
    """

    def __init__(self) -> None:
        self.duplicates = 0
        """Samples that came again and were left out."""
        self._next: int | None = None
        self._t = -np.inf
        self._shift = 0

    def restart(self) -> None:
        """Number the next frame as it is: it belongs to another armband."""
        self._next, self._t, self._shift = None, -np.inf, 0

    def take(self, frame: Frame) -> Frame | None:
        """Return the frame with its index here and whether samples are missing before it; None for what came before."""
        first, size, gap = frame.first_sample + self._shift, len(frame.samples), frame.gap
        if self._next is not None and first < self._next and frame.t > self._t:
            self._shift += self._next - first
            first, gap = self._next, True
        if self._next is not None:
            again = min(self._next - first, size)
            if again > 0:
                self.duplicates += again
                # A message comes again whole: its boundaries are those that it had.
                return None
            gap = gap or again < 0
        self._next, self._t = first + size, frame.t
        return replace(frame, first_sample=first, gap=gap)
