"""`--gestures`: poses for class labels, for sessions that say what was asked for but not where the fingers were."""

from __future__ import annotations

from models.arrays import Float32Array
from models.errors import MyocastError
from models.hand import VALUES


class GestureError(MyocastError):
    """`--gestures` that is not understood."""


def parse(text: str) -> dict[int, Float32Array]:
    """`7=fist,-1=rest` -> label -> (63,) pose of an average hand, mm.

    Raises:
        GestureError: not pairs, or a pose without a name.
    """
    from models.forward.poses import POSES
    from models.kinematics import bones, points

    out: dict[int, Float32Array] = {}
    for part in filter(None, text.split(",")):
        label, _, name = part.partition("=")
        if not label.strip().lstrip("-").isdigit() or name not in POSES:
            raise GestureError(f"{part!r} in --gestures: expected LABEL=POSE with a pose of {', '.join(POSES)}")
        out[int(label)] = points(POSES[name][None], bones())[0].reshape(VALUES)
    return out
