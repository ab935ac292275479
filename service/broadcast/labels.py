"""Labels and markers that clients send (docs/protocol.md#labels-and-markers), read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, cast, get_args

import numpy as np

from models.arrays import Float64Array
from models.hand import POINTS, VALUES, Side
from models.kinematics import ANGLES

MAX_TEXT: Final = 1000
"""Characters of a marker's label at most, and of a label's source."""
MAX_ANGLE_DEG: Final = 180.0
PALM_MM: Final = (20.0, 250.0)
"""Distance between wrist and knuckle of the middle finger that a hand can have; metres are far below."""
LARGEST_COORDINATE_MM: Final = 1e6
"""Distance of a point from the origin of its frame, along one axis, beyond which it is no measurement."""
LARGEST_HAND_MM: Final = 500.0
"""Distance of a point from the wrist that no hand reaches."""
LATEST_S: Final = 9e9
"""Unix seconds up to which a time has nanoseconds in 64 bits, as session files have them (the year 2255)."""
LARGEST_DEVICE: Final = 255


class LabelError(ValueError):
    """A label or marker that cannot be used: what was found, and what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelMessage:
    """A checked `label`."""

    device: int
    t: float
    hand: Side | None
    """The hand that was seen; None: the one that wears the band."""
    joints: Float64Array | None
    """(21, 3) mm in any right-handed frame."""
    angles: Mapping[str, float]
    """Degrees, by the names of `ANGLES`; empty where there are joints."""
    source: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class MarkerMessage:
    """A checked `marker`."""

    device: int
    t: float | None
    """None: now."""
    label: str


def label_message(value: Mapping[str, Any]) -> LabelMessage:
    """Read a `label`.

    Args:
        value: the JSON object.

    Raises:
        LabelError: it cannot be used.
    """
    if ("joints" in value) == ("angles" in value):
        raise LabelError("expected either `joints` or `angles`, found " + ("both" if "joints" in value else "neither"))
    hand = value.get("hand")
    if hand is not None and hand not in get_args(Side):
        raise LabelError(f"hand {hand!r} is neither left nor right")
    confidence = None if value.get("confidence") is None else _number(value["confidence"], "confidence")
    if confidence is not None and not 0.0 <= confidence <= 1.0:
        raise LabelError(f"confidence {confidence:g} is not in 0 to 1")
    return LabelMessage(
        device=_device(value),
        t=_time(value.get("t")),
        hand=cast(Side | None, hand),
        joints=_joints(value["joints"]) if "joints" in value else None,
        angles=_angles(value["angles"]) if "angles" in value else {},
        source=_text(value.get("source", ""), "source"),
        confidence=confidence,
    )


def marker_message(value: Mapping[str, Any]) -> MarkerMessage:
    """Read a `marker`.

    Args:
        value: the JSON object.

    Raises:
        LabelError: it cannot be used.
    """
    label = _text(value.get("label"), "label")
    if not label:
        raise LabelError("expected a text in `label`, found an empty one")
    t = value.get("t")
    return MarkerMessage(_device(value), None if t is None else _time(t), label)


def _device(value: Mapping[str, Any]) -> int:
    device = value.get("device", 0)
    if isinstance(device, bool) or not isinstance(device, int) or not 0 <= device <= LARGEST_DEVICE:
        raise LabelError(f"device {device!r} is not the index of an armband")
    return device


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise LabelError(f"{name} {value!r} is not a number")
    return float(value)


def _time(value: object) -> float:
    t = _number(value, "t")
    if not 0.0 <= t <= LATEST_S:
        raise LabelError(f"t {t:g} is not a time in Unix seconds, as pose and pong have it")
    return t


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise LabelError(f"expected a text of at most {MAX_TEXT} characters in `{name}`")
    return value


def _joints(value: object) -> Float64Array:
    if not isinstance(value, list) or len(value) != VALUES:
        raise LabelError(f"expected {VALUES} numbers in `joints`, x y z of 21 points in mm")
    points = np.array([_number(number, "joints") for number in value]).reshape(POINTS, 3)
    check_points(points)
    return points


def check_points(points: Float64Array) -> None:
    """Check that points are those of a hand.

    Args:
        points: (21, 3) mm in any right-handed frame.

    Raises:
        LabelError: they are not.
    """
    if not np.isfinite(points).all():
        raise LabelError("expected joints in mm, found one that is not a number")
    if np.abs(points).max() > LARGEST_COORDINATE_MM:
        raise LabelError(f"expected joints in mm, found {np.abs(points).max():.3g}")
    palm_mm = float(np.linalg.norm(points[9] - points[0]))
    if not PALM_MM[0] <= palm_mm <= PALM_MM[1]:
        raise LabelError(f"expected joints of a hand in mm, found {palm_mm:.3g} from the wrist to the middle knuckle")
    reach_mm = float(np.linalg.norm(points - points[0], axis=1).max())
    if reach_mm > LARGEST_HAND_MM:
        raise LabelError(f"expected joints of a hand in mm, found a point {reach_mm:.3g} from the wrist")
    across = np.cross(points[0] - points[9], points[17] - points[5])
    if np.linalg.norm(across) < palm_mm:
        raise LabelError("the wrist and the knuckles lie on one line, so that the hand has no side")


def _angles(value: object) -> dict[str, float]:
    if not isinstance(value, dict) or not value:
        raise LabelError("expected an object of angles in degrees in `angles`, like index_mcp_fe: 42.0")
    unknown = [name for name in value if name not in ANGLES]
    if unknown:
        raise LabelError(f"unknown angle {unknown[0]!r}; expected some of {', '.join(ANGLES)}")
    angles = {name: _number(angle, name) for name, angle in value.items()}
    wrong = [name for name, angle in angles.items() if abs(angle) > MAX_ANGLE_DEG]
    if wrong:
        raise LabelError(f"{wrong[0]} of {angles[wrong[0]]:g} is not an angle in degrees")
    return angles
