"""The hand of docs/protocol.md#the-hand: order of the points, frame `hand`, mirroring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import hand
from models.arrays import Float32Array
from models.hand import Side, mirror, to_hand_frame

FLAT_RIGHT = np.zeros((21, 3), dtype=np.float32)
"""A right hand in frame `hand`: along -Z, palm down (back up, +Y), its thumb at -X."""
FLAT_RIGHT[:, 2] = [
    0,
    -30,
    -60,
    -80,
    -100,
    -90,
    -130,
    -150,
    -170,
    -95,
    -140,
    -165,
    -185,
    -90,
    -130,
    -155,
    -170,
    -80,
    -110,
    -125,
    -140,
]
FLAT_RIGHT[:, 0] = [0, *[-40] * 4, *[-25] * 4, *[0] * 4, *[20] * 4, *[38] * 4]


def rotation(rng: np.random.Generator) -> np.ndarray:
    """Any proper rotation."""
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q if np.linalg.det(q) > 0 else -q


def test_order_is_the_contracts() -> None:
    assert hand.JOINTS.index("wrist") == 0
    assert [hand.JOINTS[i] for i in range(1, 5)] == ["thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"]
    for first, finger in ((5, "index"), (9, "middle"), (13, "ring"), (17, "pinky")):
        assert list(hand.JOINTS[first : first + 4]) == [f"{finger}_{j}" for j in ("mcp", "pip", "dip", "tip")]
    assert (len(hand.JOINTS), hand.POINTS, hand.VALUES, hand.ORDER) == (21, 21, 63, "mediapipe21")


def test_parents_lead_from_every_point_to_the_wrist() -> None:
    for point in range(1, 21):
        assert hand.PARENTS[point] < point
    assert [hand.JOINTS[tip] for tip in hand.TIPS] == [f"{finger}_tip" for finger in hand.FINGERS]


def test_a_hand_in_frame_hand_stays_as_it_is() -> None:
    np.testing.assert_allclose(to_hand_frame(FLAT_RIGHT, "right"), FLAT_RIGHT, atol=1e-4)
    left = mirror(FLAT_RIGHT)
    np.testing.assert_allclose(to_hand_frame(left, "left"), left, atol=1e-4)


@given(seed=st.integers(0, 2**32 - 1))
def test_where_the_hand_is_and_how_it_is_turned_makes_no_difference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    moved = FLAT_RIGHT @ rotation(rng).T + rng.uniform(-500, 500, 3)
    np.testing.assert_allclose(to_hand_frame(moved, "right"), FLAT_RIGHT, atol=1e-2)


def test_axes_are_those_of_the_contract() -> None:
    rng = np.random.default_rng(3)
    p = rng.normal(size=(21, 3)) * 50
    z = (p[0] - p[9]) / np.linalg.norm(p[0] - p[9])
    y = np.cross(z, p[17] - p[5])
    y /= np.linalg.norm(y)
    expected = np.stack([(p - p[0]) @ np.cross(y, z), (p - p[0]) @ y, (p - p[0]) @ z], axis=-1)
    np.testing.assert_allclose(to_hand_frame(p, "right"), expected, atol=1e-4)
    # For a left hand a = p5 - p17: both x and y turn round.
    np.testing.assert_allclose(to_hand_frame(p, "left"), expected * (-1, -1, 1), atol=1e-4)


def test_many_poses_at_once() -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(3, 2, 21, 3))
    together = to_hand_frame(points, "right")
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together[2, 1], to_hand_frame(points[2, 1], "right"))


def test_points_that_coincide_make_no_nan() -> None:
    assert np.isfinite(to_hand_frame(np.ones((21, 3)), "right")).all()


@pytest.mark.parametrize("shape", [(63,), (21, 2), (20, 3)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(\.\.\., 21, 3\)"):
        to_hand_frame(np.zeros(shape), "right")


@pytest.mark.parametrize("shape", [(63,), (21, 3), (5, 63), (5, 21, 3)])
def test_mirror_negates_x_alone_and_twice_is_nothing(shape: tuple[int, ...]) -> None:
    joints: Float32Array = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)
    before = joints.copy()
    mirrored = mirror(joints).reshape(*shape[: -1 if shape[-1] == 63 else -2], 21, 3)
    points = joints.reshape(mirrored.shape)
    np.testing.assert_array_equal(mirrored[..., 0], -points[..., 0])
    np.testing.assert_array_equal(mirrored[..., 1:], points[..., 1:])
    np.testing.assert_array_equal(joints, before)
    np.testing.assert_array_equal(mirror(mirror(joints)), joints)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_mirrored_hand_is_a_real_hand_of_the_other_side(side: Side) -> None:
    rng = np.random.default_rng(5)
    other: Side = "left" if side == "right" else "right"
    pose = to_hand_frame(rng.normal(size=(21, 3)) * 40, side)
    np.testing.assert_allclose(to_hand_frame(mirror(pose), other), mirror(pose), atol=1e-4)


def test_a_mirrored_arm_takes_channels_1_8_7_to_2() -> None:
    assert [channel + 1 for channel in hand.MIRRORED_CHANNELS] == [1, 8, 7, 6, 5, 4, 3, 2]
