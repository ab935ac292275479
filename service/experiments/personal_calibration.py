"""Fit a model file to one person's labelled sessions, and judge it beside the model as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypedDict

import numpy as np

from models.alignment import Template, fit, template_of_model
from models.arrays import Float32Array, Float64Array
from models.data.any_band import as_model_expects
from models.data.personal_session import KEPT_HZ, cue_levels_of, run_session
from models.data.segments import right_handed
from models.errors import MyocastError
from models.kinematics import points
from models.onnx_edit import read_initializers, rewrite
from models.onnx_file import ALIGNMENT, BONES, CONFIDENCE_PERSONAL, PERSONAL, PERSONAL_LAYERS
from models.personal import apply
from models.personal_confidence import confidence_weights
from models.personal_labels import Labels, bones_of
from models.personal_pairs import PersonalSession, earlier, lag_of, part_of, weighted_statistics_of
from models.recording import Recording
from models.spec import ModelError, ModelSpec
from models.whole_file import write_whole

HELD_BACK: Final = 0.2
"""Share of each session that is not learned from, its end, where no other session is given to test on."""
LEAST_LABELS: Final = 50


class CalibrationError(MyocastError):
    """Sessions that a model cannot be fitted to."""


class WorseError(MyocastError):
    """What was fitted is worse than the model that it began with."""

    exit_code = 1


class PersonalError(TypedDict):
    """How far a model is from labels."""

    angle_mae_deg: float
    """Mean over the labelled angles, degrees."""
    mpjpe_mm: float | None
    """Mean distance of the 20 points beside the wrist; None where labels have no points."""


class BeforeError(PersonalError):
    mean_pose_angle_mae_deg: float
    """Of the mean of the labels that are learned from, as a constant."""


@dataclass(frozen=True, slots=True)
class DeepReport:
    """Layers that were trained beside the closed form."""

    share: float
    """What they count for; the rest is the closed form's. 0: they were not better on the labels that told it."""
    epochs: int
    closed: PersonalError
    """The closed form alone, on the same labels as `Calibration.after`."""
    deep: PersonalError
    """With the layers."""

    @property
    def kept(self) -> bool:
        """Whether the file has the layers: never where the closed form alone is better."""
        return self.share > 0.0 and self.deep["angle_mae_deg"] <= self.closed["angle_mae_deg"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted model and how it was found."""

    content: bytes
    spec: ModelSpec
    seconds: float
    """Labelled seconds that were learned from."""
    labels: int
    lag_s: float
    """Seconds by which the labels were late, the median over the sessions that were learned from."""
    fit_s: float
    before: BeforeError
    after: PersonalError
    notes: tuple[str, ...]
    """What a person should know: sessions that could not be aligned."""
    deep: DeepReport | None = None
    """Where it was asked for."""


@dataclass(slots=True)
class _Fitter:
    """One model's initializers while sessions are run through it."""

    content: bytes
    spec: ModelSpec
    classes: Mapping[int, str] | None
    every_row: bool = False
    """Keep what the network computes at every sample, which layers that look back need."""
    values: dict[str, Float32Array] = field(init=False)
    template: Template | None = None
    """What donnings are aligned to: of the personal model that is fitted further, else of the first donning."""
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.values = read_initializers(self.content)
        if PERSONAL not in self.values:
            raise ModelError(f"{self.spec.name} has no room for a personal fit; export it again with `myocast export`")
        if self.spec.personal:
            self.template = template_of_model(self.spec)

    def run(self, recording: Recording) -> PersonalSession:
        """Run a session, aligned where its cues tell how."""
        recording = as_model_expects(recording, self.spec)
        matrix = self._matrix(recording)
        values = {**self.values, ALIGNMENT: matrix}
        kept_hz = np.inf if self.every_row else KEPT_HZ
        return run_session(self.content, self.spec, values, recording, kept_hz=kept_hz)

    def _matrix(self, recording: Recording) -> Float32Array:
        own = self.values[ALIGNMENT]
        cues = cue_levels_of(right_handed(recording), np.eye(len(own), dtype=np.float32), self.classes)
        if cues is None:
            return own
        if self.template is None:
            self.template = _template({cue: np.maximum(level @ own, 0.0) for cue, level in cues.items()})
            return own
        found = fit(cues, self.template)
        self.notes.append(
            f"{recording.name}: band turned by {found.turn * 45:.0f} degrees against the first session; undone"
        )
        return found.matrix()


def calibrate(
    content: bytes,
    spec: ModelSpec,
    base: tuple[str, str],
    sessions: Sequence[Recording],
    tests: Sequence[Recording] = (),
    *,
    classes: Mapping[int, str] | None = None,
    deep: bool = False,
    note: Callable[[int, float], None] = lambda epoch, error: None,
) -> Calibration:
    """Fit a model to one person.

    Args:
        content: the model file.
        spec: its specification.
        base: its name and SHA-256, which the new file states.
        sessions: with labels; each may be another donning, aligned to the first by its cues.
        tests: sessions to judge on; without any, the last fifth of each session is held back.
        classes: class label -> cue, for sessions whose classes are cues.
        deep: train layers as well, in minutes (after `prepare_keras`); they are kept where they are better.
        note: called after each of their epochs with its number and the error that says when to stop, radians.

    Raises:
        CalibrationError: too few labels.
        ModelError: the model has no room for a person, or does not fit a session.
        DataError: a session cannot be brought to the model's rate.
    """
    fitter = _Fitter(content, spec, classes, every_row=deep)
    if deep and any(name.startswith(PERSONAL_LAYERS) for name in fitter.values):
        raise ModelError(f"{spec.name} has layers of a person already; begin with the model that it was made from")
    runs = [fitter.run(recording) for recording in sessions]
    if fitter.template is None:
        fitter.notes.append(
            "no session has cues (rest and a movement): they count as one donning, and the new model has nothing to "
            "align another donning to"
        )
    share = 1.0 if tests else 1.0 - HELD_BACK
    head, learned = fitter.values[PERSONAL], [part_of(run, 0.0, share) for run in runs]
    judged = [fitter.run(recording) for recording in tests] if tests else [part_of(run, share, 1.0) for run in runs]
    known = sum(len(run.labels.t) for run in learned)
    if min(known, sum(len(run.labels.t) for run in judged)) < LEAST_LABELS:
        raise CalibrationError(
            f"{known} labels to learn from, expected at least {LEAST_LABELS}; "
            "give sessions with labels (`myocast info` shows them)"
        )
    started = time.perf_counter()
    lags = [lag_of(run) for run in learned]
    learned = [earlier(run, lag) for run, lag in zip(learned, lags, strict=True)]
    # What is judged on has a clock of its own where it is another recording.
    judged_lags = [lag_of(run) for run in judged] if tests else lags
    judged = [earlier(run, lag) for run, lag in zip(judged, judged_lags, strict=True)]
    statistics = weighted_statistics_of(learned, head)
    found = statistics.solve()
    bones = _bones([run.labels for run in learned], fitter.values[BONES])
    changed = {BONES: bones}
    weights = confidence_weights(learned, head)
    if weights is not None:
        changed[CONFIDENCE_PERSONAL] = weights
    fit_s = time.perf_counter() - started
    about = {
        "seconds": round(statistics.seconds, 2),
        "labels": statistics.rows,
        "base": base[0],
        "base_sha256": base[1],
        "bones_mm": [round(float(length), 2) for length in bones],
    }
    fitted = _Fitted(
        content,
        replace(spec, personal=about, alignment=_alignment(fitter)),
        np.asarray(head + found, np.float32),
        bones,
        _errors_of(judged, np.asarray(head + found, np.float32), bones),
    )
    report = None
    if deep:
        report, fitted = _deepen(fitted, learned, judged, head, found, note)
    mean = _mean_angles([run.labels.angles for run in learned])
    return Calibration(
        content=rewrite(fitted.content, {**changed, PERSONAL: fitted.personal}, fitted.spec),
        spec=fitted.spec,
        seconds=statistics.seconds,
        labels=statistics.rows,
        lag_s=float(np.median(lags)),
        fit_s=fit_s,
        before={
            **_errors_of(judged, head),
            "mean_pose_angle_mae_deg": _angle_error(judged, [mean for _ in judged]),
        },
        after=fitted.error,
        notes=tuple(fitter.notes),
        deep=report,
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What a model file is made of."""

    content: bytes
    spec: ModelSpec
    personal: Float32Array
    bones: Float32Array
    error: PersonalError


def _deepen(
    fitted: _Fitted,
    learned: Sequence[PersonalSession],
    judged: Sequence[PersonalSession],
    head: Float32Array,
    found: Float32Array,
    note: Callable[[int, float], None],
) -> tuple[DeepReport, _Fitted]:
    """Train layers; the fitted model has them where they are better than the closed form."""
    from service.experiments.personal_layers import deepen

    layers = deepen(learned, head, fitted.spec.rate_hz, note)
    if layers is None:
        return DeepReport(0.0, 0, fitted.error, fitted.error), fitted
    personal = np.asarray(head + (1.0 - layers.share) * found, np.float32)
    error = _errors_of([layers.run(session, fitted.spec.rate_hz) for session in judged], personal, fitted.bones)
    report = DeepReport(layers.share, layers.epochs, fitted.error, error)
    if not report.kept:
        return report, fitted
    content, apart = layers.content(fitted.content)
    spec = replace(
        fitted.spec,
        parameters=fitted.spec.parameters + int(layers.layers.count_params()),
        personal={**(fitted.spec.personal or {}), "layers": {"kind": "gru", "share": layers.share}},
        parity_max_abs_mm=max(apart, fitted.spec.parity_max_abs_mm or 0.0),
    )
    return report, _Fitted(content, spec, personal, fitted.bones, error)


def write_model(calibration: Calibration, path: Path) -> None:
    """Write the fitted model; the file appears complete or not at all.

    Raises:
        WorseError: it is worse than the model that it began with; nothing is written.
        CalibrationError: it cannot be written.
    """
    before, after = calibration.before["angle_mae_deg"], calibration.after["angle_mae_deg"]
    if not after <= before:
        raise WorseError(
            f"nothing was written: after the fit the angles are off by {after:.2f} degrees, before by {before:.2f}; "
            "record more labels"
        )
    try:
        write_whole(path, calibration.content)
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be written ({error.strerror})") from None


def _template(cues: Mapping[str, Float64Array]) -> Template:
    return Template({cue: tuple(round(float(value), 3) for value in level) for cue, level in cues.items()})


def _alignment(fitter: _Fitter) -> Mapping[str, Mapping[str, list[float]]] | None:
    """The template of the new file; None where no session had cues, so that nobody aligns to another donning's."""
    if fitter.template is None:
        return None
    return {"cues": {cue: list(level) for cue, level in fitter.template.levels.items()}}


def _bones(labels: Sequence[Labels], known: Float32Array) -> Float32Array:
    """Median over the sessions that show points; the model's own without any."""
    found = [bones for one in labels if (bones := bones_of(one)) is not None]
    return np.asarray(np.median(found, axis=0), np.float32) if found else known


def _mean_angles(angles: Sequence[Float32Array]) -> Float32Array:
    """(20,) mean of the labels, 0 where an angle has none."""
    known = np.concatenate(angles)
    count = np.isfinite(known).sum(axis=0)
    return np.asarray(np.nansum(known, axis=0) / np.maximum(count, 1), np.float32)


def _errors_of(runs: Sequence[PersonalSession], head: Float32Array, bones: Float32Array | None = None) -> PersonalError:
    """Errors of the model with this head; without `bones`, of its poses as they are."""
    angles = [apply(run.x, run.shipped, head) for run in runs]
    error = _angle_error(runs, angles)
    apart = []
    for run, bent in zip(runs, angles, strict=True):
        if run.labels.joints is not None:
            row = run.rows(run.labels.t)
            used = (row >= 0) & np.isfinite(run.labels.joints).all(axis=(1, 2))
            pose = points(bent[row[used]], bones) if bones is not None else _poses(run)[row[used]]
            apart.append(np.linalg.norm(pose - run.labels.joints[used], axis=-1)[:, 1:])
    return {
        "angle_mae_deg": error,
        "mpjpe_mm": float(np.concatenate(apart).mean()) if sum(map(len, apart)) else None,
    }


def _poses(run: PersonalSession) -> Float32Array:
    assert run.pose is not None
    return run.pose


def _angle_error(runs: Sequence[PersonalSession], angles: Sequence[Float32Array]) -> float:
    """Mean absolute error in degrees over labelled angles; `angles` has (20,) or a row for each of the run's."""
    apart = []
    for run, bent in zip(runs, angles, strict=True):
        row = run.rows(run.labels.t)
        used = row >= 0
        off = np.abs((bent[row[used]] if bent.ndim == 2 else bent) - run.labels.angles[used])
        apart.append(off[np.isfinite(off)])
    found = np.concatenate(apart)
    if not len(found):
        raise CalibrationError("no label lies where there is EMG; check that both have the same clock")
    return float(np.rad2deg(found.mean()))
