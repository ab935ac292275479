"""The contract of a source.

A source has `info` and `run(emit)`. One run is one connection; cancelling it stops it; `DeviceLost` says that the link
went and may be made again. Reconnecting belongs to the supervisor in `service/devices`, not to a source. `emit` is
called on the thread of the event loop and returns at once.
"""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from drivers.events import Emit, Playback, SourceInfo


class Source(Protocol):
    """Where samples come from."""

    @property
    def info(self) -> SourceInfo: ...

    async def run(self, emit: Emit) -> None:
        """Connect and emit until cancelled or at an end.

        A source object outlives its runs: sample indices go on from one run to the next.

        Raises:
            DeviceLost: the link went away.
            DriverError: it cannot be used at all.
        """
        ...


@runtime_checkable
class SupportsReplay(Protocol):
    """A source whose time can be steered. `run` returns at the end; after `seek` or `resume` it can run again."""

    @property
    def playback(self) -> Playback:
        """Where it stands now."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None:
        """Play on; at the end: from the start again."""
        ...

    def seek(self, position_s: float) -> None:
        """Raises ValueError outside [0, duration_s]."""
        ...

    def set_speed(self, speed: float) -> None:
        """Raises ValueError outside (0, 100]."""
        ...


@runtime_checkable
class SupportsPresence(Protocol):
    """A live source that can tell, between two runs, that its device can be reached again."""

    async def reachable(self) -> None:
        """Wait until connecting is worth a try: at once if it is now. Nothing is held when it returns or is cancelled.

        Raises:
            DriverError: nothing can be told.
        """
        ...


@runtime_checkable
class SupportsVibration(Protocol):
    """A source whose device can vibrate."""

    async def vibrate(self, kind: Literal["short", "medium", "long"]) -> None: ...
