"""`myocast export`: a trained network, or an ONNX file from elsewhere, as one model file that serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from drivers.events import UNITS
from models.errors import MyocastError
from models.hand import Side
from models.spec import EMG_MODES
from service.cli.typed import as_typed

if TYPE_CHECKING:
    from exporters.foreign import Layout, PoseUnit


class UsageError(MyocastError):
    """Options that do not go together."""


def command(
    network: Annotated[
        Path, typer.Argument(metavar="KERAS", help="The .keras file that `myocast train` wrote, or any .onnx file.")
    ],
    onnx: Annotated[Path, typer.Argument(metavar="ONNX", help="The model file to write.")],
    quantize: Annotated[
        str, typer.Option(metavar="none|int8", help="int8: weights as 8-bit integers, with its error.")
    ] = "none",
    name: Annotated[str, typer.Option(help="The model's name; without it the architecture's or the file's.")] = "",
    rate: Annotated[
        float | None, typer.Option(metavar="HZ", min=1, max=100_000, help="Samples per second that it was trained on.")
    ] = None,
    unit: Annotated[str, typer.Option(metavar="adc|uV", help="Unit of the EMG that it was trained on.")] = "",
    mode: Annotated[str, typer.Option(metavar="MODE", help="raw, filtered, envelope or any.")] = "raw",
    window: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=100_000, help="Samples per window, where the file leaves that open."),
    ] = None,
    hop: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=100_000, help="Samples between poses; without it 20 ms.")
    ] = None,
    layout: Annotated[
        str, typer.Option(metavar="time|channels", help="Which comes first in its input, where that is open.")
    ] = "",
    output: Annotated[
        str, typer.Option(metavar="NAME", help="The output that is the pose, where there are several.")
    ] = "",
    pose_unit: Annotated[str, typer.Option(metavar="mm|cm|m", help="Unit of its points.")] = "mm",
    hand: Annotated[str, typer.Option(metavar="left|right", help="The hand that it was trained on.")] = "right",
) -> None:
    """Convert a trained network to ONNX and compare the two, or make an ONNX file from elsewhere a model file: one file that serves."""
    if quantize not in ("none", "int8"):
        raise typer.BadParameter(f"expected none or int8, got {quantize!r}", param_hint="--quantize")
    if onnx.suffix != ".onnx":
        raise typer.BadParameter(f"{onnx}: a model file ends in .onnx", param_hint="ONNX")
    if not onnx.absolute().parent.is_dir():
        raise typer.BadParameter(f"{onnx.parent}: no such folder", param_hint="ONNX")
    if network.suffix == ".onnx":
        if quantize != "none":
            raise UsageError("--quantize is for networks of `myocast train`; quantise an ONNX file before")
        if rate is None or not unit:
            raise UsageError(
                f"{network.name} does not say what it was trained on; say it, as in "
                f"`myocast export {network} {onnx} --rate 200 --unit adc`"
            )
        choices = (("--unit", unit, UNITS), ("--mode", mode, EMG_MODES), ("--hand", hand, get_args(Side)))
        for option, value, known in choices:
            if value not in known:
                raise typer.BadParameter(f"expected one of {', '.join(known)}, got {value!r}", param_hint=option)
        _foreign(
            network,
            onnx,
            rate,
            unit,
            mode,
            window,
            hop,
            layout,
            output,
            pose_unit,
            "left" if hand == "left" else "right",
            name,
        )
        return
    if rate is not None or unit or window or hop or layout or output:
        raise UsageError(
            f"{network.name} says itself what it was trained on; --rate, --unit and alike are for .onnx files"
        )
    _network(network, onnx, quantize, name)


def _foreign(
    source: Path,
    target: Path,
    rate: float,
    unit: str,
    mode: str,
    window: int | None,
    hop: int | None,
    layout: str,
    output: str,
    pose_unit: str,
    hand: Side,
    name: str,
) -> None:
    from exporters.foreign import LAYOUTS, MILLIMETRES, ForeignConfig, add_metadata

    if source.exists() and target.exists() and source.samefile(target):
        raise UsageError(f"{target}: would replace what it is made from; give another name")
    first: Layout | None = next((one for one in LAYOUTS if one == layout), None)
    points: PoseUnit | None = next((one for one in MILLIMETRES if one == pose_unit), None)
    if layout and first is None:
        raise typer.BadParameter(f"expected time or channels, got {layout!r}", param_hint="--layout")
    if points is None:
        raise typer.BadParameter(f"expected mm, cm or m, got {pose_unit!r}", param_hint="--pose-unit")
    config = ForeignConfig(rate, unit, mode, window, hop, first, output or None, points, hand, name)
    done = add_metadata(source, target, config)
    spec = done.spec
    typer.echo(
        f"{target}: {done.bytes:,} bytes; reads {done.reads}; {spec.rate_hz:g} Hz {spec.emg_mode} {spec.unit}, a pose every {spec.hop} samples"
    )


def _network(keras: Path, onnx: Path, quantize: str, name: str) -> None:
    from service.experiments.keras_setup import prepare_keras

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
