"""What applications get while no samples come: the last pose for a while, then a hand that goes to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from models.arrays import Float32Array, Float64Array
from models.articulation import JOINT_ANGLES, Articulation
from models.errors import MyocastError
from models.forward.poses import POSES
from models.kinematics import DIGITS
from service.engine.pose import Pose

DEFAULT_HOLD_S: Final = 0.5
MAX_HOLD_S: Final = 86_400.0
MOVE_S: Final = 0.9
"""Seconds from the last pose to the hand at rest; the contract allows one."""
LEAST_PERIOD_S: Final = 0.01
MOST_PERIOD_S: Final = 0.1
"""Seconds between two repeated poses, where the poses' own rate is faster or slower."""

# `kinematics.ANGLES` has the abduction second in each digit, an articulation has it last.
_REST: Final[Float64Array] = POSES["rest"].reshape(DIGITS, JOINT_ANGLES)[:, (0, 2, 3, 1)].T


@dataclass(slots=True)
class _Run:
    """One loss of the signal."""

    last: Pose
    start: Float64Array
    """(13, 5) the hand of the last pose (`models.articulation`)."""
    since: float
    """When it began, on the loop's clock."""
    period_s: float
    ticks: int = 0


class HoldError(MyocastError):
    """No time for which a pose could be held."""


def parse_hold(text: str) -> float | None:
    """Seconds, or None for `off`.

    Raises:
        HoldError: neither.
    """
    if text.strip().lower() == "off":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= MAX_HOLD_S:
        raise HoldError(f"--hold {text!r}: expected seconds from 0 to {MAX_HOLD_S:g}, such as 0.5, or off")
    return seconds


class Hold:
    """Repeats the poses of one armband on the event loop, from the loss of its signal until the hand is at rest.

    Args:
        hold_s: seconds for which the last pose is repeated before it moves; None repeats nothing.
        publish: takes each repeated pose; its number and state are those of the last pose still.
    """

    def __init__(self, hold_s: float | None, publish: Callable[[Pose], None]) -> None:
        self._off, self._hold_s, self._publish = hold_s is None, hold_s or 0.0, publish
        self._last: Pose | None = None
        self._run: _Run | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._hand = Articulation()

    def on_pose(self, pose: Pose) -> None:
        """Take a pose that was made of samples."""
        self.end()
        self._last = pose

    def begin(self, rate_hz: float) -> None:
        """Begin to repeat the last pose, `rate_hz` times a second; no effect where it was done with already."""
        last, self._last = self._last, None
        if last is None or self._off:
            return
        self.end()
        period_s = min(max(1.0 / rate_hz, LEAST_PERIOD_S), MOST_PERIOD_S) if rate_hz > 0 else MOST_PERIOD_S
        loop = asyncio.get_running_loop()
        self._run = _Run(last, self._hand.read(last.joints, last.hand).copy(), loop.time(), period_s)
        self._timer = loop.call_later(0.0, self._tick)

    def end(self) -> None:
        """Stop: samples come again, or nobody listens any more."""
        self._run = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        run, self._timer = self._run, None
        if run is None:
            return
        loop = asyncio.get_running_loop()
        passed_s = loop.time() - run.since
        made = run.last.finished + passed_s
        over = min(passed_s / (self._hold_s + MOVE_S), 1.0)
        held = replace(
            run.last,
            joints=self._joints(run, max(passed_s - self._hold_s, 0.0) / MOVE_S),
            skipped=0,
            gap=False,
            truth=None,
            started=made,
            finished=made,
            hidden=None,
            confidence=(1.0 if run.last.confidence is None else run.last.confidence) * (1.0 - over),
            held=True,
        )
        if over < 1.0:
            # Not later than its end, however coarse the steps are.
            run.ticks += 1
            after_s = min(run.ticks * run.period_s, self._hold_s + MOVE_S)
            self._timer = loop.call_at(run.since + after_s, self._tick)
        else:
            self._run = None
        self._publish(held)

    def _joints(self, run: _Run, moved: float) -> Float32Array:
        """The hand on its way to rest: 0 = as it was, 1 = there; on a minimum-jerk path of the joint angles."""
        if moved <= 0.0:
            return run.last.joints
        x = min(moved, 1.0)
        share = x**3 * (10.0 - 15.0 * x + 6.0 * x * x)
        values = run.start.copy()
        values[:JOINT_ANGLES] += share * (_REST - values[:JOINT_ANGLES])
        # What `write` has of a pose beside these numbers is the wrist of the one that was read last.
        self._hand.read(run.last.joints, run.last.hand)
        return self._hand.write(values, run.last.hand)
