"""`myocast evaluate`: how well a model file does on sessions, beside baselines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.judging import Asked, EvaluateError, evaluate

if TYPE_CHECKING:
    from models.architectures.base import NetworkConfig
    from models.data.segments import Segment
    from models.evaluation.evaluation import Evaluation
    from service.experiments.datasets import Item

SPLITS: Final = ("user", "session", "block", "gesture")
ROTATIONS_DEG: Final = "22.5,45,90"


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The .onnx model file.")],
    data: Annotated[list[str] | None, typer.Option(metavar="PATH...", help="Session files, folders, or synthetic:users=8,sessions=2,seconds=60,seed=1001.")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="More data.")] = None,
    train: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Data to fit the baselines on (ridge, extra trees, nearest neighbour). May be given several times.")] = None,
    split: Annotated[str, typer.Option(metavar="user|session|block|gesture", help="Judge only what `train --split` with the same data would hold out, and fit the baselines on the rest; or tell errors by gesture. Without it, all of --data.")] = "",
    held_out: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share that the split holds out.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Which users the split holds out.")] = 0,
    align: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="Fit the band on this much rest, fist and wrist extension of each session first; it is not judged.")] = 0.0,
    rotations: Annotated[str, typer.Option(metavar="DEG,DEG", help=f"Judge with the band turned by these angles as well, both ways ({ROTATIONS_DEG}).")] = "",
    smooth: Annotated[list[str] | None, typer.Option(metavar="MINCUTOFF,BETA[,STAGES]", help="Judge with a One Euro filter after the model as well: Hz, Hz per mm/s, and how many low-passes stand behind each other (2,0.02 or 2,0.02,2). May be given several times.")] = None,
    calibrate: Annotated[str, typer.Option(metavar="SECONDS,SECONDS", help="Tune the last two layers on this much labelled data of each user (0,30,60,120); needs the .keras file.")] = "",
    network: Annotated[Path | None, typer.Option(metavar="FILE", help="The .keras file that MODEL was exported from; without it MODEL's name with .keras.")] = None,
    manifest: Annotated[Path | None, typer.Option(metavar="FILE", help="The training's manifest.json, which says what gestures it left out; without it the one in MODEL's .run folder.")] = None,
    skip: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="Not judged at the start of each run, for all that are compared.")] = 1.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads for --calibrate; default all.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON; - prints them.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a report with figures.")] = None,
) -> None:  # fmt: skip
    """Judge a model on data it was not trained on. Say which split that is when you quote the figures."""
    from models.onnx_file import read_spec
    from models.smoothing import OneEuroConfig
    from service.experiments.datasets import items
    from service.experiments.keras_setup import prepare_keras

    if split not in ("", *SPLITS):
        raise typer.BadParameter(f"expected one of {', '.join(SPLITS)}, got {split!r}", param_hint="--split")
    asked = Asked(
        align=align,
        skip=round(skip * 50),
        rotations=_numbers(rotations, "--rotations", ROTATIONS_DEG),
        smoothing=[OneEuroConfig.parse(text) for text in smooth or ()],
        calibrate=sorted(set(_numbers(calibrate, "--calibrate", "0,30,60,120", least=0.0))),
        network=_network(model, network) if calibrate else None,
        manifest=manifest or model.with_suffix(".run") / "manifest.json",
        note=lambda text: typer.echo(f"calibrated: {text}", err=True),
    )
    found = items([*(data or []), *(more or [])])
    content = _bytes(model)
    spec = read_spec(content, model.name)
    prepare_keras(threads, keras=bool(calibrate))
    from models.architectures.base import NetworkConfig
    from service.experiments.training_data import calibrations, load_segments

    config = NetworkConfig(spec.rate_hz, spec.emg_mode if spec.emg_mode != "any" else "raw")
    names: list[str] = []
    segments = (
        list(_named_segments(found, config, names)) if split == "gesture" else load_segments(found, config, "", _quiet)
    )
    if not segments:
        raise EvaluateError("no EMG in the data; give sessions with samples")
    words = _split(len(found), segments)
    known = load_segments(items(train), config, "", _quiet) if train else []
    if split in ("user", "session", "block"):
        from models.data.splits import split as divide

        parts = divide(segments, split, held_out, seed)
        segments, known, words = list(parts.held_out), known or list(parts.train), f"held out by {split} from {words}"
    asked = replace(asked, split=words, gestures=names if split == "gesture" else None)
    cues = calibrations(found, align, config) if align else []
    _show(evaluate(content, spec, config, segments, known, cues, asked), json_file, report)


def _named_segments(found: Sequence[Item], config: NetworkConfig, names: list[str]) -> Iterator[Segment]:
    """Segments whose class labels are the gestures of the sessions' markers."""
    from models.data.segments import segments_of
    from models.metrics.gestures import label_by_markers
    from service.experiments.datasets import read

    for recording in read(found, config.emg_mode, config.rate_hz):
        yield from segments_of([label_by_markers(recording, names)], config)


def _numbers(text: str, option: str, example: str, least: float = -360.0) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        found = [least - 1.0]
    if not all(least <= number <= 3600.0 for number in found):
        raise typer.BadParameter(f"expected numbers such as {example}, got {text!r}", param_hint=option)
    return found


def _network(model: Path, network: Path | None) -> Path:
    path = network or model.with_suffix(".keras")
    if not path.exists():
        raise EvaluateError(f"{path}: no such file; --calibrate tunes a .keras file, give it with --network")
    return path


def _quiet(name: str, total: int) -> None:
    """Nobody watches."""


def _split(recordings: int, segments: Sequence[Segment]) -> str:
    from service.experiments.training_data import kind_of

    return f"{recordings} {kind_of(segments)} recordings, as given with --data"


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
    from models.evaluation.report_tables import tables

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
    for key in ("auc_median", "auc_p10"):
        if key in evaluation.closure_baseline:
            table.add_row(f"baseline: EMG amplitude, {key}", f"{evaluation.closure_baseline[key]:.3f}", "")
    console.print(table)
    for part in tables(evaluation):
        more = Table(*part.columns, title=part.title, caption=part.note)
        for row in part.rows:
            more.add_row(*row)
        console.print(more)


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
