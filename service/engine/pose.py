"""The pose: what a model made of the newest samples of one armband."""

from __future__ import annotations

from dataclasses import dataclass

from models.arrays import Float32Array
from models.hand import Side
from service.engine.output_stage import PoseFilter


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """What a streaming network computed on the way to one pose, for a fit to learn from."""

    features: Float32Array
    """(f,) its last hidden layers, as they are."""
    angles: Float32Array
    """(20,) radians: the shipped model's, before anything personal is added."""
    expected: float | None = None
    """The error that the shipped head expects, as a share of a still hand's; None where the model has no such head."""


@dataclass(frozen=True, slots=True)
class Pose:
    """21 points of a hand and how they came about. All times are seconds on the process clock."""

    device: int
    seq: int
    """Number of the pose; consecutive poses of a device have consecutive numbers."""
    sample: int
    """Index of the newest EMG sample used."""
    t: float
    """Time of exactly that sample."""
    joints: Float32Array
    """(63,) mm, frame `hand`, real points of `hand`."""
    hand: Side
    state: str
    """State of the device when the pose was published."""
    skipped: int
    """Windows skipped just before this one because a newer one was due."""
    gap: bool
    """Whether samples are missing between the previous pose and this one."""
    truth: Float32Array | None
    """(63,) mm, the hand's true pose at `sample`, if the source provides it."""
    arrival: float
    """When the newest sample arrived in the process."""
    due: float
    """When the window was complete and handed to the engine."""
    started: float
    """When inference began."""
    finished: float
    """When inference ended, or a held pose was repeated."""
    hidden: Hidden | None = None
    """Only while a fit runs."""
    confidence: float | None = None
    """0..1, lower where a larger error is expected; None where the model has no measure for it."""
    held: bool = False
    """Whether it repeats the last pose, or is on the way from there to a hand at rest, because no samples come."""
    filter: PoseFilter | None = None
    """What stands behind the model."""

    @property
    def infer_ms(self) -> float:
        """Duration of the inference, ms."""
        return (self.finished - self.started) * 1e3
