"""A trained network's file -> one model file, in fp32 or int8."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from exporters.export import Exported, export
from exporters.quantize import Quantized, quantize
from models.training.network_file import load


class FileExport(NamedTuple):
    """What came out."""

    fp32: Exported
    int8: Quantized | None


def export_file(keras: Path, onnx: Path, *, name: str = "", int8: bool = False) -> FileExport:
    """Convert a `.keras` file of `myocast train`.

    Args:
        keras: the network.
        onnx: the model file to write; it appears complete or not at all.
        name: the model's name, default the architecture's.
        int8: keep weights as 8-bit integers.

    Raises:
        MyocastError: a file that cannot be read or written, or a graph that breaks the contract.
    """
    built, card = load(keras)
    exported = export(built, card, onnx, name=name)
    return FileExport(exported, quantize(onnx, onnx) if int8 else None)
