"""One pose on its way from the engine to everybody who listens."""

from __future__ import annotations

from dataclasses import dataclass

from models.arrays import Float32Array
from models.hand import Side


@dataclass(slots=True)
class Pose:
    """21 points and what is known of how they came about. All times are process-clock seconds."""

    device: int
    seq: int
    """Counts the poses made; they are numbered without holes."""
    sample: int
    """Index of the newest EMG sample used."""
    t: float
    """Time of exactly that sample."""
    joints: Float32Array
    """(63,) mm, frame `hand`, real points of `hand`."""
    hand: Side
    state: str
    skipped: int
    """Windows skipped just before this one because a newer one was due."""
    gap: bool
    truth: Float32Array | None
    arrival: float
    """When the newest sample arrived in the process."""
    due: float
    """When the window was complete and handed to the engine."""
    started: float
    finished: float

    @property
    def infer_ms(self) -> float:
        return (self.finished - self.started) * 1e3
