"""A pose as joint angles and what else there is to a hand, and back; without allocating, for one pose at a time.

The angles are those of `models.kinematics`. Beside them stand what stays the same while a hand moves: the lengths of
the three bones of each digit, where the digit starts, and how far each bone lies out of the digit's plane (0 in a pose
of `kinematics.points`). So every set of 21 points comes back as it was, and one whose bones are rigid stays rigid when
these numbers are averaged over time.

Digits stand in the last dimension, so that every row is contiguous: a small array costs numpy the call, and strides
double that.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.hand import VALUES, Side
from models.kinematics import AXES, DIGITS, bones

JOINT_ANGLES: Final = 4
"""Angles of a digit: three bends from the knuckle outwards, then the abduction; radians."""
WIDTH: Final = 13
"""Numbers of a digit: angles, lengths of three bones, distances of these out of the plane, start x y z; mm."""
_BONES: Final = 3
_JOINTS: Final = 60
"""Coordinates of all points but the wrist."""
_TURN: Final = 2.0 * np.pi
_LEAST: Final = 1e-12
"""mm²; keeps a digit that stands upright from having no plane."""

_REACH_MM: Final[Float64Array] = np.cumsum(bones().reshape(DIGITS, 4)[:, :0:-1], axis=1, dtype=np.float64)[:, ::-1].T
LEVERS_MM: Final[Float64Array] = np.concatenate([_REACH_MM, _REACH_MM[:1]])
"""(4, 5) how far each angle's joint is from its fingertip, in a straight digit of an average hand: mm per radian."""


def _matrices() -> tuple[Float64Array, Float64Array]:
    """What makes bones in the axes of their digit of points, and points of these.

    Returns:
        (60, 60) each. Points are as in a pose, without the wrist. The bones: 45 numbers by axis d, w, f, then bone,
        then digit; after them x, y, z of where each digit starts, each for all digits.
    """
    points = np.eye(_JOINTS).reshape(_JOINTS, DIGITS, _BONES + 1, 3)
    local = np.einsum("nkbi,kai->nabk", np.diff(points, axis=2), AXES).reshape(_JOINTS, -1)
    start = points[:, :, 0].transpose(0, 2, 1).reshape(_JOINTS, -1)
    apart = np.eye(_JOINTS)
    bone = np.einsum("nabk,kai->nkbi", apart[:, :45].reshape(_JOINTS, 3, _BONES, DIGITS), AXES)
    first = apart[:, 45:].reshape(_JOINTS, 3, DIGITS).transpose(0, 2, 1)[:, :, None]
    chain = np.cumsum(np.concatenate([first, bone], axis=2), axis=2).reshape(_JOINTS, -1)
    return np.ascontiguousarray(np.concatenate([local, start], axis=1).T), np.ascontiguousarray(chain.T)


_MIRROR: Final = np.tile([-1.0, 1.0, 1.0], _JOINTS // 3)
_READ, _WRITE = _matrices()
_READERS: Final[dict[Side, Float64Array]] = {"right": _READ, "left": np.ascontiguousarray(_READ * _MIRROR)}
_WRITERS: Final[dict[Side, Float64Array]] = {"right": _WRITE, "left": np.ascontiguousarray(_WRITE * _MIRROR[:, None])}


class Articulation:
    """Turns poses into (13, 5) numbers and back. What `read` returns is overwritten by its next call."""

    def __init__(self) -> None:
        self._wrist = np.zeros(3, np.float32)
        """Of the pose that was read last: it is no part of the numbers, since it is the origin of frame `hand`."""
        self._points = np.zeros(_JOINTS)
        self._apart = np.zeros(_JOINTS)
        axes = self._apart[:45].reshape(3, _BONES, DIGITS)
        self._d, self._w, self._f = axes
        self._start = self._apart[45:].reshape(3, DIGITS)
        self._values = np.zeros((WIDTH, DIGITS))
        self._level, self._bend, self._product = (np.zeros((_BONES, DIGITS)) for _ in range(3))
        self._sine, self._cosine, self._square = (np.zeros(DIGITS) for _ in range(3))

    def read(self, pose: Float32Array, hand: Side) -> Float64Array:
        """The numbers of a pose.

        Args:
            pose: (63,) mm, frame `hand`, finite.
            hand: which hand the points belong to; both give the same numbers for the same gesture.

        Returns:
            (13, 5): three bends, abduction, three lengths, three distances out of the plane, start x y z.
        """
        self._wrist[:] = pose[:3]
        self._points[:] = pose[3:]
        np.dot(_READERS[hand], self._points, out=self._apart)
        d, w, f, values = self._d, self._w, self._f, self._values
        level, bend, product, sine, cosine = self._level, self._bend, self._product, self._sine, self._cosine
        abduction, aside = values[3], values[7:10]
        np.multiply(w, d, out=product)
        np.add.reduce(product, axis=0, out=abduction)
        np.multiply(d, d, out=product)
        np.add.reduce(product, axis=0, out=self._square)
        self._square += _LEAST
        np.arctan2(abduction, self._square, out=abduction)
        np.sin(abduction, out=sine)
        np.cos(abduction, out=cosine)
        np.multiply(d, cosine, out=level)
        np.multiply(w, sine, out=product)
        level += product
        np.multiply(w, cosine, out=aside)
        np.multiply(d, sine, out=product)
        aside -= product
        np.hypot(level, f, out=values[4:7])
        np.arctan2(f, level, out=bend)
        values[0] = bend[0]
        np.subtract(bend[1:], bend[:-1], out=values[1:3])
        within_half_a_turn(values[1:3], product[1:])
        values[10:] = self._start
        return values

    def write(self, values: Float64Array, hand: Side) -> Float32Array:
        """The pose of (13, 5) numbers: (63,) float32 in mm, a new array."""
        level, bend, product, sine, cosine = self._level, self._bend, self._product, self._sine, self._cosine
        abduction, lengths, aside = values[3], values[4:7], values[7:10]
        d, w, f = self._d, self._w, self._f
        np.sin(abduction, out=sine)
        np.cos(abduction, out=cosine)
        np.add.accumulate(values[:3], axis=0, out=bend)
        np.cos(bend, out=level)
        level *= lengths
        np.sin(bend, out=f)
        f *= lengths
        np.multiply(level, cosine, out=d)
        np.multiply(aside, sine, out=product)
        d -= product
        np.multiply(level, sine, out=w)
        np.multiply(aside, cosine, out=product)
        w += product
        self._start[:] = values[10:]
        np.dot(_WRITERS[hand], self._apart, out=self._points)
        pose = np.empty(VALUES, np.float32)
        pose[:3] = self._wrist
        pose[3:] = self._points
        return pose


def within_half_a_turn(angles: Float64Array, scratch: Float64Array) -> None:
    """Bring angles, radians, into the half turn either way, in place; `scratch` is an array of their shape."""
    np.multiply(angles, 1.0 / _TURN, out=scratch)
    np.rint(scratch, out=scratch)
    scratch *= _TURN
    angles -= scratch
