"""The same segments with the band rotated: what an unaligned band costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from models.alignment import roll
from models.arrays import Float32Array
from models.data.segments import Segment
from models.hand import CHANNELS

CHANNEL_DEG: Final = 360.0 / CHANNELS


def rotated(segments: Sequence[Segment], degrees: float, *, rectified: bool) -> list[Segment]:
    """Segments as the band would have given them rotated by an angle; an alignment that was fitted is forgotten.

    Between electrodes an envelope is interpolated linearly. Raw EMG of neighbours hardly correlates, so there the
    weights keep the power: their square roots.

    Args:
        segments: any.
        degrees: positive or negative; channel c then holds what c + degrees / 45 held.
        rectified: the EMG is an envelope.
    """
    weights = roll(degrees / CHANNEL_DEG)
    mix: Float32Array = weights if rectified else np.sqrt(weights)
    return [replace(segment, emg=np.asarray(segment.emg @ mix, np.float32), aligned=None) for segment in segments]
