"""Make room in a streaming graph for what one person's labels add to it.

The last hidden layers of the network (its features) are standardised, clipped and multiplied by the initializer
`personal`, which is zero as shipped; the product is added to the angles, and the sum is clipped to the ranges of the
joints. Bone lengths become the initializer `bones`. Both initializers can be overridden when a session is opened, so
that a personal model needs no graph of its own while it is being learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
import onnx
from onnx import helper, numpy_helper

from exporters.errors import ExportError
from models.arrays import Float32Array
from models.forward.generator import session
from models.kinematics import ANGLES as ANGLE_NAMES
from models.kinematics import ROM, measure
from models.onnx_file import ANGLES, BONES, FEATURE_MEAN, FEATURE_SCALE, FEATURES, PERSONAL
from models.onnx_runner import open_session
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
    onnx.checker.check_model(out, full_check=True)
    return out


def _find_angles(graph: onnx.GraphProto) -> str:
    """The tensor of angles: what the sums of flexions are made from."""
    bends = {tensor.name for tensor in graph.initializer if tuple(tensor.dims) == _BENDS}
    found = [node.input[0] for node in graph.node if node.op_type == "MatMul" and node.input[1] in bends]
    return _one(found, "sum of flexions")


def _find_features(graph: onnx.GraphProto) -> list[str]:
    """The tensors behind the layer that gives the angles: one, or the branches that are averaged before it."""
    makers = {name: node for node in graph.node for name in node.output}
    products = {tensor.name for tensor in graph.initializer if tensor.name.find("end_angles") >= 0}
    hidden = _one(
        [node.input[0] for node in graph.node if node.op_type == "MatMul" and node.input[1] in products],
        "layer `end_angles`",
    )
    mean = makers.get(hidden)
    if mean is None or mean.op_type not in ("Mul", "Div"):
        return [hidden]
    total = makers.get(mean.input[0])
    return list(total.input) if total is not None and total.op_type == "Add" else [hidden]


def _name_outputs(graph: onnx.GraphProto, angles: str, features: Sequence[str]) -> None:
    graph.node.append(helper.make_node("Concat", features, [FEATURES], axis=-1))
    graph.node.append(helper.make_node("Identity", [angles], [ANGLES]))
    for name in (FEATURES, ANGLES):
        graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ("batch", "n", None)))


def _standard(data: bytes, spec: ModelSpec) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Mean and scale of each feature over synthetic people, and the bone lengths in mm of the last pose."""
    runner = open_session(data)
    feeds = {
        given.name: np.zeros([1, *given.shape[1:]], np.float32) for given in runner.get_inputs() if given.name != "emg"
    }
    parts: list[Float32Array] = []
    for user in range(STANDARD_USERS):
        made = session(user, 0, STANDARD_S, seed=1, rate_hz=spec.rate_hz, emg_mode=spec.emg_mode, losses=False)
        found, pose = runner.run([FEATURES, "pose"], {"emg": made.emg[None], **feeds})
        parts.append(found[0][:: spec.hop])
    everything = np.concatenate(parts)
    return (
        everything.mean(axis=0),
        everything.std(axis=0) + np.float32(SMALLEST_SCALE),
        measure(pose[0, -1].reshape(21, 3)),
    )


def _use_bones(graph: onnx.GraphProto, value: Float32Array) -> None:
    """Take bone lengths from the initializer `bones` instead of from the network."""
    stretched = _one([node for node in graph.node if node.op_type == "Exp"], "bone lengths").output[0]
    lengths = _one([node for node in graph.node if node.op_type == "Mul" and stretched in node.input], "mean bones")
    lengths.ClearField("input")
    lengths.op_type = "Expand"
    lengths.input.extend([BONES, "bones_shape"])
    at = list(graph.node).index(lengths)
    graph.node.insert(at, helper.make_node("Shape", [ANGLES], ["bones_shape"]))
    graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), BONES))
    _drop_unused(graph)


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
        "personal_split": np.array([len(mean), 1], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    nodes = [
        helper.make_node("Sub", [FEATURES, FEATURE_MEAN], ["feature_centred"]),
        helper.make_node("Div", ["feature_centred", FEATURE_SCALE], ["feature_scaled"]),
        helper.make_node("Clip", ["feature_scaled", "feature_low", "feature_high"], ["feature_clipped"]),
        helper.make_node("Split", [PERSONAL, "personal_split"], ["personal_weights", "personal_bias"], axis=0),
        helper.make_node("MatMul", ["feature_clipped", "personal_weights"], ["personal_product"]),
        helper.make_node("Add", ["personal_product", "personal_bias"], ["personal_offset"]),
        helper.make_node("Add", [ANGLES, "personal_offset"], ["personal_angles"]),
        helper.make_node("Max", ["personal_angles", "joint_low"], ["personal_above"]),
        helper.make_node("Min", ["personal_above", "joint_high"], ["joint_angles"]),
    ]
    for node in graph.node:
        if node.output[0] != ANGLES:
            for i, name in enumerate(node.input):
                if name == angles:
                    node.input[i] = "joint_angles"
    graph.node.extend(nodes)
    _sort(graph)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and initializers that lead to no output."""
    used = {output.name for output in graph.output}
    kept: list[onnx.NodeProto] = []
    _sort(graph)
    for node in reversed(graph.node):
        if used & set(node.output):
            used |= set(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    tensors = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(tensors)


def _sort(graph: onnx.GraphProto) -> None:
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
