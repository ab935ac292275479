"""A person's session as a personal fit sees it: what the network makes of its EMG, at the times of its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from models.alignment import CUE_NAMES, levels
from models.architectures.base import NetworkConfig
from models.arrays import Float32Array, Float64Array
from models.data.segments import SETTLE_S as CLASS_SETTLE_S
from models.data.segments import conform, right_handed
from models.hand import POINTS
from models.onnx_file import ANGLES, CONFIDENCE_PERSONAL, EXPECTED_ERROR, FEATURE_MEAN, FEATURE_SCALE, FEATURES
from models.onnx_runner import POSE, OnnxRunner, open_session
from models.personal import standardise
from models.personal_labels import labels_of
from models.personal_pairs import PersonalSession
from models.recording import Recording
from models.spec import ModelError, ModelSpec

KEPT_HZ: Final = 100.0
"""Rate at which what the network computes is kept; at the times of labels it is interpolated."""
CHUNK_S: Final = 10.0
SETTLE_S: Final = 0.8
"""Seconds after a cue's marker before the hand holds it."""
LEAST_CUE_S: Final = 1.0
LONGEST_CUE_S: Final = 10.0


def run_session(
    content: bytes,
    spec: ModelSpec,
    values: Mapping[str, Float32Array],
    recording: Recording,
    *,
    kept_hz: float = KEPT_HZ,
) -> PersonalSession:
    """Run a model over a session.

    Args:
        content: the model file.
        spec: its specification.
        values: its initializers, some perhaps replaced; `alignment` is the donning's.
        recording: the session.
        kept_hz: rows a second that are kept, at most those of the model.

    Raises:
        ModelError: the model has no room for a person, or does not fit the session.
        DataError: the session cannot be brought to the model's rate and mode.
    """
    if FEATURE_MEAN not in values:
        raise ModelError(f"{spec.name} has no room for a personal fit; take a streaming model (`myocast export`)")
    fitted = right_handed(conform(recording, NetworkConfig.of(spec)))
    mismatch = spec.mismatch(fitted.rate_hz, fitted.unit, fitted.emg_mode)
    if mismatch is not None:
        raise ModelError(f"{spec.name} does not fit {recording.name}: {mismatch}; give another --model")
    runner = OnnxRunner(open_session(content, {name: values[name] for name in ("alignment", "personal", "bones")}))
    every = max(1, int(fitted.rate_hz // kept_hz))
    names = (FEATURES, ANGLES, POSE, *((EXPECTED_ERROR,) if CONFIDENCE_PERSONAL in values else ()))
    parts = [_run(runner, names, fitted.emg[part], fitted.t[part], every, fitted.rate_hz) for part in fitted.segments()]
    t, features, angles, pose, *expected = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return PersonalSession(
        recording.name,
        labels_of(fitted),
        t,
        standardise(features, values[FEATURE_MEAN], values[FEATURE_SCALE]),
        angles,
        pose.reshape(-1, POINTS, 3),
        expected[0][:, 0] if expected else None,
        fitted,
        spec.ahead_s,
    )


def _run(
    runner: OnnxRunner, names: Sequence[str], emg: Float32Array, t: Float64Array, every: int, rate_hz: float
) -> tuple[Float64Array, *tuple[Float32Array, ...]]:
    """Rows of one run without gaps: times, and the outputs of these names."""
    runner.reset()
    length = every * max(1, round(CHUNK_S * rate_hz / every))
    kept: list[list[Float32Array]] = []
    for start in range(0, len(emg), length):
        outputs = runner.step_outputs(emg[None, start : start + length], names)
        kept.append([output[0, every - 1 :: every] for output in outputs])
    return t[every - 1 :: every], *(np.concatenate(columns) for columns in zip(*kept, strict=True))


def cue_levels_of(
    recording: Recording, matrix: Float32Array, classes: Mapping[int, str] | None = None
) -> dict[str, Float64Array] | None:
    """Levels of the cues that the wearer followed, after a matrix, or None where rest and a movement are not there.

    Args:
        recording: a right arm's session; its markers named after cues tell when they were asked for.
        matrix: (8, 8) alignment that the levels are told after.
        classes: class label -> cue, for sessions with class labels.
    """
    parts = cue_emg_of(recording, classes)
    if "rest" not in parts or len(parts) < 2:
        return None
    found = levels(np.concatenate(list(parts.values())), [cue for cue, emg in parts.items() for _ in range(len(emg))])
    return {cue: np.maximum(level @ matrix, 0.0) for cue, level in found.items()}


def cue_emg_of(recording: Recording, classes: Mapping[int, str] | None = None) -> dict[str, Float32Array]:
    """Cue -> (n, 8) EMG while the wearer held it; by markers, or by classes where they are given."""
    names = np.full(len(recording), "", object)
    if classes and recording.classes is not None:
        _name_classes(names, recording, classes)
    else:
        _name_markers(names, recording)
    return {cue: recording.emg[names == cue] for cue in sorted(set(names) - {""})}


def _name_classes(names: npt.NDArray[np.object_], recording: Recording, classes: Mapping[int, str]) -> None:
    labels = recording.classes
    assert labels is not None
    starts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    for start, stop in pairwise(starts):
        settled = start + round(CLASS_SETTLE_S * recording.rate_hz)
        if settled < stop and int(labels[start]) in classes:
            names[settled:stop] = classes[int(labels[start])]


def _name_markers(names: npt.NDArray[np.object_], recording: Recording) -> None:
    ends = [*(marker.t for marker in recording.markers[1:]), recording.t[-1] if len(recording.t) else 0.0]
    for marker, end in zip(recording.markers, ends, strict=False):
        begin, end = marker.t + SETTLE_S, min(end, marker.t + LONGEST_CUE_S)
        if marker.label in CUE_NAMES and end - begin >= LEAST_CUE_S:
            first, last = np.searchsorted(recording.t, [begin, end])
            names[first:last] = marker.label
