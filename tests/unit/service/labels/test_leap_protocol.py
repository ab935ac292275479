"""Frames of a Leap service, read; the peer is the server that Myocast itself is (`serve --leap`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from models.hand import Side, mirror, to_hand_frame
from models.kinematics import bones, points
from service.engine.pose import Pose
from service.labels.leap.protocol import LeapProtocolError, parse
from service.outputs.leap_frame import LeapEncoder

ANGLES = np.deg2rad(np.linspace(-5.0, 60.0, 20))[None]
RIGHT = points(ANGLES, bones())[0]


def pose(side: Side, device: int = 0) -> Pose:
    joints = RIGHT if side == "right" else mirror(RIGHT)
    return Pose(device, 0, 0, 50.0, joints.reshape(63), side, "live", 0, False, None, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_hand_of_our_own_leap_output_comes_back(side: Side) -> None:
    frame = parse(LeapEncoder().encode(pose(side)))
    assert frame is not None
    (hand,) = frame.hands
    assert (hand.side, hand.confidence) == (side, 1.0)
    expected = RIGHT if side == "right" else mirror(RIGHT)
    np.testing.assert_allclose(to_hand_frame(hand.joints, side), expected, atol=0.02)


def test_two_hands_keep_their_fingers_apart() -> None:
    encoder = LeapEncoder()
    encoder.encode(pose("right"))
    frame = parse(encoder.encode(pose("left", 1)))
    assert frame is not None
    assert {hand.side for hand in frame.hands} == {"left", "right"}
    for hand in frame.hands:
        expected = RIGHT if hand.side == "right" else mirror(RIGHT)
        np.testing.assert_allclose(to_hand_frame(hand.joints, hand.side), expected, atol=0.02)


def test_time_is_in_seconds_of_the_service() -> None:
    encoder = LeapEncoder()
    encoder.encode(pose("right"))
    later = Pose(0, 1, 4, 50.25, RIGHT.reshape(63), "right", "live", 0, False, None, 0.0, 0.0, 0.0, 0.0)
    frame = parse(encoder.encode(later))
    assert frame is not None
    assert frame.timestamp_s == pytest.approx(0.25)


@pytest.mark.parametrize("message", [LeapEncoder().version(), LeapEncoder().device_event()])
def test_other_messages_of_a_service_are_no_frames(message: bytes) -> None:
    assert parse(message) is None


def test_a_frame_without_hands_has_none() -> None:
    frame = parse(b'{"id":1,"timestamp":7,"hands":[],"pointables":[]}')
    assert frame is not None
    assert frame.hands == ()


def encoded() -> dict[str, Any]:
    value = orjson.loads(LeapEncoder().encode(pose("right")))
    assert isinstance(value, dict)
    return value


def test_a_hand_whose_fingers_are_not_there_yet_is_left_out() -> None:
    value = encoded()
    value["pointables"].pop()
    frame = parse(orjson.dumps(value))
    assert frame is not None
    assert frame.hands == ()


def test_tools_are_no_fingers() -> None:
    value = encoded()
    value["pointables"].append({"id": 99, "tool": True})
    frame = parse(orjson.dumps(value))
    assert frame is not None
    assert len(frame.hands) == 1


@pytest.mark.parametrize("message", ["", "[]", "7", '{"hands":[{}],"timestamp":1}', '{"hands":[]}'])
def test_what_is_not_of_the_protocol(message: str) -> None:
    with pytest.raises(LeapProtocolError):
        parse(message)


def test_a_point_without_three_coordinates() -> None:
    value = encoded()
    value["pointables"][0]["pipPosition"] = [1.0, 2.0]
    with pytest.raises(LeapProtocolError):
        parse(orjson.dumps(value))
