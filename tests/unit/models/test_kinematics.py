"""Forward kinematics: one chain per digit, exactly in frame `hand`, and invertible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arrays import Float64Array
from models.hand import JOINTS, PARENTS, VALUES, to_hand_frame
from models.kinematics import ANGLES, AXES, BONES, ROM, angles, bones, measure, palm, points


def poses(seed: int, n: int = 64) -> tuple[Float64Array, Float64Array]:
    """Random angles within the range of motion, and bones that vary by a tenth."""
    rng = np.random.default_rng(seed)
    return rng.uniform(ROM[:, 0], ROM[:, 1], (n, 20)), bones().astype(np.float64) * np.exp(rng.normal(0.0, 0.1, 20))


def test_names_and_tables_agree() -> None:
    assert len(ANGLES) == len(set(ANGLES)) == 20
    assert ROM.shape == (20, 2)
    assert (ROM[:, 0] < ROM[:, 1]).all()
    assert JOINTS[1:] == BONES


def test_axes_are_orthonormal() -> None:
    for axes in AXES:
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_points_are_in_frame_hand_whatever_the_bones(seed: int) -> None:
    q, lengths = poses(seed, 8)
    made = points(q, lengths)
    assert made.dtype == np.float32
    np.testing.assert_allclose(to_hand_frame(made, "right"), made, atol=1e-3)


@given(st.integers(0, 2**32 - 1))
def test_bones_keep_their_lengths(seed: int) -> None:
    q, lengths = poses(seed, 8)
    np.testing.assert_allclose(measure(points(q, lengths)), np.tile(lengths, (8, 1)), rtol=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_angles_come_back_from_points(seed: int) -> None:
    q, lengths = poses(seed, 8)
    np.testing.assert_allclose(angles(points(q, lengths)), q, atol=1e-4)


def test_a_chain_of_rotations_gives_the_same_points() -> None:
    q, lengths = poses(7)
    expected = np.stack([by_rotations(one, lengths) for one in q])
    np.testing.assert_allclose(points(q, lengths), expected, atol=1e-3)


def by_rotations(q: Float64Array, lengths: Float64Array) -> Float64Array:
    """Joint by joint: turn the digit's frame in the lateral plane, then bend it, bone after bone."""
    out = np.zeros((21, 3))
    for digit in range(5):
        at = palm(lengths)[digit]
        fe, aa, second, third = q[4 * digit : 4 * digit + 4]
        c, s = np.cos(aa), np.sin(aa)
        frame = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) @ AXES[digit]
        out[1 + 4 * digit] = at
        for k, bend in enumerate((fe, second, third)):
            c, s = np.cos(bend), np.sin(bend)
            frame = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]) @ frame
            at = at + lengths[4 * digit + k + 1] * frame[0]
            out[2 + 4 * digit + k] = at
    return out


def test_flexion_goes_to_the_palm_and_abduction_to_the_thumb() -> None:
    straight = points(np.zeros((1, 20)), bones())[0]
    for finger, tip in (("index", 8), ("middle", 12), ("ring", 16), ("pinky", 20)):
        for joint, axis, sign in (("mcp_fe", 1, -1.0), ("pip_fe", 1, -1.0), ("dip_fe", 1, -1.0), ("mcp_aa", 0, -1.0)):
            q = np.zeros((1, 20))
            q[0, ANGLES.index(f"{finger}_{joint}")] = 0.3
            assert sign * (points(q, bones())[0, tip, axis] - straight[tip, axis]) > 3.0, (finger, joint)
    assert straight[4, 0] < straight[8, 0] < straight[12, 0] < straight[16, 0] < straight[20, 0]
    assert (straight[1:, 2] < 0).all()


def test_only_what_lies_beyond_a_joint_moves() -> None:
    q, lengths = poses(3, 1)
    base = points(q, lengths)[0]
    for index, name in enumerate(ANGLES):
        turned = q.copy()
        turned[0, index] += 0.2
        moved = np.flatnonzero(np.linalg.norm(points(turned, lengths)[0] - base, axis=1) > 1e-3)
        digit, place = divmod(index, 4)
        first = 4 * digit + (2 if place < 2 else 1 + place)
        assert moved.tolist() == list(range(first, 4 * digit + 5)), name


def test_bones_of_each_sample() -> None:
    q, lengths = poses(5, 6)
    each = np.stack([lengths * scale for scale in np.linspace(0.8, 1.2, 6)])
    together = points(q, each)
    for row in range(6):
        np.testing.assert_array_equal(together[row], points(q[row : row + 1], each[row])[0])


def test_hand_length_is_wrist_to_tip_of_the_middle_finger() -> None:
    straight = points(np.zeros((1, 20)), bones(170.0))[0]
    assert np.linalg.norm(straight[12]) == pytest.approx(0.99 * 170.0, rel=0.01)


def test_measure_follows_the_parents() -> None:
    rng = np.random.default_rng(0)
    p = rng.normal(0.0, 50.0, (21, 3))
    expected = [np.linalg.norm(p[i] - p[PARENTS[i]]) for i in range(1, 21)]
    np.testing.assert_allclose(measure(p), expected, rtol=1e-6)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(3, 19\)"):
        points(np.zeros((3, 19)), bones())
    with pytest.raises(ValueError, match="20 bone lengths, got"):
        points(np.zeros((3, 20)), np.zeros(VALUES))
