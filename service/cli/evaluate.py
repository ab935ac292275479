"""`myocast evaluate`: how well a model file does on sessions, beside baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from models.errors import MyocastError
from models.filter_config import OneEuroConfig
from service.cli.progress import reading_bar
from service.cli.tables import print_table
from service.experiments.datasets import items
from service.experiments.keras_setup import prepare_keras

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.evaluation.report_tables import Table

SPLITS: Final = ("user", "session", "block", "gesture")
ROTATIONS_DEG: Final = "22.5,45,90"
STEPS_PER_SECOND: Final = 50


class FigureFileError(MyocastError):
    """`--json` into a file that cannot be written."""


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The .onnx model file.")],
    data: Annotated[list[str] | None, typer.Option(metavar="PATH...", help="Session files, folders, or synthetic:users=8,sessions=2,seconds=60,seed=1001.")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="More data.")] = None,
    train: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Data to fit the baselines on (ridge, extra trees, nearest neighbour). May be given several times.")] = None,
    split: Annotated[str, typer.Option(metavar="user|session|block|gesture", help="Evaluate only what `train --split` with the same data would hold out, and fit the baselines on the rest; or tell errors by gesture. Without it, all of --data.")] = "",
    held_out: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share that the split holds out.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Which users the split holds out.")] = 0,
    align: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="Fit the band on this much rest, fist and wrist extension of each session first; it is not evaluated.")] = 0.0,
    rotations: Annotated[str, typer.Option(metavar="DEG,DEG", help=f"Evaluate with the band turned by these angles as well, both ways ({ROTATIONS_DEG}).")] = "",
    smooth: Annotated[list[str] | None, typer.Option(metavar="MINCUTOFF,BETA[,STAGES]", help="Evaluate with a One Euro filter after the model as well: Hz, Hz per mm/s of a fingertip, and how many low-passes stand behind each other (7,0.01 or 7,0.01,3). May be given several times. What the model file recommends is evaluated anyway.")] = None,
    protocol: Annotated[str, typer.Option(metavar="emg2pose", help="Tell errors as that benchmark does as well: trajectories of 5 s, mean and SD over users, a hand of default size. Take --split user or session.")] = "",
    calibrate: Annotated[str, typer.Option(metavar="SECONDS,SECONDS", help="Tune the last two layers on this much labelled data of each user (0,30,60,120); needs the .keras file.")] = "",
    network: Annotated[Path | None, typer.Option(metavar="FILE", help="The .keras file that MODEL was exported from; without it MODEL's name with .keras.")] = None,
    manifest: Annotated[Path | None, typer.Option(metavar="FILE", help="The training's manifest.json, which says what gestures it left out; without it the one in MODEL's .run folder.")] = None,
    skip: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="Left out at the start of each run, for all that are compared.")] = 1.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads for --calibrate; default all.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON; - prints them.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a report with figures.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a model file with what was found: the matrix of the one band in --data (--align), the network tuned on the most seconds (--calibrate), the filter with the lag nearest to 0 of those that bring jerk to 3 times the truth's (--smooth), with that lag.")] = None,
) -> None:  # fmt: skip
    """Evaluate a model on data it was not trained on. Say which split that is when you quote the figures."""
    if split not in ("", *SPLITS):
        raise typer.BadParameter(f"expected one of {', '.join(SPLITS)}, got {split!r}", param_hint="--split")
    if protocol not in ("", "emg2pose"):
        raise typer.BadParameter(f"expected emg2pose, got {protocol!r}", param_hint="--protocol")
    angles = _numbers(rotations, "--rotations", ROTATIONS_DEG)
    filters = [OneEuroConfig.parse(text) for text in smooth or ()]
    seconds = sorted(set(_numbers(calibrate, "--calibrate", "0,30,60,120", least=0.0)))
    _check_beside(network, manifest, threads, calibrate, split)
    sessions, training = items([*(data or []), *(more or [])]), items(train) if train else []
    prepare_keras(threads, keras=bool(calibrate))
    from service.experiments import evaluation as experiment

    config = experiment.FileEvaluationConfig(
        model=model,
        data=sessions,
        training=training,
        split=split,
        held_out=held_out,
        seed=seed,
        align_s=align,
        skip=round(skip * STEPS_PER_SECOND),
        rotations_deg=angles,
        smoothing=filters,
        protocol=bool(protocol),
        calibrate_s=seconds,
        network=network,
        manifest=manifest,
        out=out,
    )
    with reading_bar() as reading:
        evaluation = experiment.evaluate_file(config, lambda user: _note(f"calibrated: {user}"), reading, _note)
    text = json.dumps(evaluation.to_json(), indent=1)
    if json_file is not None and str(json_file) != "-":
        _write(json_file, text)
    if report is not None:
        typer.echo(f"report: {experiment.write_report(evaluation, report)}", err=True)
    if str(json_file) == "-":
        typer.echo(text)
    else:
        _print(f"{evaluation.title}: {evaluation.split}", experiment.console_tables(evaluation))


def _check_beside(network: Path | None, manifest: Path | None, threads: int | None, calibrate: str, split: str) -> None:
    """Refuse options that mean nothing without another one."""
    for option, value, needed, there in (
        ("--network", network, "--calibrate", bool(calibrate)),
        ("--threads", threads, "--calibrate", bool(calibrate)),
        ("--manifest", manifest, "--split gesture", split == "gesture"),
    ):
        if value is not None and not there:
            raise typer.BadParameter(f"has an effect only with {needed}; leave it out", param_hint=option)


def _note(text: str) -> None:
    typer.echo(text, err=True)


def _numbers(text: str, option: str, example: str, least: float = -360.0) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        found = [least - 1.0]
    if not all(least <= number <= 3600.0 for number in found):
        raise typer.BadParameter(f"expected numbers such as {example}, got {text!r}", param_hint=option)
    return found


def _print(title: str, tables: Sequence[Table]) -> None:
    Console().print(title, highlight=False)
    for table in tables:
        print_table(table.columns, table.rows, title=table.title, caption=table.note)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise FigureFileError(f"{path}: cannot be written ({error.strerror})") from None
