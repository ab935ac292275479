"""All figures of a model file on segments, beside baselines, in the ways that `EvaluationConfig` selects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.architectures.base import NetworkConfig
from models.arrays import Float32Array
from models.data.segments import Segment
from models.evaluation.evaluation import Evaluation
from models.evaluation.passes import (
    SKIP,
    EvaluationError,
    EvaluationPass,
    closure_summary,
    evaluation_pass,
    first_step,
)
from models.evaluation.rotations import rotated
from models.filter_config import OneEuroConfig
from models.metrics import emg2pose
from models.metrics.baselines import baseline_figures, known_mean_pose, mean_pose
from models.metrics.gestures import GestureRow, by_gesture
from models.metrics.pose_error import by_user, over_users
from models.metrics.smoothness import smoothed
from models.spec import ModelSpec

Calibrate = Callable[[Sequence[Segment], "Float32Array | None", int], Sequence[Mapping[str, float]]]
"""Segments with poses, the mean pose (63,) of the training data and the first step that counts -> rows of
`calibration.curve`."""


@dataclass(frozen=True, slots=True)
class EvaluationData:
    """What a model is evaluated on."""

    segments: Sequence[Segment]
    description: str = ""
    """What they are, in words."""
    training: Sequence[Segment] = ()
    """To fit baselines on."""
    cues: Sequence[Segment] = ()
    """Rest, fist and wrist extension of the same donnings, where `segments` do not hold them."""
    gestures: Sequence[str] | None = None
    """Names of the class labels of `segments`, where errors are reported by gesture."""
    left_out: frozenset[str] | None = None
    """Gestures that the model was not trained on; None = not known."""
    left_out_note: str = ""
    """The same in words."""


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """What is measured beside the figures on all segments, and how."""

    align_s: float = 0.0
    """Seconds of cues that each band is aligned on first."""
    skip: int = SKIP
    """Steps at the start of each segment that are not evaluated."""
    rotations_deg: Sequence[float] = ()
    """Angles by which the band is rotated as well."""
    smoothing: Sequence[OneEuroConfig] = ()
    calibrate: Calibrate | None = None
    """Tunes the network on labelled seconds of each user."""
    protocol: bool = False
    """Tell errors as the benchmark of emg2pose does, too."""


def evaluate(content: bytes, spec: ModelSpec, data: EvaluationData, config: EvaluationConfig) -> Evaluation:
    """All figures of a model: poses where there is a truth, closure where there are class labels.

    Args:
        content: of the model file.
        spec: its specification.
        data: in the model's rate and mode.
        config: what else is measured.

    Raises:
        EvaluationError: there is nothing to measure by.
    """
    config = replace(config, skip=first_step(spec, config.skip))
    found = _pass(content, spec, data, config)
    if not found.runs and not found.closures:
        raise EvaluationError(_nothing_found(found, data, config))
    mean = mean_pose(data.training) if data.training else known_mean_pose(spec)
    posed = [segment for segment in data.segments if segment.weight.any()]
    out = _summary(found, spec, data, config, mean)
    out.baselines = baseline_figures(posed, data.training, NetworkConfig.of(spec), mean, config.skip)
    if config.rotations_deg:
        out.rotations = _rotations(content, spec, data, config, mean, out.baselines)
    filters = _filters(config.smoothing, spec)
    if filters and found.runs:
        out.smoothing = [smoothed(found.runs, one) for one in (None, *filters)]
        if spec.recommended_filter is not None:
            out.served = out.smoothing[1 + filters.index(spec.recommended_filter)]
    if config.protocol:
        out.protocol = emg2pose.rows(found.runs, mean)
    if data.gestures is not None:
        out.gestures, out.gestures_note = _by_gesture(found, data, mean), data.left_out_note
    if config.calibrate is not None:
        out.calibration = config.calibrate(posed, mean, config.skip)
    return out


def _nothing_found(found: EvaluationPass, data: EvaluationData, config: EvaluationConfig) -> str:
    """Why there is nothing to measure by, and what to do."""
    if config.align_s and not found.bands:
        return (
            "--align found no cues: no session has the class labels 0 (rest), 7 (fist) and 2 (wrist extension); leave "
            "--align out, or give sessions with them"
        )
    if any(segment.bent for segment in data.segments):
        return (
            "the labels of the data are angles, and errors are told in points; judge by angles with "
            "`myocast calibrate`, which says how far the model is off before and after"
        )
    return (
        "nothing to evaluate against: the data has no true poses, and no session with the class labels 0 (rest), "
        "7 (fist) and any other (wrist gestures)"
    )


def _filters(asked: Sequence[OneEuroConfig], spec: ModelSpec) -> list[OneEuroConfig]:
    """The filters that are measured: those asked for, and the one that `serve` puts behind this model."""
    served = spec.recommended_filter
    return [*asked, *([] if served is None or served in asked else [served])]


def _pass(content: bytes, spec: ModelSpec, data: EvaluationData, config: EvaluationConfig) -> EvaluationPass:
    return evaluation_pass(content, spec, data.segments, data.cues, align_s=config.align_s, skip=config.skip)


def _summary(
    found: EvaluationPass, spec: ModelSpec, data: EvaluationData, config: EvaluationConfig, mean: Float32Array | None
) -> Evaluation:
    users = by_user(found.runs, mean)
    aligned = f", each band aligned on {config.align_s:g} s" if config.align_s else ""
    return Evaluation(
        title=f"{spec.name} ({spec.architecture}, {spec.parameters:,} parameters)",
        split=data.description + aligned,
        figures=over_users(users) if users else {},
        users=users,
        closure=closure_summary([each.model for each in found.closures]),
        closure_baseline=closure_summary([each.amplitude for each in found.closures]),
        sessions=[each.model for each in found.closures],
        bands=found.bands,
        matrices=found.matrices,
        false_alarms=[{"time": kind, **alarms.row()} for kind, alarms in found.alarms.items()],
        runs=found.runs,
    )


def _rotations(
    content: bytes,
    spec: ModelSpec,
    data: EvaluationData,
    config: EvaluationConfig,
    mean: Float32Array | None,
    baselines: Mapping[str, Mapping[str, float]],
) -> list[dict[str, float]]:
    """One row for each angle, the band as it was worn first."""
    own = baselines.get("user's own mean pose", {}).get("mpjpe_mm")
    beside = {} if own is None else {"user_mean_mpjpe_mm": own}
    angles = sorted({0.0, *config.rotations_deg})
    return [_rotation(content, spec, data, config, mean, degrees) | beside for degrees in angles]


def _rotation(
    content: bytes,
    spec: ModelSpec,
    data: EvaluationData,
    config: EvaluationConfig,
    mean: Float32Array | None,
    degrees: float,
) -> dict[str, float]:
    """Figures with the band rotated by an angle either way, both together."""
    both = EvaluationPass()
    rectified = NetworkConfig.of(spec).emg_mode == "envelope"
    for sign in (1.0, -1.0) if degrees else (1.0,):
        segments, cues = (rotated(part, sign * degrees, rectified=rectified) for part in (data.segments, data.cues))
        found = _pass(content, spec, replace(data, segments=segments, cues=cues), config)
        both.runs += found.runs
        both.closures += found.closures
    figures = over_users(by_user(both.runs, mean)) if both.runs else {}
    row = {"degrees": degrees}
    row |= {key: figures[key] for key in ("mpjpe_mm", "skill", "r2", "mean_pose_mpjpe_mm") if key in figures}
    summary = closure_summary([each.model for each in both.closures])
    return row | {key: summary[key] for key in ("auc_median", "auc_p10") if key in summary}


def _by_gesture(found: EvaluationPass, data: EvaluationData, mean: Float32Array | None) -> list[GestureRow]:
    named = [
        (run, np.asarray(segment.classes))
        for run, segment in zip(found.runs, found.segments, strict=True)
        if segment.classes is not None
    ]
    if not named or not data.gestures:
        raise EvaluationError("no gestures in the data; --split gesture needs sessions with poses and markers")
    users = {segment.user for segment in found.segments}
    own = {user: mean_pose([one for one in found.segments if one.user == user]) for user in users}
    runs, classes = [run for run, _ in named], [labels for _, labels in named]
    return by_gesture(runs, classes, data.gestures, mean, own, data.left_out)
