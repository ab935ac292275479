"""What hands do all day without meaning anything by it: scripts for the generator, to count false alarms on.

Each is a sequence of steps as long as asked for, drawn from a seed: rest, typing, walking and carrying. The hand closes
in none of them but carrying, where it hooks or grasps what it carries and says so in its true pose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from models.forward.motion import Step

KEYS: Final = ("index", "middle", "ring", "pinky", "thumb_in")
KEY_SHARES: Final = (0.3, 0.25, 0.17, 0.13, 0.15)


def activity_script(name: str, seconds: float, user: int, session: int, seed: int) -> tuple[Step, ...]:
    """Draw the steps of an activity.

    Args:
        name: one of `ACTIVITIES`.
        seconds: which they fill at least.
        user: number of the user; with session and seed it draws the steps.
        session: number of the session.
        seed: of the generator.
    """
    rng = np.random.default_rng([seed, user, session, sorted(ACTIVITIES).index(name), 0xAC7])
    steps, filled = [], 0.0
    for step in ACTIVITIES[name](rng):
        steps.append(step)
        filled += step.move + step.hold
        if filled >= seconds:
            break
    return tuple(steps)


def _resting(rng: np.random.Generator) -> Iterator[Step]:
    """A hand that lies there, and is shifted a little now and then."""
    while True:
        yield Step("rest", 0.8, rng.uniform(20.0, 90.0))
        yield Step(str(rng.choice(["open", "pinch", "wrist_extension"])), 0.8, rng.uniform(0.2, 1.0), level=0.2)


def _typing(rng: np.random.Generator) -> Iterator[Step]:
    """Words of three to nine keys, about five keys a second, and pauses between them."""
    while True:
        for _ in range(int(rng.integers(3, 10))):
            key = str(rng.choice(KEYS, p=KEY_SHARES))
            yield Step(key, rng.uniform(0.06, 0.11), rng.uniform(0.01, 0.04), level=rng.uniform(0.15, 0.35))
            yield Step("rest", rng.uniform(0.06, 0.11), rng.uniform(0.01, 0.06))
        yield Step("rest", 0.15, float(rng.exponential(0.6)))


def _walking(rng: np.random.Generator) -> Iterator[Step]:
    """A relaxed hand on a swinging arm: forearm muscles come and go with each stride of about a second."""
    while True:
        stride, level = rng.uniform(0.9, 1.2), rng.uniform(0.05, 0.2)
        for way in ("wrist_flexion", "wrist_extension"):
            yield Step(way, 0.4 * stride, 0.1 * stride, level=level * rng.uniform(0.6, 1.4))


def _carrying(rng: np.random.Generator) -> Iterator[Step]:
    """A bag in hooked fingers, a box between the hands, a tray on a flat hand; rest between them."""
    while True:
        weight = rng.uniform(0.3, 1.2)
        kind = int(rng.integers(3))
        if kind == 0:
            yield Step("hook", 0.6, rng.uniform(8.0, 25.0), squeeze=weight)
        elif kind == 1:
            yield Step("cylinder", 0.6, rng.uniform(5.0, 15.0), level=0.6, squeeze=weight)
        else:
            yield Step("wrist_flexion", 0.6, rng.uniform(5.0, 15.0), level=0.4 * weight)
        yield Step("rest", 0.6, rng.uniform(3.0, 10.0))


ACTIVITIES: Final[dict[str, Callable[[np.random.Generator], Iterator[Step]]]] = {
    "rest": _resting,
    "typing": _typing,
    "walking": _walking,
    "carrying": _carrying,
}
