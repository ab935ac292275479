"""Labels without a camera: a ghost hand moves, the wearer does the same (`prompts[:FILE.toml]`).

The label of a moment is what the ghost hand did. The wearer is later by a reaction time, which the lag between labels
and EMG contains: labels are early by it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import numpy as np

from drivers.clock import Clock, now
from drivers.source import SupportsPrompts
from models.arrays import Float64Array
from models.kinematics import ANGLES
from service.labels.prompts.schedule import Schedule, Target, default_schedule, read
from service.labels.source import EmitHand, LabelSource, SeenHand

RATE_HZ: Final = 50.0
DECIMALS: Final = 2


def from_target(target: str) -> PromptLabels:
    """The source of `prompts` or `prompts:FILE.toml`.

    Raises:
        PromptError: the file cannot be read, or is no schedule.
    """
    return PromptLabels(read(Path(target).expanduser()) if target else default_schedule())


class PromptLabels:
    """Plays a schedule once."""

    name = "prompts"
    address = ""

    def __init__(self, schedule: Schedule, clock: Clock = now) -> None:
        self.schedule = schedule
        self.wearer: SupportsPrompts | None = None
        """A simulated one, which does what it is asked to; None: a person."""
        self._clock = clock
        self._began: float | None = None

    async def __aenter__(self) -> LabelSource:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def describe(self) -> dict[str, Any] | None:
        """Return the prompt of this moment: the pose by name, how much of it, what comes next, and the ghost hand."""
        if self._began is None:
            return None
        seconds = self._clock() - self._began
        target = self.schedule.at(seconds)
        waypoints = self.schedule.waypoints
        coming = waypoints[target.index + (seconds >= waypoints[0].start_s) :][:1]
        return {
            "pose": target.pose,
            "level": round(target.level, 3),
            "now": round(target.now, 3),
            "next": {"pose": coming[0].pose, "level": coming[0].level, "in_s": round(coming[0].start_s - seconds, 2)}
            if coming
            else None,
            "left_s": round(max(0.0, self.schedule.duration_s - seconds), 1),
            "angles": degrees(target.angles),
        }

    async def run(self, emit: EmitHand) -> None:
        """Play the schedule to its end."""
        self._began = began = self._clock()
        asked, step = -1, 0
        try:
            while (seconds := self._clock() - began) < self.schedule.duration_s:
                target = self.schedule.at(seconds)
                if seconds >= self.schedule.waypoints[0].start_s and target.index != asked:
                    asked = target.index
                    self._prompt(target, self.schedule.waypoints[asked].move_s)
                t = began + seconds
                emit(SeenHand(t, t, angles=degrees(target.angles)))
                step = max(step + 1, int(seconds * RATE_HZ) + 1)
                await asyncio.sleep(max(0.0, began + step / RATE_HZ - self._clock()))
        finally:
            self._began = None
            if self.wearer is not None:
                self.wearer.follow(None)

    def _prompt(self, target: Target, move_s: float) -> None:
        if self.wearer is not None:
            self.wearer.follow(target.pose, target.level, move_s)


def degrees(angles: Float64Array) -> dict[str, float]:
    """Angles (20,) in radians as a label has them."""
    return {name: round(float(value), DECIMALS) for name, value in zip(ANGLES, np.rad2deg(angles), strict=True)}
