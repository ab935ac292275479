"""Frames of the Leap Motion's WebSocket protocol, version 6: text in, hands out. No input, no output, no clock.

Fields as in Leap's developer archive ("Leap_JSON") and in Ultraleap's open WebSocket bridge: millimetres,
right-handed, x right, y up, z towards the user; `timestamp` in microseconds of the service's clock. A finger has the
ends of four bones; a thumb has no metacarpal, so that its first bone has no length and its `mcpPosition` is the CMC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from models.arrays import Float64Array
from models.hand import FINGERS, POINTS, Side

HELLO: Final = ('{"background":true}', '{"focused":true}', '{"optimizeHMD":false}')
"""Messages to send on connecting: without `background` or `focused` a service sends no frames."""
_ENDS: Final = ("mcpPosition", "pipPosition", "dipPosition", "btipPosition")
"""Four points of a finger, from the palm outwards; of the thumb: CMC, MCP, IP, tip."""


class LeapProtocolError(ValueError):
    """A message that is none of the protocol."""


@dataclass(frozen=True, slots=True, eq=False)
class LeapHand:
    """One hand of a frame."""

    side: Side
    joints: Float64Array
    """(21, 3) mm, Leap's axes, MediaPipe's order."""
    confidence: float | None


@dataclass(frozen=True, slots=True)
class LeapFrame:
    """One frame of the tracker."""

    timestamp_s: float
    """On the service's clock."""
    hands: tuple[LeapHand, ...]


def parse(message: str | bytes) -> LeapFrame | None:
    """Read a message of the service; None for one that is no frame (version, device events).

    Raises:
        LeapProtocolError: it is not JSON of this protocol.
    """
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        raise LeapProtocolError("not JSON") from None
    if not isinstance(value, dict):
        raise LeapProtocolError("not an object")
    if "hands" not in value:
        return None
    try:
        return LeapFrame(float(value["timestamp"]) / 1e6, tuple(_hands(value)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LeapProtocolError(f"a frame without {error}") from None


def _hands(frame: Mapping[str, Any]) -> list[LeapHand]:
    fingers: dict[int, dict[int, Mapping[str, Any]]] = {}
    for pointable in frame.get("pointables", ()):
        if not pointable.get("tool", False):
            fingers.setdefault(pointable["handId"], {})[pointable["type"]] = pointable
    found = []
    for hand in frame["hands"]:
        own = fingers.get(hand["id"], {})
        # A hand that is just appearing has no fingers yet.
        if set(own) != set(range(len(FINGERS))) or hand["type"] not in ("left", "right"):
            continue
        points = [hand["wrist"], *(own[finger][end] for finger in range(len(FINGERS)) for end in _ENDS)]
        joints = np.array(points, dtype=np.float64)
        if joints.shape != (POINTS, 3):
            raise ValueError("three coordinates for each point")
        confidence = hand.get("confidence")
        known = isinstance(confidence, int | float) and 0.0 <= confidence <= 1.0
        found.append(LeapHand(hand["type"], joints, float(confidence) if known else None))
    return found
