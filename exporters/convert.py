"""Keras -> ONNX graph, through a `tf.function` with a fixed signature.

`tf2onnx.convert.from_keras` does not know Keras 3; a traced function with named inputs and a
dictionary of outputs gives fused LSTM nodes and the names of docs/protocol.md#graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnx import numpy_helper

from exporters.errors import ExportError
from exporters.simplify import unflatten_products
from models.architectures.base import Built
from models.hand import CHANNELS, VALUES
from models.onnx_file import ALIGNMENT

OPSET: Final = 17
"""The newest that onnxruntime, tf2onnx and int8 LSTM agree on."""


def to_onnx(built: Built, window: int, max_nodes: int | None = None) -> onnx.ModelProto:
    """Convert `built.serve`.

    Args:
        built: the network; its weights are not changed.
        window: samples per window; 0 for a stream, whose inputs then have any length.
        max_nodes: refuse graphs with more nodes.

    Returns:
        A checked model: inputs `emg` (and `state_in_*`), outputs `pose` (and `state_out_*`), the
        initializer `alignment`.

    Raises:
        ExportError: the graph has a Loop, lost the alignment, or is too large.
    """
    layer = built.serve.get_layer(ALIGNMENT)
    before = layer.get_weights()
    marker = np.random.default_rng(0).standard_normal((CHANNELS, CHANNELS)).astype(np.float32)
    try:
        # A distinctive value finds the initializer again whatever name the converter gave it.
        layer.set_weights([marker])
        model = _convert(built, window)
        _name_alignment(model, marker, before[0])
    finally:
        layer.set_weights(before)
    _refuse_loops(model)
    unflatten_products(model)
    _name_axes(model, window)
    _check(model, max_nodes)
    return model


def _convert(built: Built, window: int) -> onnx.ModelProto:
    signature = [tf.TensorSpec((None, window or None, CHANNELS), tf.float32, name="emg")]
    signature += [
        tf.TensorSpec((None, *shape), tf.float32, name=f"state_in_{i}") for i, shape in enumerate(built.states)
    ]

    def run(*inputs: Any) -> dict[str, Any]:
        outputs = built.serve(list(inputs) if built.states else inputs[0], training=False)
        if not built.states:
            return {"pose": outputs}
        return {"pose": outputs[0]} | {f"state_out_{i}": state for i, state in enumerate(outputs[1:])}

    model, _ = tf2onnx.convert.from_function(tf.function(run), input_signature=signature, opset=OPSET)
    return model


def _name_alignment(model: onnx.ModelProto, marker: np.ndarray[Any, Any], value: np.ndarray[Any, Any]) -> None:
    found = [
        tensor
        for tensor in model.graph.initializer
        if list(tensor.dims) == [CHANNELS, CHANNELS] and np.array_equal(numpy_helper.to_array(tensor), marker)
    ]
    if len(found) != 1:
        raise ExportError(f"the graph has {len(found)} alignment matrices, expected 1; the front end must use it once")
    old = found[0].name
    found[0].CopyFrom(numpy_helper.from_array(np.asarray(value, np.float32), ALIGNMENT))
    users = 0
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = ALIGNMENT
                users += 1
    if not users:
        raise ExportError("the graph does not use its alignment matrix")


def _name_axes(model: onnx.ModelProto, window: int) -> None:
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape.dim
        shape[0].dim_param = "batch"
        if value.name == "pose":
            shape[len(shape) - 1].dim_value = VALUES
        if not window and value.name in ("emg", "pose"):
            shape[1].dim_param = "n"
    _fix_state_shapes(model)


def _fix_state_shapes(model: onnx.ModelProto) -> None:
    inputs = {value.name: value for value in model.graph.input}
    for value in model.graph.output:
        if value.name.startswith("state_out_"):
            source = inputs[value.name.replace("out", "in")]
            value.type.CopyFrom(source.type)


def operators(graph: onnx.GraphProto) -> Sequence[str]:
    """The operator of every node, those of nested graphs included."""
    found = []
    for node in graph.node:
        found.append(node.op_type)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                found += operators(attribute.g)
    return found


def _refuse_loops(model: onnx.ModelProto) -> None:
    loops = {"Loop", "Scan", "If"} & set(operators(model.graph))
    if loops:
        raise ExportError(
            f"the graph has {', '.join(sorted(loops))} nodes, which are slow; use layers that export without"
        )


def _check(model: onnx.ModelProto, max_nodes: int | None) -> None:
    onnx.checker.check_model(model, full_check=True)
    found = len(operators(model.graph))
    if max_nodes is not None and found > max_nodes:
        raise ExportError(f"the graph has {found} nodes, expected at most {max_nodes}")
