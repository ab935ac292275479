"""Lines of Hand Tracking Streamer: text in, hands out. No input, no output, no clock.

`Right landmarks:, x, y, z, …` has 21 points in MediaPipe's order, in metres, in the frame of the wrist, which is
Unity's: left-handed, y up. `Right wrist:, …` tells where that wrist is in the room, which a label does not need. In
debug mode `| f = 123 | t = 123456789` stands before the colon: the frame's number, and nanoseconds on the headset's
clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from models.arrays import Float64Array
from models.hand import POINTS, VALUES, Side

LONGEST_LINE: Final = 8192
"""Bytes; 63 numbers take about 600."""
_MM: Final = 1000.0
_NS: Final = re.compile(r"(?:t|ts|timestamp)\s*=\s*(\d+)", re.IGNORECASE)


class HtsProtocolError(ValueError):
    """A line that is none of the format."""


@dataclass(frozen=True, slots=True, eq=False)
class HtsHand:
    """One line of landmarks."""

    side: Side
    joints: Float64Array
    """(21, 3) mm in a right-handed frame, MediaPipe's order."""
    source_s: float | None
    """Seconds on the headset's clock; None where it does not tell."""


def parse_line(line: str) -> HtsHand | None:
    """Read a line; None for one without landmarks (wrist, head pose, empty).

    Raises:
        HtsProtocolError: it is none of the format.
    """
    if not line.strip():
        return None
    head, colon, numbers = line.partition(":")
    label, *more = (part.strip() for part in head.split("|"))
    words = label.lower().split()
    if not colon or len(words) != 2:
        raise HtsProtocolError(f"{line[:40]!r} is no line of Hand Tracking Streamer")
    if words[1] != "landmarks":
        return None
    if words[0] not in ("left", "right"):
        raise HtsProtocolError(f"{label!r} names no hand")
    return HtsHand(cast(Side, words[0]), _points(numbers), _seconds(more))


def _points(numbers: str) -> Float64Array:
    try:
        values = np.array([float(number) for number in numbers.split(",") if number.strip()])
    except ValueError:
        raise HtsProtocolError("a coordinate is no number") from None
    if len(values) != VALUES or not np.isfinite(values).all():
        raise HtsProtocolError(f"expected {VALUES} numbers in a line of landmarks, found {len(values)}")
    # Unity's frame is left-handed: without the change of sign a right hand would become a left one.
    return np.asarray(values.reshape(POINTS, 3) * np.array([_MM, _MM, -_MM]))


def _seconds(parts: list[str]) -> float | None:
    found = next((match for part in parts if (match := _NS.fullmatch(part))), None)
    return None if found is None else int(found[1]) / 1e9
