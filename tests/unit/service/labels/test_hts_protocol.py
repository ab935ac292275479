"""Lines of Hand Tracking Streamer; the peer is its own SDK (PyPI: hand-tracking-sdk)."""

from __future__ import annotations

import numpy as np
import pytest

from models.arrays import Float32Array
from models.hand import Side, mirror, to_hand_frame
from models.kinematics import bones, points
from service.labels.hts.protocol import HtsProtocolError, parse_line

RIGHT = points(np.deg2rad(np.linspace(-5.0, 60.0, 20))[None], bones())[0]
HANDS: dict[Side, Float32Array] = {"right": RIGHT, "left": mirror(RIGHT)}


def landmarks(side: Side, debug: str = "") -> str:
    """What the app sends for a hand: metres, Unity's axes."""
    unity = HANDS[side] * np.array([0.001, 0.001, -0.001])
    numbers = ", ".join(f"{value:.4f}" for value in unity.reshape(-1))
    return f"{side.capitalize()} landmarks{debug}:, {numbers}"


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_hand(side: Side) -> None:
    hand = parse_line(landmarks(side))
    assert hand is not None
    assert (hand.side, hand.source_s) == (side, None)
    np.testing.assert_allclose(to_hand_frame(hand.joints, side), HANDS[side], atol=0.3)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("debug", ["", " | f = 123 | t = 123456789"])
def test_the_sdk_of_the_app_reads_the_same_hand(side: Side, debug: str) -> None:
    sdk = pytest.importorskip("hand_tracking_sdk.convert")
    parser = pytest.importorskip("hand_tracking_sdk.parser")
    packet = parser.parse_line(landmarks(side, debug))
    assert packet.side.value.lower() == side
    # It mirrors along another axis, which turns the hand in the room and leaves it the hand that it is.
    theirs = 1000.0 * np.array(sdk.convert_landmarks_unity_left_to_right(packet.data).points)
    ours = parse_line(landmarks(side, debug))
    assert ours is not None
    np.testing.assert_allclose(to_hand_frame(ours.joints, side), to_hand_frame(theirs, side), atol=1e-3)
    theirs_ns = packet.debug and packet.debug.source_ts_ns
    assert ours.source_s == (None if theirs_ns is None else pytest.approx(theirs_ns / 1e9))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "Right wrist:, 0, 0, 0, 0, 0, 0, 1",
        "Head pose:, 0, 1, 0, 0, 0, 0, 1",
        "Left wrist | f = 1 | t = 2:, 0",
    ],
)
def test_lines_without_landmarks(text: str) -> None:
    assert parse_line(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "GET / HTTP/1.1",
        "Right landmarks:, 1, 2",
        "Right landmarks:, " + ", ".join(["x"] * 63),
        "Right landmarks:, " + ", ".join(["nan"] * 63),
        "Middle landmarks:, " + ", ".join(["1"] * 63),
    ],
)
def test_what_is_not_of_the_format(text: str) -> None:
    with pytest.raises(HtsProtocolError):
        parse_line(text)
