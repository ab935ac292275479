"""A streaming model file -> the weights and constants that a training may begin with.

The way back of `exporters.export`: dense layers have the names that Keras gave them, numbered in the order in which
they were made, and what the graph computes around them tells the constants. Whether all of it was found shows at the
end: the network that is built from it must give the poses of the file.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from exporters.errors import ExportError
from exporters.parity import LIMIT_MM, parity, probe
from models.architectures import network
from models.architectures.base import OUTPUT_LAYERS, Built, NetworkConfig, Scaling
from models.arrays import Float32Array
from models.kinematics import ROM
from models.onnx_edit import read_initializers
from models.onnx_file import ALIGNMENT, BONES, read_spec
from models.training.run import Start

_LAYER: Final = re.compile(rf"/(?P<layer>dense(?:_\d+)?|{OUTPUT_LAYERS}\w+?)(?:_\d+)?/(?P<part>Cast|BiasAdd)/")
"""A dense layer's weights in an exported graph, such as `core_1/dense_35_1/Cast/ReadVariableOp`."""
PROBES: Final = 2
PROBE_SAMPLES: Final = 100


def read_start(content: bytes, name: str) -> Start:
    """Read what a training may begin with.

    Args:
        content: a streaming model file of `myocast export` with float weights, as shipped: not fitted to a person.
        name: what to call it.

    Raises:
        ExportError: its network is not found in the graph.
    """
    spec = read_spec(content, name)
    config = NetworkConfig.of(spec)
    graph = onnx.load_from_string(content).graph
    config = replace(config, scaling=_scaling(graph, read_initializers(content)[BONES]))
    built = network(spec.architecture).assemble(config)
    _set_weights(built, _layers(graph))
    built.sync()
    worst = parity(built, content, probe(PROBES, PROBE_SAMPLES, config.emg_mode))
    if worst > LIMIT_MM:
        raise ExportError(f"{name}: its network was not understood ({worst:.3f} mm apart); train with --from-scratch")
    return Start(name, config.scaling, tuple(built.core.get_weights()))


def _layers(graph: onnx.GraphProto) -> dict[str, dict[str, Float32Array]]:
    """Layer -> `Cast` (kernel) and `BiasAdd`, the numbered layers in their order."""
    found: dict[str, dict[str, Float32Array]] = {}
    for tensor in graph.initializer:
        match = _LAYER.search(tensor.name)
        if match is not None:
            value = np.asarray(numpy_helper.to_array(tensor), np.float32)
            found.setdefault(match["layer"], {})[match["part"]] = value
    return dict(sorted(found.items(), key=lambda item: _number(item[0])))


def _number(layer: str) -> int:
    """Where a layer stands among those that were made without a name."""
    digits = layer.removeprefix("dense").lstrip("_")
    return int(digits) if digits.isdecimal() else 0


def _set_weights(built: Built, found: dict[str, dict[str, Float32Array]]) -> None:
    """Put the weights of a graph's layers into the layers of the core that have the same place.

    A layer that the graph has no more is the one of the bones, which `bones` stands for; it stays at zero.
    """
    plain = iter([parts for name, parts in found.items() if not name.startswith(OUTPUT_LAYERS)])
    layers = [layer for layer in built.core.layers if layer.weights]
    for layer in sorted(layers, key=lambda one: _number(one.name)):
        parts = found.get(layer.name) if layer.name.startswith(OUTPUT_LAYERS) else next(plain, None)
        if parts is not None and [parts[key].shape for key in sorted(parts)[::-1]] == [w.shape for w in layer.weights]:
            layer.set_weights([parts["Cast"], parts["BiasAdd"]])


def _scaling(graph: onnx.GraphProto, bones: Float32Array) -> Scaling:
    """The constants of the front end, which follow the alignment, and of the angles, which follow their layer."""
    walk = _NodeReader(graph)
    add = walk.after(walk.after(walk.user_of(ALIGNMENT), "Relu"), "Add")
    centred = walk.after(walk.after(add, "Log"), "Sub")
    scaled = walk.after(centred, "Mul", "Div")
    scale = float(walk.constant(scaled))
    layer = next((name for name in walk.values if f"/{OUTPUT_LAYERS}angles" in name and "/BiasAdd/" in name), "")
    bias = walk.constant(walk.after(walk.user_of(layer), "Add")).astype(np.float64)
    share = 1.0 / (1.0 + np.exp(-bias))
    return Scaling(
        floor=float(walk.constant(add)),
        mean=float(walk.constant(centred)),
        std=scale if scaled.op_type == "Div" else 1.0 / scale,
        angle_mean=tuple(float(v) for v in ROM[:, 0] + (ROM[:, 1] - ROM[:, 0]) * share),
        bones=tuple(float(v) for v in bones),
    )


class _NodeReader:
    """Steps from node to node of a graph in the order of the computation."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes = graph.node
        self.values = {tensor.name: np.asarray(numpy_helper.to_array(tensor)) for tensor in graph.initializer}

    def user_of(self, name: str, *kinds: str) -> onnx.NodeProto:
        """The first node that reads a tensor, of the given kinds if there are any.

        Raises:
            ExportError: there is none.
        """
        for node in self._nodes:
            if name in node.input and (not kinds or node.op_type in kinds):
                return node
        raise ExportError("its network is not built as those that ship; train with --from-scratch")

    def after(self, node: onnx.NodeProto, *kinds: str) -> onnx.NodeProto:
        """The first node of these kinds that reads what a node gives."""
        return self.user_of(node.output[0], *kinds)

    def constant(self, node: onnx.NodeProto) -> Float32Array:
        """The constant that a node works with."""
        return np.asarray(next(self.values[name] for name in node.input if name in self.values), np.float32)
