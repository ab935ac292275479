"""Poses as frames of the Leap Motion's WebSocket protocol, version 6.

Fields, units and axes are those of Leap's JSON (developer archive, "Leap_JSON"; what leapjs 0.6 and 1.1
read): millimetres, x right, y up, z towards the user. Frame `hand` has the same axes for a hand that lies
flat, palm down, pointing away from the user, so a pose only has to be shifted to the place of a hand above a Leap.
What 21 points do not contain is synthesised: palm, carpal ends of the metacarpals, forearm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from models.arrays import Float64Array
from models.hand import TIPS
from service.engine.pose import Pose

Point = list[float]
"""x, y, z in mm."""
LeapObject = dict[str, Any]
"""A hand or a finger as it stands in a frame."""

PROTOCOL_VERSION: Final = 6
WRIST_MM: Final = (0.0, 200.0, 70.0)
"""Position of the wrist, mm: the palm is 200 mm above the device, the usual working height."""
APART_MM: Final = 90.0
"""Millimetres by which each hand is moved to its side when there are two armbands."""
FOREARM_MM: Final = 250.0
"""Distance from wrist to elbow, mm."""
LOST_AFTER_S: Final = 1.0
"""Seconds without a pose after which a hand leaves the frame."""

_WIDTHS_MM: Final = (20.0, 18.0, 18.0, 17.0, 15.0)
_FLESH_MM: Final = 20.0
_ENDS: Final = ((1, 1, 2, 3, 4), (21, 5, 6, 7, 8), (22, 9, 10, 11, 12), (23, 13, 14, 15, 16), (24, 17, 18, 19, 20))
"""Per finger the five ends of its four bones; 21-24 are the synthesised carpal ends. A Leap thumb has no metacarpal."""
_ENDS_INDEX: Final = np.array(_ENDS)
_FLEXION: Final = np.array([[0.63, 1, 1, 1, 1], [0.63, 0, 0, 0, 0], [-0.45, 0, 0, 0, 0]], dtype=np.float64)[..., None]
"""(3, 5, 1) axes a right hand's fingers bend about, pointing away from the thumb; its own lies across the palm."""
_MIRRORED: Final = _FLEXION * np.array([-1.0, 1.0, 1.0]).reshape(3, 1, 1)
_NORMAL, _DIRECTION = [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]
_GRAB_RAD: Final = (0.6, 2.6)
"""Bend of the middle phalanges against the hand at which grabbing begins, and is a fist."""
_PINCH_MM: Final = (20.0, 60.0)
"""Distance from the thumb's tip to the nearest fingertip: touching, and not pinching."""
_EXTENDED: Final = 0.9
"""A finger counts as extended from this ratio of its straight to its bent length."""
_BALL_MM: Final = (35.0, 150.0)
_BOX: Final = {"center": [0.0, 200.0, 0.0], "size": [235.25, 235.25, 147.75]}
_IDENTITY: Final = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
_TINY: Final = 1e-9


_PALM: Final = 25


def _synthesis() -> Float64Array:
    """Return (26, 21), from joints to joints, carpal ends (a fifth of the way to the knuckle) and palm (their mean)."""
    knuckles = (5, 9, 13, 17)
    matrix = np.zeros((26, 21))
    matrix[:21] = np.eye(21)
    for row, knuckle in enumerate(knuckles, 21):
        matrix[row, [0, knuckle]] = 0.8, 0.2
    matrix[_PALM, [0, *knuckles]] = 1.0 / (1 + len(knuckles))
    return matrix


_SYNTHESIS: Final = _synthesis()
_MOVING: Final = np.array([_PALM, *TIPS])


@dataclass(slots=True)
class _TrackedHand:
    """One device's newest hand, kept until its next pose."""

    t: float
    since: float
    moving: Float64Array
    """(6, 3) mm: the palm, then the five tips."""
    hand: LeapObject
    pointables: list[LeapObject]


class LeapEncoder:
    """Turns poses into Leap frames. Its time is the poses' own."""

    def __init__(self) -> None:
        self.frames = 0
        self._start: float | None = None
        self._last = 0.0
        self._period = 0.0
        self._tracked: dict[int, _TrackedHand] = {}

    def version(self) -> bytes:
        """Encode the first message to a client."""
        return orjson.dumps({"serviceVersion": "2.3.1+33747", "version": PROTOCOL_VERSION})

    def device_event(self, name: str = "Myocast") -> bytes:
        """Encode the message that a device is attached and streaming."""
        state = {"attached": True, "id": name, "streaming": True, "type": "peripheral"}
        return orjson.dumps({"event": {"type": "deviceEvent", "state": state}})

    def encode(self, pose: Pose) -> bytes:
        """Encode a frame of the newest hand of every device, this pose included."""
        if self._start is None:
            self._start = pose.t
        self._measure_rate(pose.t)
        self._tracked[pose.device] = self._tracked_hand(pose)
        self._forget(pose.t)
        self.frames += 1
        hands = [tracked.hand for tracked in self._tracked.values()]
        return orjson.dumps(
            {
                "id": self.frames,
                "timestamp": round((pose.t - self._start) * 1e6),
                "currentFrameRate": round(1.0 / self._period, 2) if self._period else 0.0,
                "devices": [],
                "hands": hands,
                "pointables": [p for tracked in self._tracked.values() for p in tracked.pointables],
                "gestures": [],
                "interactionBox": _BOX,
                "r": _IDENTITY,
                "s": _mean(h["s"] for h in hands),
                "t": hands[0]["t"],
            }
        )

    def _measure_rate(self, t: float) -> None:
        step, self._last = t - self._last, t
        if self.frames and 0.0 < step < LOST_AFTER_S:
            self._period = 0.9 * self._period + 0.1 * step if self._period else step

    def _forget(self, t: float) -> None:
        for device in [d for d, tracked in self._tracked.items() if abs(t - tracked.t) > LOST_AFTER_S]:
            del self._tracked[device]

    def _tracked_hand(self, pose: Pose) -> _TrackedHand:
        before = self._tracked.get(pose.device)
        if before is not None and not 0.0 < pose.t - before.t <= LOST_AFTER_S:
            before = None
        points = _positioned(pose, len(self._tracked.keys() | {pose.device}) > 1)
        moving = points[_MOVING]
        since = pose.t if before is None else before.since
        step = moving - moving if before is None else (moving - before.moving) / (pose.t - before.t)
        rows, velocity = points.round(2).tolist(), step.round(2).tolist()
        age = round(pose.t - since, 4)
        hand = _hand(pose, rows, velocity[0], age)
        return _TrackedHand(pose.t, since, moving, hand, _fingers(pose, points, rows, velocity[1:], age))


def _positioned(pose: Pose, several: bool) -> Float64Array:
    """Return (26, 3) mm in Leap's coordinates: the 21 points, four carpal ends and the palm."""
    x, y, z = WRIST_MM
    points = _SYNTHESIS @ pose.joints.reshape(21, 3)
    points += (x + (APART_MM if pose.hand == "right" else -APART_MM) * several, y, z)
    return points


def _hand(pose: Pose, rows: list[Point], velocity: Point, age: float) -> LeapObject:
    palm = rows[_PALM]
    bends = [_bend(rows[pip], rows[pip + 1]) for pip in (6, 10, 14, 18)]
    angle = sum(bends) / len(bends)
    grab = _ramp(angle, *_GRAB_RAD)
    reach = [math.dist(rows[4], rows[tip]) for tip in TIPS[1:]]
    radius = round(_BALL_MM[1] - grab * (_BALL_MM[1] - _BALL_MM[0]), 2)
    width = math.dist(rows[5], rows[17]) + _FLESH_MM
    basis = [[1.0 if pose.hand == "right" else -1.0, 0.0, 0.0], *_IDENTITY[1:]]
    x, y, z = rows[0]
    return {
        "id": pose.device + 1,
        "type": pose.hand,
        "palmPosition": palm,
        "stabilizedPalmPosition": palm,
        "palmNormal": _NORMAL,
        "direction": _DIRECTION,
        "palmVelocity": velocity,
        "palmWidth": round(width, 2),
        "confidence": 1.0 if pose.confidence is None else round(pose.confidence, 3),
        "grabStrength": round(grab, 4),
        "grabAngle": round(angle, 4),
        "pinchStrength": round(1.0 - _ramp(min(reach), *_PINCH_MM), 4),
        "pinchDistance": round(reach[0], 2),
        "timeVisible": age,
        "armBasis": basis,
        "armWidth": round(0.75 * width, 2),
        "wrist": rows[0],
        "elbow": [x, y, round(z + FOREARM_MM, 2)],
        "sphereCenter": [palm[0], round(palm[1] - radius, 2), palm[2]],
        "sphereRadius": radius,
        "r": basis,
        "s": round(math.log(radius), 4),
        "t": palm,
    }


def _fingers(
    pose: Pose, points: Float64Array, rows: list[Point], velocity: list[Point], age: float
) -> list[LeapObject]:
    ends = points.T[:, _ENDS_INDEX]
    bones = ends[..., 1:] - ends[..., :-1]
    lengths = np.sqrt((bones * bones).sum(axis=0))
    bases = _bases(bones, lengths, pose.hand == "left").round(4).tolist()
    hand, fingers = pose.device + 1, []
    for finger, (basis, (_, *phalanges)) in enumerate(zip(bases, lengths.tolist(), strict=True)):
        carp, mcp, pip, dip, tip = (rows[end] for end in _ENDS[finger])
        length = sum(phalanges)
        fingers.append(
            {
                "id": hand * 10 + finger,
                "handId": hand,
                "type": finger,
                "length": round(length, 2),
                "width": _WIDTHS_MM[finger],
                "extended": math.dist(mcp, tip) > _EXTENDED * length,
                "tool": False,
                "direction": [-v for v in basis[3][2]],
                "carpPosition": carp,
                "mcpPosition": mcp,
                "pipPosition": pip,
                "dipPosition": dip,
                "btipPosition": tip,
                "tipPosition": tip,
                "stabilizedTipPosition": tip,
                "tipVelocity": velocity[finger],
                "bases": basis,
                "touchZone": "none",
                "touchDistance": 1.0,
                "timeVisible": age,
            }
        )
    return fingers


def _bases(bones: Float64Array, lengths: Float64Array, left: bool) -> Float64Array:
    """Return (5, 4, 3, 3): rows x (flexion axis), y (towards the nail), z (from tip to base).

    The basis of a left hand is left-handed.

    Args:
        bones: (3, 5, 4) from base to tip, components first.
        lengths: (5, 4).
    """
    axis = _MIRRORED if left else _FLEXION
    basis = np.empty((3, *bones.shape))
    x, y, z = basis
    np.divide(bones, -(lengths + _TINY), out=z)
    z[:, 0, 0] = z[:, 0, 1]
    along = (axis * z).sum(axis=0)
    np.subtract(axis, along * z, out=x)
    x /= np.sqrt((x * x).sum(axis=0)) + _TINY
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        y[i] = x[j] * z[k] - x[k] * z[j] if left else z[j] * x[k] - z[k] * x[j]
    return basis.transpose(2, 3, 0, 1)


def _bend(base: Point, end: Point) -> float:
    """Return the angle between a bone and the hand's direction, radians."""
    return math.acos(min(1.0, max(-1.0, (base[2] - end[2]) / (math.dist(base, end) + _TINY))))


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _mean(values: Iterable[float]) -> float:
    items = list(values)
    return sum(items) / len(items)
