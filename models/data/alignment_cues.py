"""Calibration of a band during evaluation: which seconds belong to which cue, and the matrix they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypedDict

import numpy as np

from models.alignment import CUES, Fit, Template, fit, levels, template
from models.architectures.base import STEP_HZ
from models.arrays import Float32Array
from models.data.segments import Segment, unsettled
from models.hand import CHANNELS

CLASS_CUES: Final[Mapping[int, str]] = {0: "rest", 7: "fist", 2: "extension"}
"""Class labels of the cues in myo-readings-dataset."""


FIT_S: Final = 15.0
TEMPLATE_S: Final = 30.0
"""Of each person, at most, for a template."""


class BandRow(TypedDict):
    """How the band of one donning sits against the template."""

    user: str
    session: str
    turn_channels: float
    """To either side, at most 4 channels = 180 degrees."""
    turn_deg: float
    mirrored: bool
    score: float
    """Correlation with the template, as in `Fit`."""


def split_cues(segments: Sequence[Segment], seconds: float) -> tuple[dict[str, Float32Array], list[Segment]]:
    """Take the first settled samples of each cue out of one session.

    Args:
        segments: of one person and one donning, with class labels.
        seconds: altogether, shared equally by the cues.

    Returns:
        cue -> (n, 8) EMG, and the same segments with those steps' classes set to -1 (not evaluated).
    """
    wanted = round(seconds / len(CUES) * STEP_HZ)
    parts: dict[str, list[Float32Array]] = {cue: [] for cue in CUES}
    out = []
    for segment in segments:
        if segment.classes is None:
            out.append(segment)
            continue
        classes = segment.classes.copy()
        usable = ~unsettled(classes)
        every = len(segment.emg) // segment.steps
        for label, cue in CLASS_CUES.items():
            taken = sum(len(part) for part in parts[cue]) // every
            steps = np.flatnonzero(usable & (segment.classes == label))[: max(0, wanted - taken)]
            parts[cue].append(segment.emg.reshape(segment.steps, every, CHANNELS)[steps].reshape(-1, CHANNELS))
            classes[steps] = -1
        out.append(replace(segment, classes=classes))
    return {cue: np.concatenate(part) for cue, part in parts.items() if sum(map(len, part))}, out


def aligned_segments(segments: Sequence[Segment], more: Sequence[Segment], target: Template) -> list[Segment]:
    """The same segments, each with the matrix of its donning where its cues are known.

    Args:
        segments: any.
        more: segments of the same donnings, in which the wearer follows the cues.
        target: what to align to.
    """
    matrices = {}
    for key in dict.fromkeys((segment.user, segment.session) for segment in segments):
        cues, _ = split_cues(
            [t for t in (*more, *segments) if (t.user, t.session) == key and t.classes is not None], FIT_S
        )
        if set(cues) == set(CUES):
            matrices[key] = band_fit(cues, target).matrix()
    return [replace(segment, aligned=matrices.get((segment.user, segment.session))) for segment in segments]


def template_of(segments: Sequence[Segment]) -> Template | None:
    """The template of the people in the data who were asked for rest, fist and wrist extension; None without any.

    Of recorded people where there are any: synthetic fists differ, and real bands would be aligned to them.
    """
    recorded = [segment for segment in segments if not segment.synthetic and segment.classes is not None]
    return _template_of(recorded) or _template_of(segments)


def _template_of(segments: Sequence[Segment]) -> Template | None:
    people = []
    for key in dict.fromkeys((segment.user, segment.session) for segment in segments):
        cues, _ = split_cues([segment for segment in segments if (segment.user, segment.session) == key], TEMPLATE_S)
        if set(cues) == set(CUES):
            people.append(cue_levels(cues))
    return template(people) if people else None


def band_fit(cues: Mapping[str, Float32Array], target: Template) -> Fit:
    """How a band sits, from the EMG of each cue; some people wear it the other way round.

    Args:
        cues: cue -> (n, 8) EMG in the model's unit.
        target: what to align to.

    Raises:
        models.alignment.AlignmentError: cues are missing.
    """
    names = [cue for cue, emg in cues.items() for _ in range(len(emg))]
    return fit(levels(np.concatenate(list(cues.values())), names), target)


def band_row(segment: Segment, found: Fit) -> BandRow:
    """How the band of a donning sits against the template, for a report."""
    return {
        "user": segment.user,
        "session": segment.session,
        "turn_channels": round(found.turn, 3),
        "turn_deg": round(found.turn * 360.0 / CHANNELS, 1),
        "mirrored": found.mirrored,
        "score": round(found.score, 3),
    }


def cue_levels(cues: Mapping[str, Float32Array]) -> dict[str, Float32Array]:
    """Mean rectified EMG of each cue, for a template: cue -> (n, 8) to cue -> (8,), same unit."""
    return {cue: np.abs(emg).mean(axis=0) for cue, emg in cues.items()}
