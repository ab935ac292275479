"""`myocast calibrate`: a model file fitted to one person's labelled sessions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.alignment import CUE_NAMES
from service.cli.arguments import session_file
from service.experiments.keras_setup import prepare_keras

if TYPE_CHECKING:
    from service.experiments.personal_calibration import Calibration, DeepReport


def command(
    model: Annotated[Path, typer.Option(metavar="FILE", help="The model to begin with; a personal one is fitted further.")],
    session: Annotated[list[Path], typer.Option(metavar="SESSION", parser=session_file, help="A session with labels. May be given several times: other donnings are aligned to the first by their cues.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The personal model file to write.")],
    test: Annotated[list[Path] | None, typer.Option(metavar="SESSION", parser=session_file, help="A session to judge on; without any, the last fifth of each --session. May be given several times.")] = None,
    cues: Annotated[str, typer.Option(metavar="CUE=CLASS,...", help="Cues among class labels (rest=0,fist=7,extension=2); without it markers named after cues tell them.")] = "",
    deep: Annotated[bool, typer.Option("--deep", help="Train layers that look back as well, in minutes; they are kept where they are better.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:  # fmt: skip
    """Fit a model to one person in seconds, and judge it on labels that it has not seen."""
    classes = parse_cues(cues)
    if out.suffix != ".onnx":
        raise typer.BadParameter(f"{out}: a model file ends in .onnx", param_hint="--out")
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"{out.parent}: no such folder", param_hint="--out")
    if out.exists():
        raise typer.BadParameter(
            f"{out}: exists already, and models are never overwritten; choose another name", param_hint="--out"
        )
    from drivers.sessions import read_session
    from service.engine.predictor import ModelFile
    from service.experiments.personal_calibration import calibrate, write_model

    if deep:
        prepare_keras()
    base = ModelFile(model)
    found = calibrate(
        base.data,
        base.spec,
        (model.name, base.sha256),
        [read_session(path) for path in session],
        [read_session(path) for path in test or ()],
        classes=classes,
        deep=deep,
        note=lambda epoch, error: typer.echo(f"epoch {epoch}: {math.degrees(error):.1f} degrees", err=True),
    )
    write_model(found, out)
    if as_json:
        typer.echo(json.dumps(as_document(found, out)))
    else:
        _print(found, out)


def parse_cues(text: str) -> dict[int, str] | None:
    """Read `rest=0,fist=7` as class -> cue; None where nothing was given.

    Raises:
        typer.BadParameter: it is something else.
    """
    if not text:
        return None
    found: dict[int, str] = {}
    for part in text.split(","):
        cue, equals, label = part.strip().partition("=")
        if not equals or cue not in CUE_NAMES or not label.lstrip("-").isdecimal():
            raise typer.BadParameter(
                f"expected CUE=CLASS such as rest=0,fist=7,extension=2 with cues of {', '.join(CUE_NAMES)}, got {part!r}",
                param_hint="--cues",
            )
        found[int(label)] = cue
    return found


def as_document(found: Calibration, out: Path) -> Mapping[str, object]:
    """The figures of the contract (docs/protocol.md#the-command-line)."""
    return {
        "seconds": round(found.seconds, 2),
        "fit_s": round(found.fit_s, 3),
        "before": _rounded(found.before),
        "after": _rounded(found.after),
        "out": str(out),
        "labels": found.labels,
        "lag_ms": round(found.lag_s * 1000),
        **({} if found.deep is None else {"deep": _deep(found.deep)}),
    }


def _deep(report: DeepReport) -> dict[str, object]:
    return {
        "kept": report.kept,
        "share": report.share,
        "epochs": report.epochs,
        "closed_form": _rounded(report.closed),
        "deep": _rounded(report.deep),
    }


def _rounded(values: Mapping[str, object]) -> dict[str, float | None]:
    return {key: round(value, 3) if isinstance(value, float) else None for key, value in values.items()}


def _print(found: Calibration, out: Path) -> None:
    for note in found.notes:
        typer.echo(note, err=True)
    if found.lag_s:
        late = "late" if found.lag_s > 0 else "early"
        typer.echo(f"labels are {abs(found.lag_s) * 1000:.0f} ms {late}; taken into account", err=True)
    before, after = found.before, found.after
    typer.echo(f"learned from {found.seconds:.0f} s of labels, fitted in {found.fit_s:.1f} s")
    typer.echo(
        f"angles: {before['angle_mae_deg']:.1f} degrees off before, {after['angle_mae_deg']:.1f} after "
        f"(the mean pose as a constant: {before['mean_pose_angle_mae_deg']:.1f})"
    )
    if before["mpjpe_mm"] is not None and after["mpjpe_mm"] is not None:
        typer.echo(f"points: {before['mpjpe_mm']:.1f} mm off before, {after['mpjpe_mm']:.1f} after")
    if found.deep is not None:
        alone, more = found.deep.closed["angle_mae_deg"], found.deep.deep["angle_mae_deg"]
        said = "kept" if found.deep.kept else "not kept: not better on labels held back"
        typer.echo(f"layers: {more:.1f} degrees off with them, {alone:.1f} without; {said}")
    typer.echo(f"{out}: serve it with `myocast serve SOURCE --model {out}`")
