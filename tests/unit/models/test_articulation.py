"""Poses as numbers of digits, and back."""

from __future__ import annotations

import numpy as np
import pytest

from models.articulation import LEVERS_MM, Articulation
from models.hand import VALUES, Side, mirror
from models.kinematics import ROM, angles, bones, points

HANDS: tuple[Side, ...] = ("right", "left")


def random_hands(n: int = 50) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    q = np.random.default_rng(0).uniform(ROM[:, 0], ROM[:, 1], (n, 20))
    return points(q, bones(180.0)).reshape(n, VALUES)


@pytest.mark.parametrize("hand", HANDS)
def test_every_pose_comes_back(hand: Side) -> None:
    one = Articulation()
    for pose in (*random_hands(), *np.random.default_rng(1).normal(0.0, 40.0, (50, VALUES)).astype(np.float32)):
        np.testing.assert_allclose(one.write(one.read(pose, hand), hand), pose, atol=1e-4)


def test_the_angles_are_those_of_kinematics_and_the_rest_stays() -> None:
    one, poses = Articulation(), random_hands()
    numbers = np.stack([one.read(pose, "right").copy() for pose in poses])
    found = numbers[:, (0, 3, 1, 2)].transpose(0, 2, 1).reshape(-1, 20)
    np.testing.assert_allclose(found, angles(poses.reshape(-1, 21, 3)), atol=1e-4)
    np.testing.assert_allclose(numbers[:, 4:], np.broadcast_to(numbers[:1, 4:], numbers[:, 4:].shape), atol=1e-3)
    np.testing.assert_allclose(numbers[0, 4:7].T, bones(180.0).reshape(5, 4)[:, 1:], rtol=1e-5)


def test_a_left_hand_has_the_numbers_of_its_mirror_image() -> None:
    one, other, pose = Articulation(), Articulation(), random_hands(1)[0]
    np.testing.assert_allclose(one.read(mirror(pose), "left"), other.read(pose, "right"), atol=1e-9)


def test_levers_reach_from_each_joint_to_the_tip() -> None:
    lengths = bones().reshape(5, 4)[:, 1:]
    np.testing.assert_allclose(
        LEVERS_MM[:, 1], [lengths[1].sum(), lengths[1, 1:].sum(), lengths[1, 2], lengths[1].sum()]
    )
