"""`myocast models`: the networks that can be trained, and how good model files are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from models.architectures import Network, networks
from models.file_limits import read_model_file
from models.onnx_file import read_spec
from models.spec import ModelError, ModelSpec
from service.cli.tables import print_table
from service.engine.model_selection import shipped
from service.engine.output_stage import AUTO, OutputStage

TITLES: Final = ("model file", "reads", "MPJPE", "still hand", "measured on", "verdict", "as served")


def command(
    file: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Model files, or folders of them, to list instead of the networks.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:  # fmt: skip
    """List the networks with their parameters, kind, context and cost; and how good model files are."""
    found, specs = networks(), _specs(file or shipped())
    if as_json:
        rows = [file_row(path, spec) for path, spec in specs] if file else [row(network) for network in found]
        typer.echo(json.dumps(rows, indent=2))
        return
    if not file:
        _print_networks(found)
    print_table(
        TITLES,
        [_file_cells(path, spec) for path, spec in specs],
        title="Model files" if file else "Model files that ship",
        caption="MPJPE: mean distance of 20 points from the truth; of a still hand: the mean pose on the same data.",
        numbers=("MPJPE", "still hand"),
        whole=("model file",),
    )


def file_row(path: Path, spec: ModelSpec) -> dict[str, object]:
    """One model file for programs; figures are None where nobody measured them."""
    error, still = spec.still_hand or (None, None)
    return {
        "file": str(path),
        "name": spec.name,
        "architecture": spec.architecture,
        "rate_hz": spec.rate_hz,
        "emg_mode": spec.emg_mode,
        "unit": spec.unit,
        "personal": spec.personal is not None,
        "mpjpe_mm": error,
        "mean_pose_mpjpe_mm": still,
        "split": spec.validation.get("split"),
        "smoothing": spec.smoothing,
        "lag_ms": spec.lag_ms,
        "worse_than_still_hand": None if error is None else spec.worse_than_still_hand is not None,
    }


def _specs(paths: Iterable[Path]) -> list[tuple[Path, ModelSpec]]:
    """The specifications of files, and of those in folders.

    Raises:
        ModelError: a file is no model, or a folder has none.
    """
    found = []
    for path in paths:
        inside = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
        if not inside:
            raise ModelError(f"{path}: no model file (.onnx) in this folder; give a folder that has some")
        found += [(one, read_spec(read_model_file(one), one.name)) for one in inside]
    return found


def _file_cells(path: Path, spec: ModelSpec) -> Sequence[str]:
    reads = f"{spec.rate_hz:g} Hz {spec.emg_mode} {spec.unit}"
    if spec.still_hand is None:
        return (path.name, reads, "-", "-", "-", "not measured", _output_stage(spec))
    error, still = spec.still_hand
    verdict = "better than a still hand" if spec.worse_than_still_hand is None else "WORSE than a still hand"
    return (
        path.name,
        reads,
        f"{error:.1f} mm",
        f"{still:.1f} mm",
        str(spec.validation.get("split", "-")),
        verdict,
        _output_stage(spec),
    )


def _output_stage(spec: ModelSpec) -> str:
    """The filter that `serve` puts behind it, and how late the hand is then."""
    chosen, lag_ms = AUTO.behind(spec), OutputStage(AUTO, spec).lag_ms
    late = "lag not measured" if lag_ms is None else f"{lag_ms:.0f} ms late"
    return f"{'no filter' if chosen is None else chosen.config.text}: {late}"


def _print_networks(found: Sequence[Network]) -> None:
    titles = ("name", "kind", "parameters", "context", "multiply-adds", "what it is")
    print_table(
        titles,
        map(_cells, found),
        title="Networks",
        numbers=("parameters", "context", "multiply-adds"),
        whole=("name",),
    )


def row(network: Network) -> dict[str, object]:
    """One network for programs."""
    return {
        "name": network.name,
        "kind": network.kind,
        "parameters": network.parameters,
        "steps": network.steps,
        "window_200hz": network.window(200.0),
        "window_50hz": network.window(50.0),
        "context_s": round(network.context_s, 3),
        "macs": network.macs,
        "summary": network.summary,
        "deviations": list(network.deviations),
    }


def _cells(network: Network) -> tuple[str, ...]:
    cost = f"{network.macs / 1e6:.2f} M per {'pose' if network.kind == 'window' else 'sample'}"
    return (
        network.name,
        network.kind,
        f"{network.parameters:,}",
        f"{network.context_s:.2f} s",
        cost,
        network.summary,
    )
