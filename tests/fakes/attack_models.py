"""Model files that ask for too much, never end, or say what JSON cannot carry."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.hand import CHANNELS, VALUES
from models.spec import METADATA_KEY
from tests.fakes.models_onnx import spec_of, stream_model, window_model

Save = Callable[[Path], Path]


def _window(path: Path, nodes: Sequence[Any], constants: dict[str, Any]) -> Path:
    """A window model whose pose is zeros plus the value `r` that the nodes compute."""
    from onnx import helper, numpy_helper, save_model

    spec = spec_of()
    constants = {
        "weights": np.zeros((spec.window * CHANNELS, VALUES), np.float32),
        "shape": np.array([-1, spec.window * CHANNELS], np.int64),
        **constants,
    }
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["emg", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["linear"]),
            *nodes,
            helper.make_node("Add", ["linear", "r"], ["pose"]),
        ],
        "attack",
        [helper.make_tensor_value_info("emg", 1, ["batch", spec.window, CHANNELS])],
        [helper.make_tensor_value_info("pose", 1, ["batch", VALUES])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    save_model(model, path)
    return path


def constant_of_shape(path: Path) -> Path:
    """Asks for 8 GB at once."""
    from onnx import helper

    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["r"], keepdims=0),
    ]
    return _window(path, nodes, {"size": np.array([2_000_000_000], np.int64)})


def expand(path: Path) -> Path:
    """Asks for 8 GB when samples come that are not zero."""
    from onnx import helper

    nodes = [
        helper.make_node("ReduceMax", ["emg"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["largest", "factor"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["count"], to=7),
        helper.make_node("Abs", ["count"], ["positive"]),
        helper.make_node("Add", ["positive", "one"], ["more"]),
        helper.make_node("Reshape", ["more", "one_dimension"], ["size"]),
        helper.make_node("Expand", ["value", "size"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["r"], keepdims=0),
    ]
    constants = {
        "factor": np.array(20_000_000.0, np.float32), "one": np.array(1, np.int64),
        "one_dimension": np.array([1], np.int64), "value": np.zeros(1, np.float32),
    }  # fmt: skip
    return _window(path, nodes, constants)


def endless(path: Path, above: float | None = None) -> Path:
    """A Loop that never ends: always, or once a sample is larger than `above`."""
    from onnx import TensorProto, helper

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["sum", "sum"], ["sum_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_out", TensorProto.FLOAT, []),
        ],
    )
    nodes = [
        helper.make_node("ReduceMax", ["emg"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "limit"], ["begin"]),
        helper.make_node("Loop", ["", "begin", "nothing"], ["r"], body=body),
    ]
    limit = -1e30 if above is None else above
    return _window(path, nodes, {"limit": np.array(limit, np.float32), "nothing": np.array(0.0, np.float32)})


def large_state(path: Path) -> Path:
    """A state of 4 GB."""
    return stream_model(path, state_sizes=(1_000_000_000, 1_000_000_000))


def with_metadata(path: Path, **values: Any) -> Path:
    """A right model whose metadata says something else."""
    return window_model(path, metadata=json.dumps({**json.loads(spec_of().to_json()), **values}))


GREEDY: Final[dict[str, Save]] = {
    "ConstantOfShape": constant_of_shape,
    "Expand": expand,
    "state": large_state,
    "window": lambda path: with_metadata(path, window=10**10),
    "hop": lambda path: with_metadata(path, hop=10**10),
    "Loop": endless,
}
UNSPEAKABLE: Final[dict[str, Any]] = {
    "2^70": {"parameters": 2**70},
    "2^64 in a list": {"validation": {"split": [2**64]}},
    "half a character": {"name": "hand \ud800"},
    "half a character below": {"trained_on": ["\udc00"]},
    "5 MB": {"name": "x" * 5_000_000},
    "200 KB": {"name": "x" * 200_000},
    "line break": {"name": "one\ntwo"},
    "escape": {"architecture": "\x1b[2J"},
    "NaN": {"rate_hz": float("nan")},
    "depth": {"validation": json.loads("[" * 300 + "]" * 300)},
    "rate": {"rate_hz": 1e300},
}
"""What changes in the metadata."""
