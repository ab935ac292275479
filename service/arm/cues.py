"""What a wearer can be asked to do, and whether it was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from models.alignment import REST
from models.arrays import BoolArray, Float32Array, Float64Array
from models.signal_check import FLAT_SHARE

Cue = Literal[
    "rest", "fist", "extension", "flexion", "open", "index", "middle", "ring", "pinky", "thumb", "point", "pinch"
]
NINE_CUES: Final[tuple[Cue, ...]] = (
    "rest", "fist", "extension", "flexion", "open", "index", "middle", "ring", "thumb",
)  # fmt: skip
"""What is asked for unless a request says otherwise."""
MOVED: Final = 2.0
"""A movement raises its two most active channels to this many times their level at rest, on average.

Chosen on one half of the people of myo-readings-dataset: of the others' movements 98 % pass, and of their rests that
stood for a movement 18 %."""
STILL: Final = 2.0
"""At rest no quarter of a second is this many times stronger than the middle one."""
BLOCK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class FailedCue:
    """Why a cue must be done again."""

    cue: str
    code: Literal["nothing_moved", "moved_during_rest", "dead_channel", "interrupted", "no_signal"]
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
        dead = np.flatnonzero(_dead(np.concatenate([rest, emg])))
        if len(dead):
            names = ", ".join(str(channel + 1) for channel in dead)
            return FailedCue(
                cue, "dead_channel", f"channel {names} gives no signal; press the band onto the skin there"
            )
        if _rise(emg, rest, rate_hz) < MOVED:
            return FailedCue(cue, "nothing_moved", f"no muscle worked during {cue}; do it more firmly, and hold it")
    return None


def _dead(emg: Float32Array) -> BoolArray:
    """(8,) channels that stand still, or flicker between two neighbouring integers as an open input does."""
    swing = np.ptp(emg, axis=0)
    deviation = emg.std(axis=0)
    whole_numbers = not (emg % 1.0).any()
    return np.asarray(
        (swing == 0) | ((swing <= 1.0) & whole_numbers) | (deviation < FLAT_SHARE * np.median(deviation)), np.bool_
    )


def _blocks(emg: Float32Array, rate_hz: float) -> Float64Array:
    """(k, 8) mean rectified EMG of each quarter of a second; of all of it where there is less."""
    rows = min(max(1, round(BLOCK_S * rate_hz)), len(emg))
    whole = len(emg) // rows
    return np.asarray(np.abs(emg[: whole * rows]).reshape(whole, rows, -1).mean(axis=1), np.float64)


def _rise(emg: Float32Array, rest: Float32Array, rate_hz: float) -> float:
    """How many times stronger than at rest the two channels are that rise most, without what lasts a moment only."""
    level, quiet = (np.median(_blocks(one, rate_hz), axis=0) for one in (emg, rest))
    return float(np.sort(level / np.maximum(quiet, np.finfo(np.float32).tiny))[-2:].mean())


def _moved(rest: Float32Array, rate_hz: float) -> bool:
    blocks = _blocks(rest, rate_hz).mean(axis=1)
    return bool(blocks.max() > STILL * np.median(blocks))
