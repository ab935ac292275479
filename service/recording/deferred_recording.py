"""A recording's file is made with its first sample, so that a source that never gives one leaves none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from drivers.events import Frame
from service.events import DeviceEvent, Output

HELD_EVENTS: Final = 1000
"""What a source says before its first sample waits for it, but no more than so much."""


class DeferredRecording:
    """Holds what comes before the first sample, begins the file with that sample, and passes on everything.

    Args:
        begin: makes the file, or sees to it that this is told; called once.
        output: takes the events, from the first one on, once `begin` was called.
    """

    def __init__(self, begin: Callable[[], object], output: Output) -> None:
        self._begin, self._output = begin, output
        self._held: list[tuple[int, DeviceEvent]] | None = []

    @property
    def began(self) -> bool:
        return self._held is None

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Take what a source says, a pose included."""
        if self._held is None:
            self._output.on_event(device, event)
            return
        self._held.append((device, event))
        if isinstance(event, Frame) or len(self._held) > HELD_EVENTS:
            held, self._held = self._held, None
            self._begin()
            for one in held:
                self._output.on_event(*one)
