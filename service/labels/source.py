"""The contract of a label source.

A label source is opened (`async with`) and run. It emits hands as it sees them, in a frame of its own, with the time at
which it saw them on the process clock. What becomes of them (the hand that wears the band, frame `hand`) is not its
concern.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from models.arrays import Float64Array
from models.hand import Side


@dataclass(frozen=True, slots=True, eq=False)
class SeenHand:
    """A hand at one moment: all points, or the angles of some joints."""

    t: float
    """When it was seen, seconds on the process clock."""
    arrival: float
    """When that arrived in the process, same clock."""
    hand: Side | None = None
    """Which hand it is; None: the one that wears the band."""
    joints: Float64Array | None = None
    """(21, 3) mm in any right-handed frame, in MediaPipe's order; None where there are angles."""
    angles: Mapping[str, float] = field(default_factory=dict)
    """Degrees, by the names of `models.kinematics.ANGLES`; empty where there are joints."""
    confidence: float | None = None
    """0..1, where the source tells."""


EmitHand = Callable[[SeenHand], None]


class LabelSource(Protocol):
    """What sees hands. One run is one connection."""

    @property
    def name(self) -> str:
        """What labels from here are called: `leap`, `hts`, `prompts`."""
        ...

    @property
    def address(self) -> str:
        """Where it connects or listens, with the port that was taken; empty where there is no such place."""
        ...

    async def __aenter__(self) -> LabelSource:
        """Open what it listens on.

        Raises:
            DriverError: it cannot be opened.
        """
        ...

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        ...

    async def run(self, emit: EmitHand) -> None:
        """Emit hands until cancelled, or until there will be no more.

        Raises:
            DeviceLost: the connection was lost, or cannot be made now; another run may succeed.
            DriverError: it cannot be used at all.
        """
        ...

    def describe(self) -> dict[str, Any] | None:
        """Return what the wearer is asked to do now; None where nobody is asked."""
        ...
