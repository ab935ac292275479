"""Weights as 8-bit integers, and what that costs."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnx.numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from exporters.errors import ExportError
from exporters.export import STREAM_PROBE
from exporters.parity import WINDOWS, probe
from exporters.write import write
from models.arrays import Float32Array
from models.onnx_file import ALIGNMENT, PERSONAL
from models.onnx_runner import OnnxRunner
from models.spec import METADATA_KEY, ModelSpec

SMALLEST: Final = 1024
"""Matrices with fewer weights stay float32: they cost nothing, and the front end needs its precision."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """The int8 file against the fp32 one, on random EMG; sample by sample for a stream."""

    bytes: int
    mean_mm: float
    max_mm: float


def quantize(source: Path, target: Path) -> Quantized:
    """Write an int8 model file.

    LSTM and MatMul weights become 8-bit with scales of their own; activations get a scale per run, which is
    why an int8 stream is run sample by sample.

    Raises:
        ExportError: the result gives values that are not numbers.
    """
    original = source.read_bytes()
    model = onnx.load_from_string(original)
    spec = ModelSpec.from_json(next(p.value for p in model.metadata_props if p.key == METADATA_KEY))
    with tempfile.TemporaryDirectory() as folder:
        plain, small = os.path.join(folder, "fp32.onnx"), os.path.join(folder, "int8.onnx")
        Path(plain).write_bytes(original)
        logging.getLogger().setLevel(logging.ERROR)
        quantize_dynamic(
            plain,
            small,
            op_types_to_quantize=["MatMul", "LSTM"],
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_precise(model),
        )
        quantized = onnx.load(small)
    mean, worst = compare(original, quantized.SerializeToString(), spec)
    named = replace(
        spec, name=f"{spec.name}_int8", validation={**spec.validation, "int8_mean_mm": mean, "int8_max_mm": worst}
    )
    return Quantized(write(quantized, named, target), mean, worst)


def compare(fp32: bytes, int8: bytes, spec: ModelSpec) -> tuple[float, float]:
    """Mean and largest distance between the points of the two, mm, on random EMG.

    Raises:
        ExportError: values that are not numbers.
    """
    emg = probe(WINDOWS, spec.window or STREAM_PROBE, spec.emg_mode)
    poses = [_run(data, emg, spec) for data in (fp32, int8)]
    distance = np.linalg.norm((poses[0] - poses[1]).reshape(-1, 21, 3)[:, 1:], axis=-1)
    if not np.isfinite(distance).all():
        raise ExportError("the int8 network gives values that are not numbers; serve the fp32 file")
    return float(distance.mean()), float(distance.max())


def _run(data: bytes, emg: Float32Array, spec: ModelSpec) -> Float32Array:
    """(k, 63) poses of windows, or of the first eight sequences, sample by sample."""
    runner = OnnxRunner.open(data)
    if spec.kind == "window":
        return np.concatenate([runner.step(row[None]) for row in emg])
    return np.concatenate([_stream(runner, row[None]) for row in emg[:8]])


def _stream(runner: OnnxRunner, emg: Float32Array) -> Float32Array:
    """(n, 63) poses of one sequence (1, n, 8), one sample at a time."""
    runner.reset()
    return np.concatenate([runner.step(emg[:, i : i + 1])[:, 0] for i in range(emg.shape[1])])


def _precise(model: onnx.ModelProto) -> list[str]:
    """Nodes that stay float32: the alignment and a person's head, which are replaced by name, small matrices, the front
    end's averages."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        constants = [weights[name] for name in node.input if name in weights]
        small = node.op_type == "MatMul" and max((int(np.prod(c.dims)) for c in constants), default=0) < SMALLEST
        from_constant = node.op_type == "MatMul" and node.input[0] in weights
        if small or from_constant or {ALIGNMENT, PERSONAL}.intersection(node.input) or _averages(node, weights):
            kept.append(node.name)
    return kept


def _averages(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether it is the front end's LSTM, which has no recurrence."""
    recurrent = weights.get(node.input[2]) if node.op_type == "LSTM" else None
    return recurrent is not None and not onnx.numpy_helper.to_array(recurrent).any()
