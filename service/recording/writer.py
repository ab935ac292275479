"""What the recorder needs of a session file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from drivers.events import Event
from models.arrays import Float32Array

NO_FILTER: Final[Mapping[str, str | float]] = {}


class Writer(Protocol):
    """A session file that is being written: `drivers.sessions.mcap.writer.SessionWriter`."""

    samples_lost: int

    @property
    def bytes_written(self) -> int: ...

    def write(self, event: Event, *, device: int = 0) -> None: ...

    def write_pose(
        self,
        t: float,
        sample: int,
        joints: Float32Array,
        *,
        seq: int = 0,
        arrival: float | None = None,
        device: int = 0,
        confidence: float | None = None,
        filtered: Mapping[str, str | float] = NO_FILTER,
    ) -> None: ...

    def check(self) -> None: ...

    def flush_if_due(self) -> bool: ...

    def close(self) -> None: ...


def open_writer(path: Path, about: Mapping[str, str] | None = None) -> Writer:
    """Create a session file. The MCAP writer is imported with the first one, so that it costs no start time.

    Args:
        path: must not exist.
        about: further metadata: user, session.
    """
    from drivers.sessions.mcap.writer import SessionWriter

    return SessionWriter(path, about)
