"""Sessions by the Python API: made, written, read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import myocast


def test_a_synthetic_session_is_written_and_read(tmp_path: Path) -> None:
    made = myocast.synthesize(1000, 0, 3.0, losses=False)
    assert made.emg.shape == (600, 8)
    assert made.joints is not None
    assert made.joints.shape == (150, 63)
    myocast.write_session(tmp_path / "made.mcap", made)
    read = myocast.read_session(tmp_path / "made.mcap")
    np.testing.assert_array_equal(read.emg, made.emg)
    assert [marker.label for marker in read.markers] == [marker.label for marker in made.markers]
    with pytest.raises(myocast.SessionError):
        myocast.write_session(tmp_path / "made.mcap", made)


def test_a_synthetic_hand_makes_the_poses_that_are_given() -> None:
    made = myocast.synthesize(1000, 0, 4.0, poses=[("index", 0.4, 0.6), ("rest", 0.4, 0.6)])
    assert [marker.label for marker in made.markers] == ["index", "rest", "index", "rest"]


def test_the_demo_session_is_there() -> None:
    session = myocast.read_session(myocast.DEMO_SESSION)
    assert session.duration_s > 30.0
    assert session.joints is not None
