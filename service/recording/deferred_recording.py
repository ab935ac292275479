"""A recording's file is made with its first sample, so that a source that never gives one leaves none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from drivers.events import Event, Frame
from service.engine.pose import Pose

HELD_EVENTS: Final = 1000
"""What a source says before its first sample waits for it, but no more than so much."""


class DeferredRecording:
    """Holds what comes before the first sample, begins the file with that sample, and passes on everything.

    Args:
        begin: makes the file, or sees to it that this is told; called once.
        put: takes events once it has been called.
    """

    def __init__(self, begin: Callable[[], object], put: Callable[[int, Event | Pose], None]) -> None:
        self._begin, self._put = begin, put
        self._held: list[tuple[int, Event | Pose]] | None = []

    @property
    def began(self) -> bool:
        return self._held is None

    def put(self, device: int, event: Event | Pose) -> None:
        """Take what a source says, a pose included."""
        if self._held is None:
            self._put(device, event)
            return
        self._held.append((device, event))
        if isinstance(event, Frame) or len(self._held) > HELD_EVENTS:
            held, self._held = self._held, None
            self._begin()
            for one in held:
                self._put(*one)
