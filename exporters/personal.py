"""Make room in a streaming graph for what one person's labels add to it.

The last hidden layers of the network (its features) are standardised, clipped and multiplied by the initializer
`personal`, which is zero as shipped; the product is added to the angles, and the sum is clipped to the ranges of the
joints. Bone lengths come from the initializer `bones`; where the network tells them from the EMG, it is zero as
shipped, and a length of zero stands for the network's. Both initializers can be overridden when a session is opened,
so that a personal model needs no graph of its own while it is being learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
import onnx
from onnx import helper, numpy_helper

from exporters.errors import ExportError
from exporters.simplify import remove_unused
from models.architectures.base import OUTPUT_LAYERS
from models.arrays import Float32Array
from models.forward.generator import session
from models.kinematics import ANGLES as ANGLE_NAMES
from models.kinematics import BONES as BONE_NAMES
from models.kinematics import DIGITS, PER_DIGIT, ROM, measure
from models.onnx_file import ANGLES, BONES, FEATURE_MEAN, FEATURE_SCALE, FEATURES, PERSONAL
from models.onnx_runner import EMG, POSE, OnnxRunner
from models.personal import FEATURE_LIMIT
from models.spec import ModelSpec

_T = TypeVar("_T")

STANDARD_USERS: Final = 12
"""Synthetic users (seed 1, from 0) whose features give the mean and the scale that features are standardised with."""
STANDARD_S: Final = 30.0
SMALLEST_SCALE: Final = 0.05
"""Added to a feature's SD, so that one that hardly varies does not become noise."""
_BENDS: Final = (len(ANGLE_NAMES), 15)
"""Shape of the constant that sums flexions along each digit (`models/architectures/kinematics.py`)."""


def add_personal(model: onnx.ModelProto, spec: ModelSpec) -> onnx.ModelProto:
    """Add `personal`, `bones` and the outputs `features` and `angles` to a streaming graph of ours.

    Args:
        model: a graph that ends in the hand of `models/architectures/kinematics.py`.
        spec: says at which rate and in which mode its EMG comes.

    Returns:
        A new, checked model whose poses are those of `model`.

    Raises:
        ExportError: the graph does not end in such a hand.
    """
    out = onnx.ModelProto()
    out.CopyFrom(model)
    angles, features = _find_angles(out.graph), _find_features(out.graph)
    _name_outputs(out.graph, angles, features)
    mean, scale, bones = _standard(out.SerializeToString(), spec)
    _use_bones(out.graph, bones)
    _use_personal(out.graph, angles, mean, scale)
    _name_features(out.graph, len(mean))
    onnx.checker.check_model(out, full_check=True)
    return out


def _find_angles(graph: onnx.GraphProto) -> str:
    """The tensor of angles: what the sums of flexions are made from."""
    bends = {tensor.name for tensor in graph.initializer if tuple(tensor.dims) == _BENDS}
    found = [node.input[0] for node in graph.node if node.op_type == "MatMul" and node.input[1] in bends]
    return str(_one(found, "sum of flexions"))


def _find_features(graph: onnx.GraphProto) -> list[str]:
    """The tensors behind the layer that gives the angles: one, or the branches that are averaged before it."""
    makers = {name: node for node in graph.node for name in node.output}
    hidden = _product_of(graph, f"{OUTPUT_LAYERS}angles").input[0]
    mean = makers.get(hidden)
    numbers = {tensor.name for tensor in graph.initializer if not tensor.dims}
    if mean is None or mean.op_type not in ("Mul", "Div") or mean.input[1] not in numbers:
        return [hidden]
    total = makers.get(mean.input[0])
    return list(total.input) if total is not None and total.op_type == "Add" else [hidden]


def _product_of(graph: onnx.GraphProto, layer: str) -> onnx.NodeProto:
    """The product of a dense layer."""
    weights = {tensor.name for tensor in graph.initializer if layer in tensor.name}
    return _one([node for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights], layer)


def _name_outputs(graph: onnx.GraphProto, angles: str, features: Sequence[str]) -> None:
    graph.node.append(helper.make_node("Concat", features, [FEATURES], FEATURES, axis=-1))
    graph.node.append(helper.make_node("Identity", [angles], [ANGLES], ANGLES))
    for name in (FEATURES, ANGLES):
        graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ("batch", "n", None)))


def _name_features(graph: onnx.GraphProto, features: int) -> None:
    """State the width of the outputs that a personal fit reads."""
    for output in graph.output:
        width = {FEATURES: features, ANGLES: len(ANGLE_NAMES)}.get(output.name)
        if width is not None:
            output.type.tensor_type.shape.dim[2].dim_value = width


def _standard(data: bytes, spec: ModelSpec) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Mean and scale of each feature over synthetic people, and the bone lengths in mm of the last pose."""
    runner = OnnxRunner.open(data)
    parts: list[Float32Array] = []
    for user in range(STANDARD_USERS):
        made = session(user, 0, STANDARD_S, seed=1, rate_hz=spec.rate_hz, emg_mode=spec.emg_mode, losses=False)
        runner.reset()
        features, pose = runner.step_outputs(made.emg[None], (FEATURES, POSE))
        parts.append(features[0][:: spec.hop])
    everything = np.concatenate(parts)
    return (
        everything.mean(axis=0),
        everything.std(axis=0) + np.float32(SMALLEST_SCALE),
        measure(pose[0, -1].reshape(21, 3)),
    )


def _use_bones(graph: onnx.GraphProto, value: Float32Array) -> None:
    """Take bone lengths from the initializer `bones`, or from the network where they depend on the EMG and it is 0."""
    stretched = _one([node for node in graph.node if node.op_type == "Exp"], "bone lengths").output[0]
    lengths = _one([node for node in graph.node if node.op_type == "Mul" and stretched in node.input], "mean bones")
    found = lengths.output[0]
    if _depends_on_emg(graph, _product_of(graph, f"{OUTPUT_LAYERS}bones").input[0]):
        given = np.zeros_like(value)
        lengths.output[0] = "network_bones"
        graph.node.extend(
            [
                *_live_bones((len(BONE_NAMES),), "given_bones", graph),
                helper.make_node("Greater", ["given_bones", "no_length"], ["bones_given"], "bones_given"),
                helper.make_node("Where", ["bones_given", "given_bones", "network_bones"], [found], "joint_bones"),
            ]
        )
        graph.initializer.append(numpy_helper.from_array(np.float32(0.0), "no_length"))
    else:
        given = value
        graph.node.remove(lengths)
        graph.node.extend([*_one_row_of_bones(graph, found), *_spread_palm(graph)])
        _bypass_bones(graph)
    graph.initializer.append(numpy_helper.from_array(np.asarray(given, np.float32), BONES))


def _one_row_of_bones(graph: onnx.GraphProto, lengths: str) -> list[onnx.NodeProto]:
    """Put the initializer where the lengths are sorted by digit; one row serves all rows."""
    shaped = _one(
        [node for node in graph.node if node.op_type == "Reshape" and node.input[0] == lengths], "lengths by digit"
    )
    graph.node.remove(shaped)
    return _live_bones((1, 1, DIGITS, PER_DIGIT, 1), shaped.output[0], graph)


def _live_bones(shape: tuple[int, ...], name: str, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Bring the initializer to a shape.

    The shape comes from a run, so that onnxruntime computes nothing from the lengths beforehand: then what replaces
    them in a session (`SessionOptions.add_initializer`) counts.
    """
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), "bones_row"))
    return [
        helper.make_node("Shape", [ANGLES], ["bones_batch"], "bones_batch", start=0, end=0),
        helper.make_node("Concat", ["bones_batch", "bones_row"], ["bones_shape"], "bones_shape", axis=0),
        helper.make_node("Reshape", [BONES, "bones_shape"], [name], "live_bones"),
    ]


def _bypass_bones(graph: onnx.GraphProto) -> None:
    """Take the angles from their layer, not out of what was joined with the bones, which nothing needs any more."""
    ends = {_product_of(graph, f"{OUTPUT_LAYERS}angles").output[0]}
    # Its bias is left out where it is zero, as before training.
    ends |= {node.output[0] for node in graph.node if node.op_type == "Add" and ends.intersection(node.input)}
    joined = _one([node for node in graph.node if node.op_type == "Concat" and node.input[0] in ends], "free outputs")
    remove_unused(graph)
    for cut in [node for node in graph.node if node.op_type == "Slice" and node.input[0] == joined.output[0]]:
        for node in graph.node:
            for i, name in enumerate(node.input):
                if name == cut.output[0]:
                    node.input[i] = joined.input[0]


def _spread_palm(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Repeat the points where the digits start for every row, which joining them to the other points needs."""
    makers = {output: node for node in graph.node for output in node.output}
    joined = [
        node
        for node in graph.node
        if node.op_type == "Concat" and node.input[-1] in makers and node.input[0] in makers[node.input[-1]].input
    ]
    node = _one(joined, "points of the digits")
    start, node.input[0] = node.input[0], "palm_rows"
    graph.initializer.append(numpy_helper.from_array(np.ones(3, np.int64), "palm_ones"))
    return [
        helper.make_node("Shape", [ANGLES], ["palm_batch"], "palm_batch", start=0, end=2),
        helper.make_node("Concat", ["palm_batch", "palm_ones"], ["palm_shape"], "palm_shape", axis=0),
        helper.make_node("Expand", [start, "palm_shape"], ["palm_rows"], "palm_rows"),
    ]


def _depends_on_emg(graph: onnx.GraphProto, name: str) -> bool:
    """Whether the values of a tensor depend on the EMG, not only its shape."""
    makers = {output: node for node in graph.node for output in node.output}
    seen, left = set(), [name]
    while left:
        current = left.pop()
        if current == EMG:
            return True
        node = makers.get(current)
        if current not in seen and node is not None and node.op_type != "Shape":
            left.extend(node.input)
        seen.add(current)
    return False


def _use_personal(graph: onnx.GraphProto, angles: str, mean: Float32Array, scale: Float32Array) -> None:
    """Put `clip(angles + [clip(standardised features), 1] . personal, ranges)` where the angles were used."""
    constants = {
        FEATURE_MEAN: mean,
        FEATURE_SCALE: scale,
        PERSONAL: np.zeros((len(mean) + 1, len(ANGLE_NAMES)), np.float32),
        "feature_low": np.float32(-FEATURE_LIMIT),
        "feature_high": np.float32(FEATURE_LIMIT),
        "joint_low": ROM[:, 0],
        "joint_high": ROM[:, 1],
        "personal_pads": np.array([0, 0, 0, 0, 0, 1], np.int64),
        "personal_one": np.float32(1.0),
    }
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    nodes = [
        helper.make_node("Sub", [FEATURES, FEATURE_MEAN], ["feature_centred"], "feature_centred"),
        helper.make_node("Div", ["feature_centred", FEATURE_SCALE], ["feature_scaled"], "feature_scaled"),
        helper.make_node(
            "Clip", ["feature_scaled", "feature_low", "feature_high"], ["feature_clipped"], "feature_clipped"
        ),
        helper.make_node(
            "Pad", ["feature_clipped", "personal_pads", "personal_one"], ["feature_padded"], "feature_padded"
        ),
        helper.make_node("MatMul", ["feature_padded", PERSONAL], ["personal_offset"], "personal_offset"),
        helper.make_node("Add", [ANGLES, "personal_offset"], ["personal_angles"], "personal_angles"),
        helper.make_node("Max", ["personal_angles", "joint_low"], ["personal_above"], "personal_above"),
        helper.make_node("Min", ["personal_above", "joint_high"], ["joint_angles"], "joint_angles"),
    ]
    for node in graph.node:
        if node.output[0] != ANGLES:
            for i, name in enumerate(node.input):
                if name == angles:
                    node.input[i] = "joint_angles"
    graph.node.extend(nodes)
    sort_nodes(graph)
    remove_unused(graph)


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Bring the nodes into an order in which each comes after what it reads."""
    known = {"", *(tensor.name for tensor in graph.initializer), *(given.name for given in graph.input)}
    left, order = list(graph.node), []
    while left:
        waiting = []
        for node in left:
            if known.issuperset(node.input):
                order.append(node)
                known.update(node.output)
            else:
                waiting.append(node)
        if len(waiting) == len(left):
            raise ExportError("the graph reads what nothing makes; export the network again")
        left = waiting
    del graph.node[:]
    graph.node.extend(order)


def _one(found: Sequence[_T], what: str) -> _T:
    if len(found) != 1:
        raise ExportError(f"the graph has {len(found)} tensors for the {what}, expected 1; it does not end in the hand")
    return found[0]
