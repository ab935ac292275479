"""A recording whose file is created with its first sample, so that a source without samples leaves no file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from drivers.events import Frame
from service.events import DeviceEvent, Output

HELD_EVENTS: Final = 1000
"""Events that are held before the first sample at most; with one more the file is created all the same."""


class DeferredRecording:
    """An output that holds the events before the first sample, and passes everything on from then.

    Args:
        begin: creates the file, and reports it if that fails; called once.
        output: takes the events, beginning with the held ones, after `begin`.
    """

    def __init__(self, begin: Callable[[], object], output: Output) -> None:
        self._begin, self._output = begin, output
        self._held: list[tuple[int, DeviceEvent]] | None = []

    @property
    def began(self) -> bool:
        """Whether the first sample has come."""
        return self._held is None

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Hold an event, or pass it on."""
        if self._held is None:
            self._output.on_event(device, event)
            return
        self._held.append((device, event))
        if isinstance(event, Frame) or len(self._held) > HELD_EVENTS:
            held, self._held = self._held, None
            self._begin()
            for one in held:
                self._output.on_event(*one)
