"""What is sent while no samples come: the last pose, then a hand that goes to rest, less and less to be trusted."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.events import Playback
from models.forward.poses import POSES
from models.hand import VALUES, Side, mirror
from models.kinematics import angles, bones, measure, points
from service.devices.hold import MOVE_S, Hold, HoldError, parse_hold
from service.engine.pose import Pose
from tests.fakes.models_onnx import HOP, spec_of, window_model
from tests.fakes.outputs import CollectingOutput
from tests.fakes.sources import INFO, frame, frames
from tests.fakes.virtual_time import VirtualLoop
from tests.unit.service.devices.test_device import Rig, in_virtual_time

FIST = points(POSES["fist"][None], bones(170.0)).reshape(VALUES)
REST = points(POSES["rest"][None], bones(170.0)).reshape(VALUES)


def a_pose(hand: Side = "right", **changes: Any) -> Pose:
    joints = FIST if hand == "right" else mirror(FIST)
    pose = Pose(0, 7, 100, 5.0, joints, hand, "live", 3, True, None, 5.0, 5.0, 5.0, 5.0, confidence=0.8)
    return replace(pose, **changes)


def run(hold_s: float, pose: Pose, rate_hz: float = 50.0) -> list[tuple[float, Pose]]:
    """All that is repeated, with the seconds since the loss."""
    got: list[tuple[float, Pose]] = []

    async def main(loop: VirtualLoop) -> None:
        hold = Hold(hold_s, lambda held: got.append((loop.time() - start, held)))
        hold.on_pose(pose)
        start = loop.time()
        hold.begin(rate_hz)
        await asyncio.sleep(hold_s + 5.0)
        hold.begin(rate_hz)
        await asyncio.sleep(1.0)

    in_virtual_time(main)
    return got


@pytest.mark.parametrize("hand", ["right", "left"])
def test_the_last_pose_is_repeated_and_then_goes_to_rest(hand: Side) -> None:
    got = run(0.5, a_pose(hand))
    assert all(pose.held and not pose.gap and pose.skipped == 0 for _, pose in got)
    assert {(pose.sample, pose.t, pose.hand) for _, pose in got} == {(100, 5.0, hand)}
    made = [pose.finished for _, pose in got]
    assert made == sorted(set(made))
    assert {pose.infer_ms for _, pose in got} == {0.0}
    still = [pose for passed, pose in got if passed <= 0.5]
    assert len(still) == pytest.approx(26, abs=1)
    assert all((pose.joints == a_pose(hand).joints).all() for pose in still)
    passed, last = got[-1]
    assert passed == pytest.approx(0.5 + MOVE_S, abs=1e-6)
    np.testing.assert_allclose(last.joints, REST if hand == "right" else mirror(REST), atol=1e-3)


def test_it_is_at_rest_within_a_second_on_a_smooth_path_with_rigid_bones() -> None:
    got = run(0.0, a_pose())
    assert got[-1][0] <= 1.0
    way = np.stack([pose.joints for _, pose in got])
    np.testing.assert_allclose(measure(way.reshape(-1, 21, 3)), np.tile(bones(170.0), (len(way), 1)), atol=1e-3)
    bends = angles(way.reshape(-1, 21, 3))[:, 6]
    assert (np.diff(bends) <= 1e-6).all()
    assert np.abs(np.diff(bends)).max() < np.deg2rad(5.0)


@pytest.mark.parametrize(("before", "first"), [(0.8, 0.8), (None, 1.0)])
def test_confidence_falls_to_nothing(before: float | None, first: float) -> None:
    told = [pose.confidence for _, pose in run(0.5, a_pose(confidence=before))]
    assert told[0] == pytest.approx(first)
    assert told[-1] == 0.0
    assert all(a > b for a, b in itertools.pairwise(told) if a is not None and b is not None)


def test_very_slow_and_fast_poses_are_repeated_at_a_bounded_rate() -> None:
    assert len(run(1.0, a_pose(), 1000.0)) <= 192
    assert len(run(1.0, a_pose(), 0.5)) >= 19


@pytest.mark.parametrize(("text", "seconds"), [("0.5", 0.5), ("0", 0.0), ("OFF", None), ("3600", 3600.0)])
def test_how_long_it_is_held(text: str, seconds: float | None) -> None:
    assert parse_hold(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "soon", "1e6"])
def test_times_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(HoldError, match=r"expected seconds from 0 to 86400, such as 0.5, or off"):
        parse_hold(text)


def test_off_repeats_nothing() -> None:
    got: list[Pose] = []

    async def main(loop: VirtualLoop) -> None:
        hold = Hold(None, got.append)
        hold.on_pose(a_pose())
        hold.begin(50.0)
        await asyncio.sleep(5.0)

    in_virtual_time(main)
    assert not got


def test_it_ends_when_samples_come() -> None:
    got: list[Pose] = []

    async def main(loop: VirtualLoop) -> None:
        hold = Hold(0.5, got.append)
        hold.begin(50.0)
        await asyncio.sleep(1.0)
        assert not got
        hold.on_pose(a_pose())
        hold.begin(50.0)
        await asyncio.sleep(0.3)
        hold.end()
        count = len(got)
        await asyncio.sleep(5.0)
        assert 0 < count == len(got)

    in_virtual_time(main)


async def test_a_device_that_stalls_holds_its_pose(tmp_path: Path) -> None:
    """In real time, and as fast as it goes: the clock of a stall is turned, and the rest takes a tenth of a second."""
    rig = Rig(window_model(tmp_path / "m.onnx", spec_of()), hold_s=0.0)
    taken = CollectingOutput()
    rig.device.outputs.append(taken)
    await rig.feed(INFO, *frames(0, 20, HOP))
    made = len(taken.poses)
    rig.device.status.set("stalled")
    await asyncio.sleep(0.1)
    held = taken.poses[made:]
    assert held
    assert [pose.seq for pose in taken.poses] == list(range(len(taken.poses)))
    assert {(pose.held, pose.state, pose.sample) for pose in held} == {(True, "stalled", taken.poses[made - 1].sample)}
    await rig.feed(frame(20, 2 * HOP))
    assert rig.state == "live"
    newest = taken.poses[-1]
    assert (newest.held, newest.seq) == (False, len(taken.poses) - 1)
    assert rig.device.engine is not None
    assert rig.device.engine.poses + rig.device.engine.repeated == len(taken.poses)
    await rig.device.close()


@pytest.mark.parametrize("state", ["paused", "ended", "failed"])
async def test_what_is_no_loss_holds_nothing(tmp_path: Path, state: Any) -> None:
    rig = Rig(window_model(tmp_path / "m.onnx", spec_of()), hold_s=0.0)
    taken = CollectingOutput()
    rig.device.outputs.append(taken)
    await rig.feed(replace(INFO, nature="replay"), *frames(0, 20, HOP), Playback(0.0, 9.0, 1.0, False))
    rig.device.status.set(state)
    await asyncio.sleep(0.05)
    assert not any(pose.held for pose in taken.poses)
    await rig.device.close()
