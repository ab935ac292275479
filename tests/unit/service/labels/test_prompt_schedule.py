"""What a wearer is asked to do: steps and a ghost hand, from a file or built in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.forward.poses import POSES
from models.kinematics import ROM
from service.labels.prompts.schedule import PromptError, default_schedule, parse, read

TWO = """
prepare_s = 2
rest_s = 1
[[block]]
pose = "fist"
levels = [0.5, 1]
move_s = 0.4
hold_s = 1.6
[[block]]
pose = "index"
follow_s = 4
period_s = 2
"""


def test_steps_then_a_hand_to_follow() -> None:
    schedule = parse(TWO)
    found = [(one.start_s, one.pose, one.level, one.move_s) for one in schedule.waypoints]
    assert found == [
        (2.0, "fist", 0.5, 0.4),
        (4.0, "fist", 1.0, 0.4),
        (6.0, "fist", 0.0, 0.4),
        (pytest.approx(7.4), "index", 1.0, 1.0),
        (pytest.approx(8.4), "index", 0.0, 1.0),
        (pytest.approx(9.4), "index", 1.0, 1.0),
        (pytest.approx(10.4), "index", 0.0, 1.0),
    ]
    assert schedule.duration_s == pytest.approx(12.4)


@pytest.mark.parametrize(
    ("at", "pose", "now"),
    [
        (0.0, "rest", 0.0),
        (2.4, "fist", 0.5),
        (3.9, "fist", 0.5),
        (5.0, "fist", 1.0),
        (4.2, "fist", 0.75),
        (8.4, "index", 1.0),
        (7.9, "index", 0.5),
        (12.0, "index", 0.0),
    ],
)
def test_the_ghost_hand_is_on_its_way(at: float, pose: str, now: float) -> None:
    target = parse(TWO).at(at)
    assert target.pose == pose
    assert target.now == pytest.approx(now, abs=1e-6)
    rest = POSES["rest"]
    np.testing.assert_allclose(target.angles, rest + now * (POSES[pose] - rest), atol=1e-6)


def test_the_built_in_schedule() -> None:
    schedule = default_schedule()
    assert 120 < schedule.duration_s < 240
    times = np.arange(0.0, schedule.duration_s, 0.02)
    angles = np.array([schedule.at(t).angles for t in times])
    assert (angles >= ROM[:, 0] - 1e-6).all()
    assert (angles <= ROM[:, 1] + 1e-6).all()
    # A hand can follow: nothing jumps.
    assert np.rad2deg(np.abs(np.diff(angles, axis=0)).max()) / 0.02 < 400
    # Levels are many, not three: the middle joint of the index finger stops at more than five places.
    stops = {round(float(schedule.at(one.start_s + one.move_s).angles[6]), 2) for one in schedule.waypoints}
    assert len(stops) > 8
    np.testing.assert_allclose(schedule.at(schedule.duration_s).angles, POSES["rest"], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "not TOML"),
        ("", "at least one"),
        ("block = 3", "at least one"),
        ("[[block]]", "no pose None"),
        ('[[block]]\npose = "rest"', "no pose 'rest'"),
        ('[[block]]\npose = "fist"\nlevels = [2]', "`levels` is 2"),
        ('[[block]]\npose = "fist"\nlevels = []', "`levels`"),
        ('[[block]]\npose = "fist"\nmove_s = 0', "`move_s` is 0"),
        ('[[block]]\npose = "fist"\nspeed = 1', "unknown `speed`"),
        ('speed = 1\n[[block]]\npose = "fist"', "unknown `speed`"),
        ('[[block]]\npose = "fist"\nrepeat = 100\nhold_s = 60', "an hour"),
    ],
)
def test_schedules_that_cannot_be_used(text: str, why: str) -> None:
    with pytest.raises(PromptError, match=why):
        parse(text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"none\.toml: cannot be read"):
        read(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text(TWO)
    assert read(tmp_path / "a.toml") == parse(TWO)
