"""What an output needs to know of a pose."""

from __future__ import annotations

from typing import Protocol

from models.hand import Floats, Side


class PoseRecord(Protocol):
    """One pose; `service.pose.Pose` is one."""

    @property
    def device(self) -> int: ...

    @property
    def seq(self) -> int: ...

    @property
    def sample(self) -> int:
        """Index of the newest EMG sample used."""
        ...

    @property
    def t(self) -> float:
        """Time of exactly that sample, process-clock seconds."""
        ...

    @property
    def hand(self) -> Side: ...

    @property
    def joints(self) -> Floats:
        """(63,) mm, frame `hand`."""
        ...

    @property
    def truth(self) -> Floats | None: ...

    @property
    def state(self) -> str: ...
