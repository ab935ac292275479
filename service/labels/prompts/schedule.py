"""What a wearer is asked to do, moment by moment: targets of fingers and grips in steps, and a ghost hand to follow.

Three levels of a grip, always the same, would make a classifier of three classes out of a model that is to tell how far
a hand is closed. So levels go up and down in unequal steps, and between them the ghost hand moves on smooth paths that
can be followed. No input, no output, no clock.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.arrays import Float64Array
from models.errors import MyocastError
from models.forward.poses import POSES

REST: Final = "rest"
LONGEST_S: Final = 3600.0
MOST_BLOCKS: Final = 1000

_TOP: Final = {"prepare_s": (3.0, 0.0, 60.0), "rest_s": (1.0, 0.0, 60.0)}
_TIMES: Final = {
    "move_s": (0.6, 0.1, 10.0),
    "hold_s": (0.9, 0.0, 60.0),
    "follow_s": (0.0, 0.0, 600.0),
    "period_s": (4.0, 1.0, 60.0),
}
"""Name = default, least, most; seconds."""
_DEFAULT_LEVELS: Final = (0.3, 0.6, 1.0, 0.75, 0.45, 0.15)


class PromptError(MyocastError):
    """A schedule that cannot be used."""


@dataclass(frozen=True, slots=True)
class Waypoint:
    """One movement of the ghost hand: where it goes, when it begins, and how long it takes."""

    start_s: float
    pose: str
    """A name of `models.forward.poses.POSES`."""
    level: float
    """How much of the way from rest to the pose, 0..1."""
    move_s: float


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for at one moment."""

    pose: str
    level: float
    """Of the movement's end."""
    now: float
    """How much of the pose the ghost hand makes at this moment, 0..1."""
    angles: Float64Array
    """(20,) radians, of the ghost hand at this moment."""
    index: int
    """Of the movement, from 0."""


@dataclass(frozen=True)
class Schedule:
    """Movements one after the other, from rest."""

    waypoints: tuple[Waypoint, ...]
    duration_s: float

    @cached_property
    def _ends(self) -> Float64Array:
        """(n, 20) angles at the end of each movement."""
        rest = POSES[REST]
        return np.array([rest + one.level * (POSES[one.pose] - rest) for one in self.waypoints])

    @cached_property
    def _starts(self) -> list[float]:
        return [one.start_s for one in self.waypoints]

    def at(self, seconds: float) -> Target:
        """The target so many seconds after the begin; at rest before, and after the end."""
        index = bisect_right(self._starts, seconds) - 1
        if index < 0:
            return Target(REST, 0.0, 0.0, POSES[REST], 0)
        here = self.waypoints[index]
        before, level = (POSES[REST], 0.0) if index == 0 else (self._ends[index - 1], self._level_before(index))
        share = minimum_jerk((seconds - here.start_s) / here.move_s)
        angles = before + share * (self._ends[index] - before)
        return Target(here.pose, here.level, level + share * (here.level - level), angles, index)

    def _level_before(self, index: int) -> float:
        """Of the same pose; another one counts as none of this."""
        before, here = self.waypoints[index - 1], self.waypoints[index]
        return before.level if before.pose == here.pose else 0.0


def minimum_jerk(share_of_time: float) -> float:
    """Share of the way after a share of the time (Flash and Hogan 1985); 0 before, 1 after."""
    s = min(max(share_of_time, 0.0), 1.0)
    return s**3 * (10.0 - 15.0 * s + 6.0 * s**2)


def parse(text: str) -> Schedule:
    """Read a schedule in TOML (docs/guides/arm.md).

    Raises:
        PromptError: it is none.
    """
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PromptError(f"not TOML ({error})") from None
    unknown = set(value) - {*_TOP, "block"}
    if unknown:
        raise PromptError(f"unknown `{min(unknown)}`; there are {', '.join((*_TOP, '[[block]]'))}")
    blocks = value.get("block")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise PromptError("expected at least one [[block]] with a `pose`")
    times = {name: _number(value, name, limits) for name, limits in _TOP.items()}
    return _schedule(blocks, times["prepare_s"], times["rest_s"])


def read(path: Path) -> Schedule:
    """Read a schedule from a file.

    Raises:
        PromptError: it cannot be read, or is none.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror}); give a schedule in TOML") from None
    except UnicodeDecodeError:
        raise PromptError(f"{path}: not text; give a schedule in TOML") from None
    except PromptError as error:
        raise PromptError(f"{path}: {error}") from None


def default_schedule() -> Schedule:
    """Every finger and some grips, in steps and followed: about two and a half minutes."""
    stairs = [{"pose": pose} for pose in ("fist", "index", "middle", "ring", "pinky", "thumb_in", "pinch", "open")]
    followed = ("fist", "index", "middle", "ring", "pinky", "thumb_in")
    follow = [{"pose": pose, "follow_s": 8.0, "period_s": 4.0} for pose in followed]
    return _schedule([*stairs, *follow], *(limits[0] for limits in _TOP.values()))


def _schedule(blocks: Sequence[Mapping[str, Any]], prepare_s: float, rest_s: float) -> Schedule:
    if not 0 < len(blocks) <= MOST_BLOCKS:
        raise PromptError(f"expected 1 to {MOST_BLOCKS} blocks, found {len(blocks)}")
    waypoints: list[Waypoint] = []
    at = prepare_s
    for number, block in enumerate(blocks, 1):
        try:
            for waypoint, seconds in _block(block):
                waypoints.append(Waypoint(at, waypoint.pose, waypoint.level, waypoint.move_s))
                at += seconds
        except PromptError as error:
            raise PromptError(f"block {number}: {error}") from None
        at += rest_s
    if at > LONGEST_S:
        raise PromptError(f"{at:.0f} s is longer than an hour; leave some blocks out")
    return Schedule(tuple(waypoints), at)


def _block(block: Mapping[str, Any]) -> Iterator[tuple[Waypoint, float]]:
    """The movements of a block, back to rest at its end, and how long each one lasts with its hold."""
    unknown = set(block) - {"pose", "levels", "repeat", *_TIMES}
    if unknown:
        raise PromptError(f"unknown `{min(unknown)}`; there are pose, levels, repeat, {', '.join(_TIMES)}")
    pose = block.get("pose")
    if pose not in POSES or pose == REST:
        raise PromptError(f"no pose {pose!r}; there are {', '.join(name for name in POSES if name != REST)}")
    times = {name: _number(block, name, limits) for name, limits in _TIMES.items()}
    repeat = _number(block, "repeat", (1.0, 1.0, 100.0))
    for _ in range(int(repeat)):
        if times["follow_s"]:
            half = times["period_s"] / 2.0
            for _ in range(max(1, round(times["follow_s"] / times["period_s"]))):
                yield Waypoint(0.0, pose, 1.0, half), half
                yield Waypoint(0.0, pose, 0.0, half), half
        else:
            for level in _levels(block):
                yield Waypoint(0.0, pose, level, times["move_s"]), times["move_s"] + times["hold_s"]
            yield Waypoint(0.0, pose, 0.0, times["move_s"]), times["move_s"]


def _levels(block: Mapping[str, Any]) -> Sequence[float]:
    levels = block.get("levels", _DEFAULT_LEVELS)
    if not isinstance(levels, list | tuple) or not levels:
        raise PromptError("expected some numbers from 0 to 1 in `levels`, like [0.3, 0.6, 1.0]")
    return [_number({"levels": level}, "levels", (0.0, 0.0, 1.0)) for level in levels]


def _number(values: Mapping[str, Any], name: str, limits: tuple[float, float, float]) -> float:
    default, least, most = limits
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise PromptError(f"`{name}` is {value!r}; expected a number from {least:g} to {most:g}")
    return float(value)
