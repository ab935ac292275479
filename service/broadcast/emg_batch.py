"""EMG of one device on its way to clients: frames of a few samples joined into messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from drivers.events import Frame

EMG_MESSAGE_S: Final = 0.02
"""Seconds of signal that an EMG message holds at least (10 to 50 ms: docs/protocol.md#emg)."""


class EmgBatch:
    """Joins frames into EMG messages of at least 20 ms. A message never spans a gap.

    Args:
        publish: gets a frame that fills a message, and its rate in samples per second.
    """

    def __init__(self, publish: Callable[[Frame, float], None]) -> None:
        self.nominal_hz = 0.0
        """Samples per second as the source reports; while it is 0 (not known), every frame is a message."""
        self.speed = 1.0
        """How many times faster than recorded a replay runs."""
        self._publish = publish
        self._frames: list[Frame] = []
        self._rows = 0

    @property
    def rate_hz(self) -> float:
        """Samples per second of real time."""
        return self.nominal_hz * self.speed

    def push(self, frame: Frame) -> None:
        """Add a frame; publish what waits once it fills a message."""
        last = self._frames[-1] if self._frames else None
        if last is not None and (frame.gap or frame.first_sample != last.first_sample + len(last.samples)):
            self.flush()
        self._frames.append(frame)
        self._rows += len(frame.samples)
        if self._rows >= EMG_MESSAGE_S * self.rate_hz - 0.5:
            self.flush()

    def clear(self) -> None:
        """Discard what waits: no client has subscribed, and one that does later must not get old samples."""
        if self._frames:
            self._frames, self._rows = [], 0

    def flush(self) -> None:
        """Publish what waits, however little it is."""
        if not self._frames:
            return
        first = self._frames[0]
        rows = first.samples if len(self._frames) == 1 else np.concatenate([f.samples for f in self._frames])
        self._frames, self._rows = [], 0
        self._publish(Frame(first.first_sample, first.t, rows, first.arrival, first.gap), self.rate_hz)
