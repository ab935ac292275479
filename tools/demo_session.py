"""Make the session that `demo:` plays.

Run: .venv/bin/python tools/demo_session.py [FILE]     (default: drivers/demo/demo.mcap)

A synthetic hand goes through rest, open, fist, every finger alone, pinches, counting and changes of
speed, and ends as it began, so that it loops without a jump. Its owner is outside every training range
and wears the band about where most people do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from drivers import demo
from drivers.sessions import write_session
from models.forward.generator import FIRST_UNSEEN_USER, session
from models.forward.motion import Step
from models.recording import Recording

SEED: Final = 1
USER: Final = FIRST_UNSEEN_USER + 9
"""The first of these people whose band sits within a quarter of a channel of the usual place."""
_DECIMALS: Final = 1


def _steps(*poses: str, move: float, hold: float) -> Iterator[Step]:
    return (Step(pose, move, hold) for pose in poses)


def script() -> tuple[Step, ...]:
    """The poses of the demo, about 70 s of them."""
    return (
        Step("rest", 0.5, 1.5),
        *_steps("open", "fist", "open", "fist", move=0.5, hold=0.9),
        *_steps("open", "rest", move=0.6, hold=0.8),
        *(step for finger in ("index", "middle", "ring", "pinky", "thumb_in") for step in _single(finger)),
        *_steps("pinch", "rest", "ok", "rest", "thumb_pinky", "rest", move=0.5, hold=0.8),
        *_steps("point", "two", "three", "four", "open", move=0.4, hold=1.1),
        *_steps("thumb_up", "gun", "horns", "call", move=0.45, hold=1.0),
        *_steps("fist", "open", "fist", "open", "fist", "open", "fist", "open", move=0.28, hold=0.12),
        *_steps("fist", "open", move=2.0, hold=0.8),
        *_steps("index", "middle", "ring", "pinky", "index", "middle", "ring", "pinky", move=0.3, hold=0.2),
        *_steps("hook", "flat", "tabletop", "cylinder", "claw", move=0.5, hold=0.9),
        Step("rest", 0.7, 1.8),
    )


def _single(finger: str) -> Iterator[Step]:
    return iter((Step(finger, 0.45, 0.9), Step("rest", 0.45, 0.5)))


def recording() -> Recording:
    """The demo session in memory: 200 Hz raw EMG, truth at 50 Hz rounded to 0.1 mm."""
    steps = script()
    seconds = sum(step.move + step.hold for step in steps)
    made = session(USER, 0, seconds, seed=SEED, script=steps, losses=False)
    assert made.joints is not None
    return replace(
        made,
        name="Demo session (synthetic)",
        joints=np.round(made.joints, _DECIMALS),
    )


def main() -> None:
    """Write the demo session, in place of the one that is there."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else demo.SESSION
    file.unlink(missing_ok=True)
    write_session(file, recording())


if __name__ == "__main__":
    main()
