"""What a wearer can be asked to do, and whether it was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from models.alignment import REST
from models.arrays import Float32Array, Float64Array

Cue = Literal[
    "rest", "fist", "extension", "flexion", "open", "index", "middle", "ring", "pinky", "thumb", "point", "pinch"
]
NINE_CUES: Final[tuple[Cue, ...]] = (
    "rest", "fist", "extension", "flexion", "open", "index", "middle", "ring", "thumb",
)  # fmt: skip
"""What is asked for unless a request says otherwise."""
MOVED: Final = 1.5
"""A movement raises its two most active channels to this many times their level at rest, on average."""
STILL: Final = 2.0
"""At rest no quarter of a second is this many times stronger than the middle one."""
BLOCK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class FailedCue:
    """Why a cue must be done again."""

    cue: str
    code: Literal["nothing_moved", "moved_during_rest", "dead_channel"]
    message: str
    """One line for the wearer: what was found, and what to do."""


def check(measured: Mapping[str, Float32Array], rate_hz: float) -> FailedCue | None:
    """The first cue that was not done, or None.

    Args:
        measured: cue -> (n, 8) EMG; movements are checked once there is a rest.
        rate_hz: samples per second.
    """
    rest = measured.get(REST)
    if rest is None:
        return None
    if _moved(rest, rate_hz):
        return FailedCue(REST, "moved_during_rest", "something moved while you rested; let the whole arm lie still")
    for cue, emg in measured.items():
        if cue == REST:
            continue
        dead = np.flatnonzero(np.ptp(np.concatenate([rest, emg]), axis=0) == 0)
        if len(dead):
            names = ", ".join(str(channel + 1) for channel in dead)
            return FailedCue(
                cue, "dead_channel", f"channel {names} gives no signal; press the band onto the skin there"
            )
        if _rise(emg, rest) < MOVED:
            return FailedCue(cue, "nothing_moved", f"no muscle worked during {cue}; do it more firmly, and hold it")
    return None


def _level(emg: Float32Array) -> Float64Array:
    """(8,) mean rectified EMG."""
    return np.asarray(np.abs(emg).mean(axis=0), np.float64)


def _rise(emg: Float32Array, rest: Float32Array) -> float:
    """How many times stronger than at rest the two channels are that rise most."""
    quiet = np.maximum(_level(rest), np.finfo(np.float32).tiny)
    return float(np.sort(_level(emg) / quiet)[-2:].mean())


def _moved(rest: Float32Array, rate_hz: float) -> bool:
    rows = max(1, round(BLOCK_S * rate_hz))
    whole = len(rest) // rows
    if whole < 2:
        return False
    blocks = np.abs(rest[: whole * rows]).reshape(whole, -1).mean(axis=1)
    return bool(blocks.max() > STILL * np.median(blocks))
