"""How a band sat in recorded sessions with class labels, against a model's template or another donning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.alignment import AlignmentError, Template, fit
from models.arrays import Float64Array
from models.data.personal_session import cue_emg_of
from models.data.segments import right_handed
from models.hand import CHANNELS
from models.recording import Recording
from service.arm.alignment import AlignmentResult, found


def levels_of_sessions(sessions: Sequence[Recording], classes: Mapping[int, str]) -> dict[str, Float64Array]:
    """Mean rectified EMG of each cue (8,) over the sessions of one donning, on a right arm.

    Args:
        sessions: with class labels.
        classes: class label -> cue.

    Raises:
        AlignmentError: rest or every movement is missing.
    """
    parts: dict[str, list[Float64Array]] = {}
    for recording in sessions:
        for cue, emg in cue_emg_of(right_handed(recording), classes).items():
            parts.setdefault(cue, []).append(np.abs(emg).astype(np.float64))
    if "rest" not in parts or len(parts) < 2:
        have = ", ".join(parts) or "none of them"
        raise AlignmentError(f"the sessions hold {have}; expected rest and a movement: give other sessions or --cues")
    return {cue: np.concatenate(part).mean(axis=0).reshape(CHANNELS) for cue, part in parts.items()}


def align_levels(levels: Mapping[str, Float64Array], target: Template) -> AlignmentResult:
    """How a band with these levels sits against a template, as `GET /api/v1/alignment` shows it."""
    return found(fit(levels, target))


def template_of_levels(levels: Mapping[str, Float64Array]) -> Template:
    """One donning as the template for another."""
    return Template({cue: tuple(float(value) for value in level) for cue, level in levels.items()})
