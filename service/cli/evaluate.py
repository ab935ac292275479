"""`myocast evaluate`: how well a model file does on sessions, beside baselines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from models.errors import MyocastError

if TYPE_CHECKING:
    from models.architectures.base import Setting
    from models.evaluation.closure import SessionClosure
    from models.evaluation.metrics import Judged
    from models.evaluation.predict import Predictor
    from models.evaluation.report import Evaluation
    from models.hand import Floats
    from models.spec import ModelSpec
    from models.training.tracks import Track


class EvaluateError(MyocastError):
    """Data or a model that cannot be judged."""


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The .onnx model file.")],
    data: Annotated[list[str] | None, typer.Option(metavar="PATH...", help="Session files, folders, or synthetic:users=8,sessions=2,seconds=60,seed=1001.")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="More data.")] = None,
    train: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Data to fit the baselines on (ridge, extra trees, nearest neighbour). May be given several times.")] = None,
    align: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="Fit the band on this much rest, fist and wrist extension of each session first; it is not judged.")] = 0.0,
    skip: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="Not judged at the start of each run, for all that are compared.")] = 1.0,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON; - prints them.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a report with figures.")] = None,
) -> None:  # fmt: skip
    """Judge a model on data it was not trained on. Say which split that is when you quote the figures."""
    from models.onnx_file import read_spec
    from service.cli.datasets import items
    from service.cli.keras_setup import prepare_keras

    found = items([*(data or []), *(more or [])])
    content = _bytes(model)
    spec = read_spec(content, model.name)
    prepare_keras(keras=False)
    from models.architectures.base import Setting
    from service.cli.train import calibrations, load_tracks

    setting = Setting(spec.rate_hz, spec.emg_mode if spec.emg_mode != "any" else "raw")
    tracks = load_tracks(found, setting, "", lambda name, total: None)
    if not tracks:
        raise EvaluateError("no EMG in the data; give sessions with samples")
    known = load_tracks(items(train), setting, "", lambda name, total: None) if train else []
    asked = calibrations(found, align, setting) if align else []
    evaluation = evaluate(
        content, spec, setting, tracks, known, asked, align, round(skip * 50), _split(len(found), tracks)
    )
    _show(evaluation, json_file, report)


def evaluate(
    content: bytes, spec: ModelSpec, setting: Setting, tracks: Sequence[Track], known: Sequence[Track], asked: Sequence[Track],
    align: float, skip: int, split: str,
) -> Evaluation:  # fmt: skip
    """All figures of a model on tracks: poses where there is a truth, closure where there are class labels."""
    from models.evaluation.metrics import by_user, over_users
    from models.evaluation.predict import judge
    from models.evaluation.report import Evaluation

    skip = max(skip, spec.window // setting.decimation - 1)
    runs: list[Judged] = []
    sessions: list[SessionClosure] = []
    for predictor, group in _predictors(content, spec, tracks, asked, align):
        runs += [run for run in judge(predictor, [t for t in group if t.weight.any()], skip) if run.valid.any()]
        sessions += _closures(predictor, [t for t in group if not t.weight.any()], skip)
    if not runs and not sessions:
        raise EvaluateError(
            "nothing to judge by: the data has neither poses nor the class labels of rest, fist and wrist gestures"
        )
    mean = _mean_pose(spec, known)
    users = by_user(runs, mean)
    return Evaluation(
        title=f"{spec.name} ({spec.architecture}, {spec.parameters:,} parameters)",
        split=split + (f", each band aligned on {align:g} s" if align else ""),
        figures=over_users(users) if users else {},
        users=users,
        baselines=_baselines([t for t in tracks if t.weight.any()], known, setting, mean, skip),
        closure=_closure_summary(sessions),
        runs=runs,
    )


def judged_by_file(content: bytes, spec: ModelSpec, setting: Setting, tracks: Sequence[Track]) -> dict[str, float]:
    """Figures over users of a model file; the first second and the first window of each run are left out."""
    from models.evaluation.metrics import by_user, over_users
    from models.evaluation.predict import from_onnx, judge

    skip = max(50, spec.window // setting.decimation - 1)
    return over_users(by_user(list(judge(from_onnx(onnx_session(content), spec), tracks, skip)), _mean_pose(spec, [])))


def _predictors(
    content: bytes, spec: ModelSpec, tracks: Sequence[Track], asked: Sequence[Track], align: float
) -> Iterator[tuple[Predictor, Sequence[Track]]]:
    """A predictor for each donning, aligned if asked for, and the tracks it is judged on."""
    from models.evaluation.predict import from_onnx

    if not align:
        yield from_onnx(onnx_session(content), spec), tracks
        return
    from exporters.align import with_alignment
    from models.alignment import Template
    from models.evaluation.bands import band_fit, split_cues

    levels = spec.validation.get("template")
    if not levels:
        raise EvaluateError(
            f"{spec.name} carries no template to align to; train it on data with rest, fist and extension"
        )
    template = Template({cue: tuple(values) for cue, values in levels.items()})
    for key in dict.fromkeys((t.user, t.session) for t in tracks):
        cues, rest = split_cues([t for t in tracks if (t.user, t.session) == key], align)
        cues = cues or split_cues([t for t in asked if (t.user, t.session) == key], align)[0]
        if len(cues) > 1:
            content_here = with_alignment(content, band_fit(cues, template).matrix())
            yield from_onnx(onnx_session(content_here), spec), rest


def onnx_session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _closures(predictor: Predictor, tracks: Sequence[Track], skip: int) -> list[SessionClosure]:
    from models.evaluation.closure import closure, session_closure, settled
    from service.cli.gestures import parse

    poses = parse("0=rest,7=fist")
    out = []
    for user, session in dict.fromkeys((t.user, t.session) for t in tracks):
        values: list[Floats] = []
        classes = []
        for track in tracks:
            if (track.user, track.session) != (user, session) or track.classes is None:
                continue
            kept = settled(track.classes) & (track.classes >= 0)
            kept[:skip] = False
            values.append(closure(predictor(track), poses[0], poses[7])[kept])
            classes.append(track.classes[kept])
        one = session_closure(user, session, values, classes) if values else None
        out += [one] if one else []
    return out


def _closure_summary(sessions: Sequence[SessionClosure]) -> dict[str, float]:
    from models.evaluation.closure import over_sessions

    return over_sessions(sessions) if sessions else {}


def _mean_pose(spec: ModelSpec, known: Sequence[Track]) -> Floats | None:
    from models.evaluation.baselines import mean_pose

    if known:
        return mean_pose(known)
    values = spec.validation.get("mean_pose")
    return None if values is None else np.asarray(values, np.float32)


def _baselines(
    tracks: Sequence[Track], known: Sequence[Track], setting: Setting, mean: Floats | None, skip: int
) -> dict[str, Mapping[str, float]]:
    from models.evaluation.baselines import BASELINES, users_own
    from models.evaluation.metrics import by_user, over_users
    from models.evaluation.predict import constant, judge

    if not tracks:
        return {}
    made = {name: fit(known, setting) for name, fit in BASELINES.items()} if known else {}
    if mean is not None:
        made |= {"mean pose": constant(mean)}
    made |= {"user's own mean pose": users_own(tracks)}
    return {name: over_users(by_user(list(judge(predictor, tracks, skip)), mean)) for name, predictor in made.items()}


def _split(sessions: int, tracks: Sequence[Track]) -> str:
    made = {track.synthetic for track in tracks}
    kind = "real and synthetic" if len(made) == 2 else "synthetic" if True in made else "real"
    return f"{sessions} {kind} recordings, as given with --data"


def _show(evaluation: Evaluation, json_file: Path | None, report: Path | None) -> None:
    from models.evaluation.report import write

    if json_file is not None:
        text = json.dumps(evaluation.to_json(), indent=1)
        if str(json_file) == "-":
            typer.echo(text)
        else:
            _write(json_file, text)
    if report is not None:
        typer.echo(f"report: {write(evaluation, report)}", err=True)
    if json_file is None or str(json_file) != "-":
        _table(evaluation)


def _table(evaluation: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    from models.evaluation.report import MAIN

    console = Console()
    console.print(f"{evaluation.title}: {evaluation.split}", highlight=False)
    table = Table("figure", "mean over users", "SD")
    for key, label, unit in MAIN:
        if key in evaluation.figures:
            spread = evaluation.figures.get(f"{key}_sd")
            table.add_row(label, f"{evaluation.figures[key]:.2f} {unit}", "" if spread is None else f"{spread:.2f}")
    for name, figures in evaluation.baselines.items():
        table.add_row(f"baseline: {name}, MPJPE", f"{figures['mpjpe_mm']:.2f} mm", f"{figures['mpjpe_mm_sd']:.2f}")
    for key, value in evaluation.closure.items():
        table.add_row(f"closure, real people: {key}", f"{value:.3f}", "")
    console.print(table)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvaluateError(f"{path}: cannot be read ({error.strerror}); give a .onnx model file") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise EvaluateError(f"{path}: cannot be written ({error.strerror})") from None
