"""Poses for class labels, for sessions that have the commanded gesture but no measured pose."""

from __future__ import annotations

from models.arrays import Float32Array
from models.errors import MyocastError
from models.forward.poses import POSES
from models.hand import VALUES
from models.kinematics import bones, points


class GestureError(MyocastError):
    """`--gestures` that is not understood."""


def poses_by_label(text: str) -> dict[int, Float32Array]:
    """Parse `7=fist,-1=rest`.

    Returns:
        class label -> (63,) pose of an average hand in mm, frame `hand`.

    Raises:
        GestureError: not pairs, or a pose without a name.
    """
    out: dict[int, Float32Array] = {}
    for part in filter(None, text.split(",")):
        label, _, name = part.partition("=")
        if not label.strip().lstrip("-").isdigit() or name not in POSES:
            raise GestureError(f"{part!r} in --gestures: expected LABEL=POSE with a pose of {', '.join(POSES)}")
        out[int(label)] = points(POSES[name][None], bones())[0].reshape(VALUES)
    return out
