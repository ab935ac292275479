"""The contract of a source.

A source has `info` and `run(emit)`. One run is one connection; cancelling it stops it; `DeviceLost` means that the
link was lost and another run may succeed. Reconnecting is done by the supervisor in `service/devices`, not by a source.
`emit` is called on the thread of the event loop and returns at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from drivers.events import Emit, Playback, SourceInfo


class Source(Protocol):
    """A device, a recording or a generator that emits EMG samples."""

    @property
    def info(self) -> SourceInfo:
        """Description of the source; it changes when the device reports more."""
        ...

    async def run(self, emit: Emit) -> None:
        """Connect and emit until cancelled or at the end.

        A live source emits `info` as soon as the radio, port or bus that it needs is known to work, before it waits
        for the device; the server's ready line is printed after that.

        The same object is run again after a loss; sample indices continue from one run to the next.

        Raises:
            DeviceLost: the link was lost.
            DriverError: the source cannot be used at all.
        """
        ...


@runtime_checkable
class SupportsReplay(Protocol):
    """A source whose time can be controlled. `run` returns at the end; after `seek` or `resume` it can run again."""

    @property
    def playback(self) -> Playback:
        """Position and speed now."""
        ...

    def pause(self) -> None:
        """Hold at the present position."""
        ...

    def resume(self) -> None:
        """Play on; at the end, from the start again."""
        ...

    def seek(self, position_s: float) -> None:
        """Go to a position in seconds. Raises ValueError outside [0, duration_s]."""
        ...

    def set_speed(self, speed: float) -> None:
        """Set recorded seconds per real second. Raises ValueError outside (0, 100]."""
        ...


@runtime_checkable
class SupportsNotes(Protocol):
    """A source that knows before it runs what a person should hear of it: what a file lacks, what was left out."""

    @property
    def notes(self) -> Sequence[str]:
        """One line each."""
        ...


@runtime_checkable
class SupportsPresence(Protocol):
    """A live source that can detect, between two runs, that its device is reachable again."""

    async def reachable(self) -> None:
        """Wait until the device is reachable; return at once if it is.

        No port, scan or connection is left open when it returns or is cancelled.

        Raises:
            DriverError: the device cannot be watched for.
        """
        ...


@runtime_checkable
class SupportsVibration(Protocol):
    """A source whose device can vibrate."""

    async def vibrate(self, kind: Literal["short", "medium", "long"]) -> None:
        """Vibrate once. Raises DeviceLost while the device is not connected."""
        ...


@runtime_checkable
class SupportsPrompts(Protocol):
    """A source that does what its wearer is asked to do: a simulated arm."""

    def follow(self, cue: str | None, level: float = 1.0, seconds: float | None = None) -> None:
        """Do this from the next sample on (`rest`, `fist` ...); None: move freely.

        Args:
            cue: what to do.
            level: how much of the way from rest to it, 0..1.
            seconds: that it takes to get there; None: as long as it likes.
        """
        ...
