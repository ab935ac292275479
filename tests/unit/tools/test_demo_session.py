"""The demo session in the repository is what `tools/demo_session.py` makes."""

from __future__ import annotations

import numpy as np

from drivers.demo import SESSION
from drivers.sessions import read_session
from models.forward.generator import FIRST_UNSEEN_USER
from models.forward.person import donning, person
from models.forward.variants import A
from tools.demo_session import USER, recording, script


def test_the_file_is_what_the_tool_makes() -> None:
    read, made = read_session(SESSION), recording()
    assert SESSION.stat().st_size < 1_200_000
    assert 60.0 <= read.duration_s <= 90.0
    assert (read.rate_hz, read.unit, read.emg_mode, read.hand) == (200.0, "adc", "raw", "right")
    assert read.meta["generator"] == A.label
    # Another platform's sin and exp may round one count, or a tenth of a millimetre, the other way.
    np.testing.assert_allclose(read.emg, made.emg, atol=1.0)
    assert read.joints is not None
    assert made.joints is not None
    np.testing.assert_allclose(read.joints, made.joints, atol=0.11)
    assert [marker.label for marker in read.markers] == [step.pose for step in script()]


def test_it_loops_without_a_jump() -> None:
    joints = recording().joints
    assert joints is not None
    assert np.linalg.norm((joints[-1] - joints[0]).reshape(21, 3), axis=1).max() < 1.0


def test_its_owner_is_unseen_and_wears_the_band_as_most_do() -> None:
    def turned(user: int) -> float:
        return abs(person(user, 1, A).rotation_channels + donning(user, 0, 1, A).rotation_channels)

    assert next(user for user in range(FIRST_UNSEEN_USER, FIRST_UNSEEN_USER + 100) if turned(user) < 0.25) == USER


def test_every_finger_moves_alone_and_speed_changes() -> None:
    steps = script()
    poses = {step.pose for step in steps}
    assert {"rest", "open", "fist", "index", "middle", "ring", "pinky", "thumb_in", "pinch", "point", "ok"} <= poses
    assert {"two", "three", "four"} <= poses
    moves = [step.move for step in steps]
    assert max(moves) > 5 * min(moves)
