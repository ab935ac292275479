"""One pass of a model file over segments: poses beside the truth, hand closure where there are class labels alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from models.alignment import Template, template_of_model
from models.architectures.base import NetworkConfig
from models.arrays import Float32Array
from models.data.alignment_cues import BandRow, band_fit, band_row, split_cues
from models.data.gesture_labels import poses_by_label
from models.data.segments import Segment
from models.errors import MyocastError
from models.evaluation.aligned_model import with_alignment
from models.metrics.baselines import known_mean_pose
from models.metrics.false_alarms import FalseAlarms, false_alarms, pinch_mm
from models.metrics.hand_closure import (
    FIST,
    REST,
    SessionClosure,
    amplitude,
    closed_share,
    over_sessions,
    session_closure,
    settled,
)
from models.metrics.pose_error import EvaluatedSegment, by_user, over_users
from models.metrics.predict import SegmentPredictor, from_onnx, predict_segments
from models.onnx_runner import OnnxRunner
from models.spec import ModelSpec

RESTING: Final = "people at rest"
OTHER_GESTURES: Final = "people in gestures of the wrist"
OPEN_HAND: Final = "the true hand is open"
HAND: Final = (REST, FIST)
SKIP: Final = 50
"""Steps at the start of each segment that are not evaluated (1 s)."""


class EvaluationError(MyocastError):
    """Data or a model that cannot be evaluated."""


class Closures(NamedTuple):
    """Hand closure of one session, by two predictors."""

    model: SessionClosure
    amplitude: SessionClosure
    """By the amplitude of the EMG alone."""


@dataclass(slots=True)
class EvaluationPass:
    """Predictions of one model on segments."""

    runs: list[EvaluatedSegment] = field(default_factory=list)
    """Of the segments with poses."""
    segments: list[Segment] = field(default_factory=list)
    """Those of `runs`, in the same order."""
    closures: list[Closures] = field(default_factory=list)
    """Of the sessions without poses."""
    bands: list[BandRow] = field(default_factory=list)
    """How the band of each aligned donning sits."""
    matrices: list[Float32Array] = field(default_factory=list)
    """(8, 8) of each of `bands`."""
    alarms: dict[str, FalseAlarms] = field(default_factory=dict)
    """Closures and pinches that the wearer did not make, by what the time was."""

    def count(self, kind: str, more: FalseAlarms) -> None:
        """Add false alarms in some time of a kind."""
        if more.seconds:
            self.alarms[kind] = self.alarms.get(kind, FalseAlarms()) + more


def evaluation_pass(
    content: bytes,
    spec: ModelSpec,
    segments: Sequence[Segment],
    cues: Sequence[Segment] = (),
    *,
    align_s: float = 0.0,
    skip: int = SKIP,
) -> EvaluationPass:
    """Run a model over segments.

    Args:
        content: of the model file.
        spec: its specification.
        segments: to evaluate on.
        cues: segments of the same donnings in which the wearers follow the cues, where `segments` hold none.
        align_s: seconds of cues that each band is aligned on first, which are not evaluated; 0 = worn as it is.
        skip: steps at the start of each segment that are not evaluated.

    Raises:
        EvaluationError: the model has no template to align to.
    """
    found = EvaluationPass()
    for predictor, group, band in _donnings(content, spec, segments, cues, align_s):
        if band is not None:
            found.bands.append(band[0])
            found.matrices.append(band[1])
        posed = [segment for segment in group if segment.weight.any()]
        pairs = zip(predict_segments(predictor, posed, skip), posed, strict=True)
        for run, segment in pairs:
            if run.valid.any():
                found.runs.append(run)
                found.segments.append(segment)
                found.count(OPEN_HAND, _alarms_of(run))
        found.closures += _closures(found, predictor, [one for one in group if not one.weight.any()], skip)
    return found


def figures_of_file(content: bytes, spec: ModelSpec, segments: Sequence[Segment]) -> dict[str, float]:
    """Pose errors of a model file, mean over users; the first second and the first window are left out."""
    skip = first_step(spec, SKIP)
    runs = list(predict_segments(from_onnx(OnnxRunner.open(content), spec), segments, skip))
    return over_users(by_user(runs, known_mean_pose(spec)))


def first_step(spec: ModelSpec, skip: int) -> int:
    """The first step that is evaluated: after `skip` steps, and not before a window is full."""
    return max(skip, spec.window // NetworkConfig.of(spec).decimation - 1)


def closure_summary(sessions: Sequence[SessionClosure]) -> dict[str, float]:
    """Figures over sessions; empty without any."""
    return over_sessions(sessions) if sessions else {}


def _donnings(
    content: bytes, spec: ModelSpec, segments: Sequence[Segment], cues: Sequence[Segment], align_s: float
) -> Iterator[tuple[SegmentPredictor, Sequence[Segment], tuple[BandRow, Float32Array] | None]]:
    """A predictor for each donning, the segments to evaluate it on, and how the band sits if it was to be aligned."""
    if not align_s:
        yield from_onnx(OnnxRunner.open(content), spec), segments, None
        return
    template = _template(spec)
    for key in dict.fromkeys((one.user, one.session) for one in segments):
        own, rest = split_cues([one for one in segments if (one.user, one.session) == key], align_s)
        own = own or split_cues([one for one in cues if (one.user, one.session) == key], align_s)[0]
        if len(own) > 1:
            fit = band_fit(own, template)
            matrix = fit.matrix()
            aligned = with_alignment(content, matrix)
            yield from_onnx(OnnxRunner.open(aligned), spec), rest, (band_row(rest[0], fit), matrix)


def _template(spec: ModelSpec) -> Template:
    template = template_of_model(spec)
    if template is None:
        raise EvaluationError(
            f"{spec.name} carries no template to align to; train it on data with rest, fist and extension"
        )
    return template


def _alarms_of(run: EvaluatedSegment) -> FalseAlarms:
    """False alarms where the true hand is known."""
    poses = poses_by_label(f"{REST}=rest,{FIST}=fist")
    mine, true = (closed_share(pose, poses[REST], poses[FIST]) for pose in (run.pose, run.truth))
    return false_alarms(mine, pinch_mm(run.pose), run.valid, true, pinch_mm(run.truth))


def _closures(
    found: EvaluationPass, predictor: SegmentPredictor, segments: Sequence[Segment], skip: int
) -> Iterator[Closures]:
    """Of each session with rest, fists and wrist gestures; false alarms are counted on the way."""
    poses = poses_by_label(f"{REST}=rest,{FIST}=fist")
    for user, session in dict.fromkeys((one.user, one.session) for one in segments):
        values: list[Float32Array] = []
        loudness: list[Float32Array] = []
        classes = []
        for segment in segments:
            if (segment.user, segment.session) != (user, session) or segment.classes is None:
                continue
            kept = settled(segment.classes) & (segment.classes >= 0)
            kept[:skip] = False
            pose = predictor(segment)
            share, pinch = closed_share(pose, poses[REST], poses[FIST]), pinch_mm(pose)
            for kind, some in ((RESTING, segment.classes == REST), (OTHER_GESTURES, ~np.isin(segment.classes, HAND))):
                found.count(kind, false_alarms(share, pinch, kept & some))
            values.append(share[kept])
            loudness.append(amplitude(segment.emg, segment.steps)[kept])
            classes.append(segment.classes[kept])
        if classes:
            model, loud = (session_closure(user, session, each, classes) for each in (values, loudness))
            if model and loud:
                yield Closures(model, loud)
