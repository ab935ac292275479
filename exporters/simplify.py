"""Removes what the converter puts around products: `Dense` on (batch, n, f) becomes one MatMul.

TensorFlow computes such a product by flattening, multiplying and restoring the shape, with the shapes
computed at run time: ten small nodes that cost more than the product of a small network. ONNX's MatMul takes
any number of leading axes.
"""

from __future__ import annotations

from collections import Counter

import onnx


def unflatten_products(model: onnx.ModelProto) -> int:
    """Rewire every flattened product in place. Returns how many there were."""
    graph = model.graph
    made = {output: node for node in graph.node for output in node.output}
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(value.name for value in graph.output)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    done = 0
    for node in list(graph.node):
        before, after = made.get(node.input[0]) if node.input else None, _only_user(graph, node, uses)
        if node.op_type != "MatMul" or before is None or after is None or "Tensordot" not in node.name:
            continue
        if before.op_type != "Reshape" or after.op_type != "Reshape" or len(weights[node.input[1]].dims) != 2:
            continue
        node.input[0] = before.input[0]
        node.output[0] = after.output[0]
        graph.node.remove(after)
        done += 1
    remove_unused(graph)
    return done


def remove_unused(graph: onnx.GraphProto) -> None:
    """Drop nodes and initializers that nothing uses."""
    while True:
        used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
        idle = [node for node in graph.node if not used.intersection(node.output)]
        for node in idle:
            graph.node.remove(node)
        if not idle:
            break
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _only_user(graph: onnx.GraphProto, node: onnx.NodeProto, uses: Counter[str]) -> onnx.NodeProto | None:
    if len(node.output) != 1 or uses[node.output[0]] != 1:
        return None
    return next((user for user in graph.node if node.output[0] in user.input), None)
