"""What `myocast evaluate` computes: a model file on segments, beside baselines, in all the ways it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import MyocastError

if TYPE_CHECKING:
    from models.architectures.base import NetworkConfig
    from models.arrays import Float32Array
    from models.data.segments import Segment
    from models.evaluation.evaluation import Evaluation
    from models.metrics.hand_closure import SessionClosure
    from models.metrics.pose_error import EvaluatedSegment
    from models.metrics.predict import Predictor
    from models.smoothing import OneEuroConfig
    from models.spec import ModelSpec


class EvaluateError(MyocastError):
    """Data or a model that cannot be judged."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that is asked for beside the figures on all segments."""

    align: float = 0.0
    """Seconds of cues that each band is fitted on first."""
    skip: int = 50
    """Steps at the start of each run that are not judged."""
    split: str = ""
    """What the segments are, in words."""
    rotations: Sequence[float] = ()
    """Degrees by which the band is turned as well."""
    smoothing: Sequence[OneEuroConfig] = ()
    calibrate: Sequence[float] = ()
    """Labelled seconds."""
    network: Path | None = None
    """The .keras file that is tuned on them."""
    gestures: Sequence[str] | None = None
    """Names of the segments' class labels, where errors are told by gesture."""
    manifest: Path | None = None
    """Of the training, for the gestures it left out."""
    note: Callable[[str], None] = field(default=lambda text: None)


def evaluate(
    content: bytes, spec: ModelSpec, config: NetworkConfig, segments: Sequence[Segment], known: Sequence[Segment],
    cues: Sequence[Segment], asked: Asked,
) -> Evaluation:  # fmt: skip
    """All figures of a model on segments: poses where there is a truth, closure where there are class labels.

    Args:
        content: of the model file.
        spec: what it says of itself.
        config: the rate and mode of the segments.
        segments: to judge on.
        known: to fit baselines on; may be empty.
        cues: rest, fist and wrist extension of the same donnings, where `segments` do not hold them.
        asked: what else.

    Raises:
        EvaluateError: there is nothing to judge by.
    """
    from models.evaluation.evaluation import Evaluation
    from models.metrics.pose_error import by_user, over_users

    asked = replace(asked, skip=max(asked.skip, spec.window // config.decimation - 1))
    found = _judge(content, spec, segments, cues, asked)
    runs, sessions = found.runs, found.sessions
    if not runs and not sessions:
        raise EvaluateError(
            "nothing to judge by: the data has neither poses nor the class labels of rest, fist and wrist gestures"
        )
    mean = _mean_pose(spec, known)
    users = by_user(runs, mean)
    posed = [t for t in segments if t.weight.any()]
    out = Evaluation(
        title=f"{spec.name} ({spec.architecture}, {spec.parameters:,} parameters)",
        split=asked.split + (f", each band aligned on {asked.align:g} s" if asked.align else ""),
        figures=over_users(users) if users else {},
        users=users,
        baselines=_baselines(posed, known, config, mean, asked.skip),
        closure=_closure_summary([model for model, _ in sessions]),
        closure_baseline=_closure_summary([amplitude for _, amplitude in sessions]),
        sessions=[model for model, _ in sessions],
        bands=found.bands,
        runs=runs,
    )
    if asked.rotations:
        out.rotations = [
            _rotation(content, spec, config, segments, cues, asked, degrees, mean)
            for degrees in sorted({0.0, *asked.rotations})
        ]
        own = out.baselines.get("user's own mean pose", {}).get("mpjpe_mm")
        out.rotations = [{**row, **({"user_mean_mpjpe_mm": own} if own is not None else {})} for row in out.rotations]
    if asked.smoothing and runs:
        from models.metrics.smoothness import smoothed

        out.smoothing = [smoothed(runs, config) for config in (None, *asked.smoothing)]
    if asked.gestures is not None:
        _add_gestures(out, runs, found.segments, mean, asked)
    if asked.calibrate:
        out.calibration = _calibration(posed, config, mean, asked)
    return out


def judged_by_file(
    content: bytes, spec: ModelSpec, config: NetworkConfig, segments: Sequence[Segment]
) -> dict[str, float]:
    """Figures over users of a model file; the first second and the first window of each run are left out."""
    from models.metrics.pose_error import by_user, over_users
    from models.metrics.predict import from_onnx, judge
    from models.onnx_runner import open_session

    skip = max(50, spec.window // config.decimation - 1)
    return over_users(
        by_user(list(judge(from_onnx(open_session(content), spec), segments, skip)), _mean_pose(spec, []))
    )


def session_closures(
    content: bytes, spec: ModelSpec, segments: Sequence[Segment], align: float
) -> list[tuple[SessionClosure, SessionClosure]]:
    """Closure of each session with class labels: by the model, and by the amplitude of the EMG alone.

    Args:
        content: of the model file.
        spec: what it says of itself.
        segments: without poses.
        align: seconds of cues that each band is fitted on first, which are not judged; 0 = worn as it is.

    Raises:
        EvaluateError: the model has no template to align to.
    """
    return _judge(content, spec, segments, (), Asked(align=align)).sessions


@dataclass(slots=True)
class _Found:
    """One pass of a model over segments."""

    runs: list[EvaluatedSegment] = field(default_factory=list)
    """With poses."""
    segments: list[Segment] = field(default_factory=list)
    """Those of the runs."""
    sessions: list[tuple[SessionClosure, SessionClosure]] = field(default_factory=list)
    """Without poses: by the model, and by the amplitude of the EMG alone."""
    bands: list[Mapping[str, Any]] = field(default_factory=list)
    """Of each donning that was aligned."""


def _judge(
    content: bytes, spec: ModelSpec, segments: Sequence[Segment], cues: Sequence[Segment], asked: Asked
) -> _Found:
    from models.metrics.predict import judge

    found = _Found()
    for predictor, group, band in _predictors(content, spec, segments, cues, asked.align):
        if band is not None:
            found.bands.append(band)
        posed = [t for t in group if t.weight.any()]
        pairs = [(r, t) for r, t in zip(judge(predictor, posed, asked.skip), posed, strict=True) if r.valid.any()]
        found.runs += [run for run, _ in pairs]
        found.segments += [segment for _, segment in pairs]
        found.sessions += _closures(predictor, [t for t in group if not t.weight.any()], asked.skip)
    return found


def _predictors(
    content: bytes, spec: ModelSpec, segments: Sequence[Segment], asked: Sequence[Segment], align: float
) -> Iterator[tuple[Predictor, Sequence[Segment], Mapping[str, Any] | None]]:
    """A predictor for each donning, the segments it is judged on, and how the band sits if it was to be aligned."""
    from models.metrics.predict import from_onnx
    from models.onnx_runner import open_session

    if not align:
        yield from_onnx(open_session(content), spec), segments, None
        return
    from exporters.align import with_alignment
    from models.alignment import Template
    from models.data.alignment_cues import band_fit, band_row, split_cues

    levels = spec.validation.get("template")
    if not levels:
        raise EvaluateError(
            f"{spec.name} carries no template to align to; train it on data with rest, fist and extension"
        )
    template = Template({cue: tuple(values) for cue, values in levels.items()})
    for key in dict.fromkeys((t.user, t.session) for t in segments):
        cues, rest = split_cues([t for t in segments if (t.user, t.session) == key], align)
        cues = cues or split_cues([t for t in asked if (t.user, t.session) == key], align)[0]
        if len(cues) > 1:
            fit = band_fit(cues, template)
            fitted = with_alignment(content, fit.matrix())
            yield from_onnx(open_session(fitted), spec), rest, band_row(rest[0], fit)


def _closures(
    predictor: Predictor, segments: Sequence[Segment], skip: int
) -> list[tuple[SessionClosure, SessionClosure]]:
    """Of each session: by the model, and by the amplitude of the EMG alone."""
    from models.metrics.hand_closure import amplitude, closure, session_closure, settled
    from service.cli.gestures import parse

    poses = parse("0=rest,7=fist")
    out = []
    for user, session in dict.fromkeys((t.user, t.session) for t in segments):
        values: list[Float32Array] = []
        loudness: list[Float32Array] = []
        classes = []
        for segment in segments:
            if (segment.user, segment.session) != (user, session) or segment.classes is None:
                continue
            kept = settled(segment.classes) & (segment.classes >= 0)
            kept[:skip] = False
            values.append(closure(predictor(segment), poses[0], poses[7])[kept])
            loudness.append(amplitude(segment.emg, segment.steps)[kept])
            classes.append(segment.classes[kept])
        both = [session_closure(user, session, each, classes) for each in (values, loudness) if each]
        out += [(both[0], both[1])] if len(both) == 2 and both[0] and both[1] else []
    return out


def _closure_summary(sessions: Sequence[SessionClosure]) -> dict[str, float]:
    from models.metrics.hand_closure import over_sessions

    return over_sessions(sessions) if sessions else {}


def _rotation(
    content: bytes, spec: ModelSpec, config: NetworkConfig, segments: Sequence[Segment], cues: Sequence[Segment], asked: Asked,
    degrees: float, mean: Float32Array | None,
) -> dict[str, float]:  # fmt: skip
    """Figures with the band turned this way and that, both together."""
    from models.evaluation.rotations import rotated
    from models.metrics.pose_error import by_user, over_users

    runs: list[EvaluatedSegment] = []
    sessions: list[SessionClosure] = []
    for way in (1.0, -1.0) if degrees else (1.0,):
        turned = [rotated(part, way * degrees, rectified=config.emg_mode == "envelope") for part in (segments, cues)]
        found = _judge(content, spec, turned[0], turned[1], asked)
        runs += found.runs
        sessions += [model for model, _ in found.sessions]
    row = {"degrees": degrees}
    if runs:
        figures = over_users(by_user(runs, mean))
        row |= {key: figures[key] for key in ("mpjpe_mm", "skill", "r2", "mean_pose_mpjpe_mm") if key in figures}
    summary = _closure_summary(sessions)
    return row | {key: summary[key] for key in ("auc_median", "auc_p10") if key in summary}


def _add_gestures(
    out: Evaluation,
    runs: Sequence[EvaluatedSegment],
    segments: Sequence[Segment],
    mean: Float32Array | None,
    asked: Asked,
) -> None:
    from models.metrics.baselines import mean_pose
    from models.metrics.gestures import by_gesture, gestures_left_out

    named = [(run, segment) for run, segment in zip(runs, segments, strict=True) if segment.classes is not None]
    if not named or not asked.gestures:
        raise EvaluateError("no gestures in the data; --split gesture needs sessions with poses and markers")
    unseen, words = gestures_left_out(asked.manifest)
    own = {user: mean_pose([t for t in segments if t.user == user]) for user in {t.user for t in segments}}
    classes = [np.asarray(segment.classes) for _, segment in named]
    out.gestures = by_gesture([run for run, _ in named], classes, asked.gestures, mean, own, unseen)
    out.gestures_note = words


def _calibration(
    segments: Sequence[Segment], config: NetworkConfig, mean: Float32Array | None, asked: Asked
) -> list[dict[str, float]]:
    from models.evaluation.calibration import Tuner, curve
    from models.training.network_file import load

    assert asked.network is not None
    built, card = load(asked.network)
    if (card.config.rate_hz, card.config.emg_mode) != (config.rate_hz, config.emg_mode):
        raise EvaluateError(f"{asked.network}: reads other EMG than the model; give the file it was exported from")
    tuner = Tuner(card.network, built, card.config)
    return curve(tuner, segments, asked.calibrate, mean, asked.skip, asked.note)


def _mean_pose(spec: ModelSpec, known: Sequence[Segment]) -> Float32Array | None:
    from models.metrics.baselines import mean_pose

    if known:
        return mean_pose(known)
    values = spec.validation.get("mean_pose")
    return None if values is None else np.asarray(values, np.float32)


def _baselines(
    segments: Sequence[Segment], known: Sequence[Segment], config: NetworkConfig, mean: Float32Array | None, skip: int
) -> dict[str, Mapping[str, float]]:
    from models.metrics.baselines import BASELINES, per_user_mean_pose
    from models.metrics.pose_error import by_user, over_users
    from models.metrics.predict import constant, judge

    if not segments:
        return {}
    made = {name: fit(known, config) for name, fit in BASELINES.items()} if known else {}
    if mean is not None:
        made |= {"mean pose": constant(mean)}
    made |= {"user's own mean pose": per_user_mean_pose(segments)}
    return {name: over_users(by_user(list(judge(predictor, segments, skip)), mean)) for name, predictor in made.items()}
