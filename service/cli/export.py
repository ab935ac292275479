"""`myocast export`: a trained network as one model file that serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.typed import as_typed
from service.experiments.keras_setup import prepare_keras


def command(
    keras: Annotated[Path, typer.Argument(metavar="KERAS", help="The .keras file that `myocast train` wrote.")],
    onnx: Annotated[Path, typer.Argument(metavar="ONNX", help="The model file to write.")],
    quantize: Annotated[
        str, typer.Option(metavar="none|int8", help="int8: weights as 8-bit integers, with its error.")
    ] = "none",
    name: Annotated[str, typer.Option(help="The model's name; without it the architecture's.")] = "",
) -> None:
    """Convert a trained network to ONNX, compare the two, and write one file."""
    if quantize not in ("none", "int8"):
        raise typer.BadParameter(f"expected none or int8, got {quantize!r}", param_hint="--quantize")
    if onnx.suffix != ".onnx":
        raise typer.BadParameter(f"{onnx}: a model file ends in .onnx", param_hint="ONNX")
    if not onnx.absolute().parent.is_dir():
        raise typer.BadParameter(f"{onnx.parent}: no such folder", param_hint="ONNX")
    prepare_keras()
    from exporters.network_export import export_file

    done = export_file(keras, onnx, name=name, int8=quantize == "int8")
    typer.echo(
        f"{onnx}: {done.fp32.bytes:,} bytes, {done.fp32.nodes} nodes, at most {done.fp32.parity_mm:.2g} mm from Keras"
    )
    worse = done.fp32.spec.worse_than_still_hand
    if worse is not None:
        typer.echo(f"myocast: {as_typed(worse)}", err=True)
    if done.int8 is not None:
        typer.echo(
            f"{onnx}: int8, {done.int8.bytes:,} bytes, {done.int8.mean_mm:.3f} mm from fp32 on average, {done.int8.max_mm:.2f} mm at most"
        )
