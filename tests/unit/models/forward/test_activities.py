"""Everyday life: scripts that the generator plays, without a closed hand where none is meant."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.gesture_labels import poses_by_label
from models.forward.activities import ACTIVITIES, activity_script
from models.forward.generator import session
from models.hand import VALUES
from models.metrics.hand_closure import closed_share


@pytest.mark.parametrize("name", ACTIVITIES)
def test_it_fills_the_time_and_comes_out_the_same_again(name: str) -> None:
    script = activity_script(name, 120.0, 1, 0, 7)
    assert sum(step.move + step.hold for step in script) >= 120.0
    assert script == activity_script(name, 120.0, 1, 0, 7)
    assert script != activity_script(name, 120.0, 2, 0, 7)


@pytest.mark.parametrize("name", ["rest", "typing", "walking"])
def test_the_hand_stays_open(name: str) -> None:
    script = activity_script(name, 20.0, 1000, 0, 1)
    made = session(1000, 0, 20.0, seed=1, script=script)
    assert made.joints is not None
    poses = poses_by_label("0=rest,7=fist")
    assert closed_share(made.joints.reshape(-1, VALUES), poses[0], poses[7]).max() < 0.35
    assert np.isfinite(made.emg).all()
