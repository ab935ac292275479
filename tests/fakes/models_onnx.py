"""Tiny model files for tests, built node by node: right ones, and wrong in every way a user may meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.arrays import Float32Array
from models.hand import CHANNELS, VALUES
from models.spec import METADATA_KEY, Kind, ModelSpec

WINDOW: Final = 8
HOP: Final = 4
UNITS: Final = 5


def spec_of(kind: Kind = "window", **changes: Any) -> ModelSpec:
    """The specification of a tiny model; `changes` replaces fields."""
    window = WINDOW if kind == "window" else 0
    return replace(ModelSpec("tiny", "linear", 1000, kind, window, HOP, 200.0), **changes)


def window_model(path: Path, spec: ModelSpec | None = None, **how: Any) -> Path:
    """A model of one window: pose = tanh(emg · alignment · scale) · weights + offset.

    Args:
        how: `metadata` (text instead of the spec's, or None for none), `nan_above` (a sample above it makes the
            pose NaN), `rows` and `channels` and `values` (other shapes in the graph), `input_name`, `input_type`,
            `unknown_operator`, `constant` (the same pose whatever comes), `breaks` (with open `rows`: every run fails).
    """
    spec = spec or spec_of()
    rows, channels, values = how.get("rows", spec.window), how.get("channels", CHANNELS), how.get("values", VALUES)
    length = (spec.window if isinstance(rows, str) else rows) + how.get("breaks", 0)
    name = how.get("input_name", "emg")
    rng = np.random.default_rng(7)
    weights = {
        "alignment": np.eye(channels, dtype=np.float32),
        "scale": np.array(0.01, dtype=np.float32),
        "weights": rng.normal(0.0, 20.0, (length * channels, values)).astype(np.float32),
        "offset": rng.normal(0.0, 30.0, values).astype(np.float32),
        "shape": np.array([-1, length * channels], dtype=np.int64),
    }
    if "constant" in how:
        weights["weights"] *= 0.0
        weights["offset"] = np.full(values, how["constant"], dtype=np.float32)
    nodes: list[tuple[str, list[str], list[str]]] = [
        ("MatMul", [name, "alignment"], ["aligned"]),
        ("Mul", ["aligned", "scale"], ["scaled"]),
        ("Tanh", ["scaled"], ["squashed"]),
        ("Reshape", ["squashed", "shape"], ["flat"]),
        ("MatMul", ["flat", "weights"], ["linear"]),
        ("Add", ["linear", "offset"], ["plain"]),
    ]
    nodes += _nan_above(how.get("nan_above"), name, weights, "plain", "pose")
    if how.get("unknown_operator"):
        nodes[2] = ("NoSuchOperator", ["scaled"], ["squashed"])
    inputs = [(name, how.get("input_type", np.float32), ["batch", rows, channels])]
    outputs = [("pose", np.float32, ["batch", values])]
    return _save(path, nodes, weights, inputs, outputs, how.get("metadata", spec.to_json()))


def stream_model(path: Path, spec: ModelSpec | None = None, **how: Any) -> Path:
    """A model with memory: one recurrent layer over the samples, its state carried from run to run.

    Args:
        how: as for `window_model`; `state_out` (another name), `state_sizes` (of input and output in the graph),
            `stateless` (no state at all).
    """
    spec = spec or spec_of("stream")
    rng = np.random.default_rng(8)
    weights = {
        "alignment": np.eye(CHANNELS, dtype=np.float32),
        "scale": np.array(0.05, dtype=np.float32),
        "input_weights": rng.normal(0.0, 0.5, (1, UNITS, CHANNELS)).astype(np.float32),
        "recurrent_weights": rng.normal(0.0, 0.5, (1, UNITS, UNITS)).astype(np.float32),
        "weights": rng.normal(0.0, 20.0, (UNITS, VALUES)).astype(np.float32),
        "axis_0": np.array([0], dtype=np.int64),
        "axis_1": np.array([1], dtype=np.int64),
    }
    state_out = how.get("state_out", "state_out_h")
    nodes: list[tuple[str, list[str], list[str]]] = [
        ("MatMul", ["emg", "alignment"], ["aligned"]),
        ("Mul", ["aligned", "scale"], ["scaled"]),
        ("Transpose", ["scaled"], ["time_first"]),
        ("Unsqueeze", ["state_in_h", "axis_0"], ["initial"]),
        ("RNN", ["time_first", "input_weights", "recurrent_weights", "", "", "initial"], ["all", "last"]),
        ("Squeeze", ["all", "axis_1"], ["hidden"]),
        ("MatMul", ["hidden", "weights"], ["linear"]),
        ("Transpose", ["linear"], ["plain"]),
        ("Squeeze", ["last", "axis_0"], [state_out]),
    ]
    nodes += _nan_above(how.get("nan_above"), "emg", weights, "plain", "pose")
    size_in, size_out = how.get("state_sizes", (UNITS, UNITS))
    inputs = [("emg", np.float32, ["batch", "n", CHANNELS]), ("state_in_h", np.float32, ["batch", size_in])]
    outputs = [("pose", np.float32, ["batch", "n", VALUES]), (state_out, np.float32, ["batch", size_out])]
    if how.get("stateless"):
        weights["state_in_h"] = np.zeros((1, UNITS), dtype=np.float32)
        del inputs[1], outputs[1]
    return _save(path, nodes, weights, inputs, outputs, how.get("metadata", spec.to_json()))


def with_external_data(path: Path, inside: str = "initializer") -> Path:
    """Turn a model file into one that keeps a tensor in a file beside it.

    Args:
        inside: `initializer`, or `constant` for a tensor in a node's attribute.
    """
    import onnx

    model = onnx.load_model(path)
    tensor = next(t for t in model.graph.initializer if t.name == "offset")
    (path.parent / "beside.bin").write_bytes(tensor.raw_data)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "beside.bin"
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    if inside == "constant":
        node = onnx.helper.make_node("Constant", [], ["offset"])
        node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR, t=tensor)
        model.graph.node.insert(0, node)
        model.graph.initializer.remove(tensor)
    path.write_bytes(model.SerializeToString())
    return path


def offline(path: Path, windows: Float32Array) -> Float32Array:
    """What a window model gives for each of (k, window, 8), one run each, in a session of its own: (k, 63)."""
    session = _session(path)
    return np.concatenate([session.run(["pose"], {"emg": window[None]})[0] for window in windows])


def offline_stream(path: Path, chunks: Sequence[Float32Array]) -> list[Float32Array]:
    """What a streaming model gives at the end of each chunk (n, 8), the state carried on: [(63,), …]."""
    session = _session(path)
    state = np.zeros((1, UNITS), dtype=np.float32)
    newest = []
    for chunk in chunks:
        pose, state = session.run(["pose", "state_out_h"], {"emg": chunk[None], "state_in_h": state})
        newest.append(pose[0, -1])
    return newest


def _session(path: Path) -> Any:

    from models.onnx_runner import open_session

    return open_session(path.read_bytes())


def _nan_above(
    limit: float | None, name: str, weights: dict[str, Any], given: str, result: str
) -> list[tuple[str, list[str], list[str]]]:
    if limit is None:
        return [("Identity", [given], [result])]
    weights["limit"] = np.array(limit, dtype=np.float32)
    return [
        ("Sub", ["limit", name], ["below"]),
        ("Sqrt", ["below"], ["root"]),
        ("ReduceSum", ["root"], ["summed"]),
        ("Sub", ["summed", "summed"], ["nothing"]),
        ("Add", [given, "nothing"], [result]),
    ]


def _save(
    path: Path,
    nodes: Sequence[tuple[str, list[str], list[str]]],
    weights: dict[str, Any],
    inputs: Sequence[tuple[str, Any, list[Any]]],
    outputs: Sequence[tuple[str, Any, list[Any]]],
    metadata: str | None,
) -> Path:
    from onnx import helper, numpy_helper, save_model

    def values(of: Sequence[tuple[str, Any, list[Any]]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
            for name, kind, shape in of
        ]

    extra: dict[str, dict[str, Any]] = {
        "RNN": {"hidden_size": UNITS}, "Transpose": {"perm": [1, 0, 2]}, "ReduceSum": {"keepdims": 0},
    }  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node(kind, given, made, **extra.get(kind, {})) for kind, given, made in nodes],
        "tiny",
        values(inputs),
        values(outputs),
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if metadata is not None:
        helper.set_model_props(model, {METADATA_KEY: metadata})
    save_model(model, path)
    return path
