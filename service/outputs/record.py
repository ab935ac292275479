"""What an output needs to know of a pose."""

from __future__ import annotations

from typing import Protocol

from models.arrays import Float32Array
from models.hand import Side


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
    def joints(self) -> Float32Array:
        """(63,) mm, frame `hand`."""
        ...

    @property
    def truth(self) -> Float32Array | None: ...

    @property
    def state(self) -> str: ...
