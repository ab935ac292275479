"""What the hand does: a sequence of targets, reached on minimum-jerk paths and held.

Between two targets every quantity follows q0 + (q1 - q0)(10 s^3 - 15 s^4 + 6 s^5) (Flash and Hogan,
J Neurosci 5, 1985). Beside the 20 angles there are quantities that EMG shows and the pose does not:
how much effort a hold takes, squeezes, tone, and movements and posture of the wrist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.arrays import Float64Array
from models.forward.muscles import WRIST
from models.forward.person import Habits
from models.forward.poses import DIP_PER_PIP, ENSLAVING, POSES
from models.hand import FINGERS
from models.kinematics import ANGLES, DIGITS, PER_DIGIT, ROM

EFFORT: Final = len(ANGLES)
SQUEEZE: Final = EFFORT + 1
TONE: Final = EFFORT + 2
WRIST_FIRST: Final = EFFORT + 3
STATE: Final = WRIST_FIRST + len(WRIST)
POSTURE: Final = 3
"""Wrist flexion, radial deviation and pronation, each about -1..1."""

SHARES: Final = (0.69, 0.11, 0.03, 0.08, 0.05, 0.04)
"""Of named poses, single fingers, random poses, rests, wrist gestures with a relaxed hand, squeezes."""
_PASSIVE: Final = 0.04
_ONSET_S: Final = 0.06
"""A digit starts at most so much later than the rest."""
_STAY_S: Final = 0.1
_LEVEL: Final = -(-(STATE - len(ANGLES)) // PER_DIGIT)
_WRIST_PREFIX: Final = "wrist_"


@dataclass(frozen=True, slots=True)
class Target:
    """One place to go: how long the move and the hold take (s), where to, and its name."""

    move: float
    hold: float
    state: Float64Array
    label: str


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a script."""

    pose: str
    """A name of `POSES`, or `wrist_` and a movement of `WRIST`: that movement with a relaxed hand."""
    move: float
    """Seconds to get there."""
    hold: float
    """Seconds to stay."""
    level: float = 1.0
    """How much of the way from rest to the pose, 0..1."""
    squeeze: float = 0.0
    """Force beyond what the pose needs (1: twice the flexors)."""


class Trajectory:
    """Minimum-jerk paths through a list of targets that grows as it is needed.

    The columns fall into `onsets` groups of equal width; each group may start a move a little later.
    """

    def __init__(self, start: Float64Array, onsets: int = 1) -> None:
        self._width, self._group = len(start), -(-len(start) // onsets)
        self._starts = np.array([0.0])
        self._moves = np.array([1.0])
        self._targets = np.stack([start, start])
        self._onsets = np.zeros((1, onsets))
        self.end = 0.0

    def add(self, target: Target, onset: Float64Array | float = 0.0) -> None:
        """Append a target; it begins where the last one's hold ends. `onset` (onsets,) delays its groups, seconds."""
        self._starts = np.append(self._starts, self.end)
        self._moves = np.append(self._moves, target.move)
        self._targets = np.vstack([self._targets, target.state])
        self._onsets = np.vstack([self._onsets, np.broadcast_to(onset, self._onsets.shape[1:])])
        self.end += target.move + target.hold

    @property
    def last(self) -> Float64Array:
        """(width,) the target that was added last."""
        return np.asarray(self._targets[-1])

    def at(self, t: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Values and rates at times (ascending, before `end`): two (n, width) arrays."""
        index = np.maximum(np.searchsorted(self._starts, t, side="right") - 1, 0)
        p = np.clip((t[:, None] - self._starts[index, None] - self._onsets[index]) / self._moves[index, None], 0.0, 1.0)
        s = p**3 * (10.0 - 15.0 * p + 6.0 * p**2)
        ds = 30.0 * (p * (1.0 - p)) ** 2 / self._moves[index, None]
        s, ds = (np.repeat(v, self._group, axis=1)[:, : self._width] for v in (s, ds))
        change = self._targets[index + 1] - self._targets[index]
        return self._targets[index] + s * change, ds * change

    def cut(self, at: float, value: Float64Array) -> None:
        """Drop all targets; be at a value (width,) until a time, from which the next target begins."""
        self._starts, self._moves = np.array([at - 1.0]), np.array([1.0])
        self._targets = np.stack([value, value])
        self._onsets = np.zeros((1, self._onsets.shape[1]))
        self.end = at

    def forget(self, before: float) -> None:
        """Drop what ended before a time."""
        first = max(int(np.searchsorted(self._starts, before, side="right")) - 2, 0)
        if first:
            self._starts, self._moves, self._onsets = self._starts[first:], self._moves[first:], self._onsets[first:]
            self._targets = self._targets[first:]


class Motion:
    """The hand and wrist of one session."""

    def __init__(
        self,
        habits: Habits,
        rng: np.random.Generator,
        *,
        script: Sequence[Step] | None = None,
        leave_out: Sequence[str] = (),
    ) -> None:
        self._habits, self._rng, self._left_out = habits, rng, frozenset(leave_out)
        self._names = [name for name in POSES if name not in self._left_out]
        rest = self._state(habits.poses["rest"], effort=1.0)
        self._hand = Trajectory(rest, onsets=DIGITS + _LEVEL)
        self._wrist = Trajectory(np.zeros(POSTURE))
        self._plan = self._scripted(script) if script is not None else self._free()
        self._labels: list[tuple[float, str]] = []
        self._asked: Step | None = None

    def command(self, step: Step | None, at: float) -> None:
        """Break off from a time on, and make this pose until something else is asked for; None: go on as planned.

        Args:
            step: its `hold` does not matter.
            at: no earlier than the last time that was looked at.
        """
        state = self.at(np.array([at]))[0][0]
        self._labels = [label for label in self._labels if label[0] < at]
        self._hand.cut(at, state)
        self._asked = step
        if step is not None:
            self._add(replace(self._target_of(step), hold=0.0))

    def at(self, t: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
        """State (n, 29), its rates (n, 29) and the wrist's posture (n, 3) at times in ascending order."""
        while self._hand.end <= t[-1]:
            if self._asked is None:
                self._add(next(self._plan))
            else:
                self._hand.add(Target(_STAY_S, 0.0, self._hand.last, ""))
        while self._wrist.end <= t[-1]:
            self._wrist.add(self._posture())
        state, rate = self._hand.at(t)
        return state, rate, self._wrist.at(t)[0]

    def _add(self, target: Target) -> None:
        self._labels.append((self._hand.end, target.label))
        onset = self._rng.uniform(0.0, min(_ONSET_S, target.hold), DIGITS)
        self._hand.add(target, np.append(onset, np.zeros(_LEVEL)))

    def forget(self, before: float, until: float) -> tuple[tuple[float, str], ...]:
        """Drop movements that ended before one time; return those, not returned yet, that began before another."""
        self._hand.forget(before)
        self._wrist.forget(before)
        told = tuple(label for label in self._labels if label[0] < until)
        del self._labels[: len(told)]
        return told

    def _posture(self) -> Target:
        rng = self._rng
        state = np.clip(rng.normal(0.0, [0.45, 0.35, 0.45]), -1.0, 1.0)
        return Target(rng.uniform(0.8, 2.5), rng.exponential(6.0), state, "")

    def _scripted(self, script: Sequence[Step]) -> Iterator[Target]:
        while True:
            yield from map(self._target_of, script)

    def _target_of(self, step: Step) -> Target:
        wrist = step.pose.removeprefix(_WRIST_PREFIX)
        rest = self._habits.poses["rest"]
        pose = rest if wrist != step.pose else self._habits.poses[step.pose]
        state = self._state(rest + step.level * (pose - rest) if step.level != 1.0 else pose)
        state[SQUEEZE] = step.squeeze
        if wrist != step.pose:
            state[WRIST_FIRST + WRIST.index(wrist)] = step.level * self._habits.wrist_force
        return Target(step.move, step.hold, state, step.pose)

    def _free(self) -> Iterator[Target]:
        kinds = (self._pose, self._finger, self._random, self._relax, self._wrist_gesture, self._squeeze)
        while True:
            yield from kinds[int(self._rng.choice(len(kinds), p=SHARES))]()

    def _pose(self) -> Iterator[Target]:
        name = self._names[int(self._rng.integers(len(self._names)))]
        yield self._target(self._vary(name), name)

    def _relax(self) -> Iterator[Target]:
        move, hold = self._times()
        yield Target(move, hold + self._rng.exponential(1.5), self._state(self._vary("rest"), effort=0.5), "rest")

    def _finger(self) -> Iterator[Target]:
        digit = int(self._rng.integers(DIGITS))
        q = self._hand.last[: len(ANGLES)].reshape(DIGITS, PER_DIGIT).copy()
        own = self._random_pose().reshape(DIGITS, PER_DIGIT)[digit] - q[digit]
        drag = np.where(np.arange(DIGITS) == digit, 0.0, ENSLAVING[digit] * self._habits.enslaving)
        q[:, (0, 2)] += drag[:, None] * own[[0, 2]].mean()
        q[digit] += own
        yield self._target(_within(q.reshape(-1)), f"finger_{FINGERS[digit]}")

    def _random(self) -> Iterator[Target]:
        yield self._target(_within(self._random_pose()), "random")

    def _wrist_gesture(self) -> Iterator[Target]:
        rng, index = self._rng, int(self._rng.integers(len(WRIST)))
        state = self._state(self._vary("rest"), effort=0.5)
        state[WRIST_FIRST + index] = rng.uniform(0.3, 1.0) * self._habits.wrist_force
        yield Target(rng.uniform(0.2, 0.7), rng.uniform(0.6, 3.0), state, _WRIST_PREFIX + WRIST[index])

    def _squeeze(self) -> Iterator[Target]:
        rng, before = self._rng, self._hand.last.copy()
        state = before.copy()
        state[SQUEEZE] = rng.uniform(0.6, 2.2)
        state[EFFORT] = max(state[EFFORT], 1.0)
        yield Target(rng.uniform(0.15, 0.5), rng.uniform(0.4, 2.5), state, "squeeze")
        yield Target(rng.uniform(0.15, 0.5), rng.uniform(0.1, 0.8), before, "release")

    def _target(self, q: Float64Array, label: str) -> Target:
        move, hold = self._times()
        effort = self._rng.uniform(0.0, 0.25) if self._rng.random() < _PASSIVE else self._rng.lognormal(0.0, 0.12)
        return Target(move, hold, self._state(q, effort), label)

    def _times(self) -> tuple[float, float]:
        rng = self._rng
        hold = rng.uniform(1.0, 4.0) if rng.random() < 0.12 else rng.uniform(0.05, 1.2)
        return rng.uniform(0.25, 1.2) / self._habits.tempo, hold / self._habits.tempo

    def _state(self, q: Float64Array, effort: float = 1.0) -> Float64Array:
        state = np.zeros(STATE)
        state[: len(ANGLES)] = q
        state[EFFORT] = effort
        state[TONE] = self._rng.uniform(0.005, 0.025) * self._habits.tone
        return state

    def _vary(self, name: str) -> Float64Array:
        """A pose as this person makes it this time: sometimes only half-way, never twice the same."""
        rng, rest = self._rng, self._habits.poses["rest"]
        share = rng.uniform(0.6, 1.0) if rng.random() < 0.12 else 1.0
        q = rest + share * (self._habits.poses[name] - rest) + np.deg2rad(rng.normal(0.0, 3.0, len(ANGLES)))
        return _within(_coupled(q, rng))

    def _random_pose(self) -> Float64Array:
        rng = self._rng
        together = rng.beta(0.8, 0.8)
        curl = np.clip(0.6 * together + 0.4 * rng.beta(0.7, 0.7, DIGITS) + rng.normal(0.0, 0.08, DIGITS), 0.0, 1.0)
        low, high = ROM[:, 0].astype(np.float64), ROM[:, 1].astype(np.float64)
        share = np.repeat(curl, PER_DIGIT)
        share[1::PER_DIGIT] = rng.uniform(0.2, 0.8, DIGITS)
        share[0], share[2], share[3] = rng.uniform(0.1, 0.9, 3)
        return _coupled(low + share * (high - low), rng)


def _coupled(q: Float64Array, rng: np.random.Generator) -> Float64Array:
    pip = q[PER_DIGIT + 2 :: PER_DIGIT]
    q[PER_DIGIT + 3 :: PER_DIGIT] = DIP_PER_PIP * pip + np.deg2rad(rng.normal(0.0, 3.0, len(pip)))
    return q


def _within(q: Float64Array) -> Float64Array:
    return np.clip(q, ROM[:, 0], ROM[:, 1]).astype(np.float64)
