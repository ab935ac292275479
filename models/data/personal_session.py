"""A person's session as a personal fit sees it: what the network makes of its EMG, at the times of its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from models.personal import PersonalStatistics, standardise
from models.personal_labels import Labels, labels_of
from models.recording import Recording
from models.spec import ModelError, ModelSpec

KEPT_HZ: Final = 100.0
"""Rate at which features are kept: a label is paired with features at most 10 ms older."""
CHUNK_S: Final = 10.0
LATE_S: Final = 0.05
"""A label whose newest sample is older than this has none: samples were lost there."""
LAGS_S: Final = np.arange(-8, 14) * 0.02
"""Seconds by which features are taken earlier than labels to see what explains them best."""
SYNCHRONOUS_S: Final = -0.05
"""Where labels on time are explained best, since features smooth and so come after the hand.

12 synthetic users, 180 s of exact labels: -55 ms, SD 33 ms."""
COARSE: Final = 3
"""Every so many lags are tried first, then those around the best: the error has one minimum."""
LEAST_LAG_S: Final = 0.05
"""A smaller lag cannot be told from none."""
LAG_ROWS: Final = 1000
"""Labels of a session that the lag is estimated on, at most."""
SETTLE_S: Final = 0.8
"""Seconds after a cue's marker before the hand holds it."""
LEAST_CUE_S: Final = 1.0
LONGEST_CUE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class PersonalSession:
    """One session's labels beside what the network computes."""

    name: str
    labels: Labels
    t: Float64Array
    """(n,) times of the rows below, in order."""
    x: Float32Array
    """(n, f) standardised features."""
    shipped: Float32Array
    """(n, 20) the network's angles, radians."""
    pose: Float32Array
    """(n, 21, 3) mm, the pose of the model as it is."""
    expected: Float32Array | None = None
    """(n,) errors that the shipped head expects; None where the model has no measure for its confidence."""

    def rows(self, t: Float64Array) -> npt.NDArray[np.intp]:
        """The newest row at each time, or -1 where there was no EMG at that time."""
        row = np.searchsorted(self.t, t + 1e-6) - 1
        late = t - self.t[np.maximum(row, 0)] > LATE_S
        return np.where((row < 0) | late, -1, row)


def run_session(
    content: bytes, spec: ModelSpec, values: Mapping[str, Float32Array], recording: Recording
) -> PersonalSession:
    """Run a model over a session.

    Args:
        content: the model file.
        spec: its specification.
        values: its initializers, some perhaps replaced; `alignment` is the donning's.
        recording: the session.

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
    every = max(1, int(fitted.rate_hz // KEPT_HZ))
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


def lag_of(session: PersonalSession, head: Float32Array) -> float:
    """Seconds by which a session's labels are late (negative: early): the lag at which the features explain them best.

    Args:
        session: with labels; its EMG and its labels may come from different clocks.
        head: (f + 1, 20) of the model that is fitted further.
    """
    some = _thinned(session)
    errors: dict[int, float] = {}

    def error(place: int) -> float:
        if place not in errors:
            errors[place] = _error_at(some, head, LAGS_S[place])
        return errors[place]

    best = min(range(1, len(LAGS_S) - 1, COARSE), key=error)
    best = min(range(max(1, best - COARSE + 1), min(len(LAGS_S) - 1, best + COARSE)), key=error)
    before, at, after = error(best - 1), error(best), error(best + 1)
    bend = before - 2.0 * at + after
    offset = float(np.clip(0.5 * (before - after) / bend, -1.0, 1.0)) if bend > 0 else 0.0
    lag = float(LAGS_S[best] + offset * (LAGS_S[1] - LAGS_S[0])) - SYNCHRONOUS_S
    return lag if abs(lag) >= LEAST_LAG_S else 0.0


def earlier(session: PersonalSession, seconds: float) -> PersonalSession:
    """The same session with its labels brought forward by their lag."""
    return replace(session, labels=replace(session.labels, t=session.labels.t - seconds))


def _thinned(session: PersonalSession) -> PersonalSession:
    labels = session.labels
    every = slice(None, None, max(1, len(labels.t) // LAG_ROWS))
    joints = None if labels.joints is None else labels.joints[every]
    return replace(session, labels=Labels(labels.t[every], labels.angles[every], joints))


def _error_at(session: PersonalSession, head: Float32Array, lag: float) -> float:
    """Mean square that a fit leaves of the labels, if they are so late."""
    moved = earlier(session, lag)
    found = statistics_of([moved], head).solve() + head
    row = moved.rows(moved.labels.t)
    used = row[row >= 0]
    rest = moved.labels.angles[row >= 0] - (moved.shipped[used] + moved.x[used] @ found[:-1] + found[-1])
    return float(np.nansum(rest**2)) / max(int(np.isfinite(rest).sum()), 1)


def statistics_of(sessions: Sequence[PersonalSession], head: Float32Array) -> PersonalStatistics:
    """Sums of all sessions for a fit on top of a head.

    Args:
        sessions: what is learned from.
        head: (f + 1, 20) of the model that is fitted further.
    """
    total = PersonalStatistics(len(head) - 1)
    for session in sessions:
        row = session.rows(session.labels.t)
        used = row[row >= 0]
        x = session.x[used]
        prior = session.shipped[used] + x @ head[:-1] + head[-1]
        total.add(x, session.labels.angles[row >= 0] - prior, rate_hz=session.labels.rate_hz)
    return total
