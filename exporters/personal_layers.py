"""Put layers that were trained on one person (`models.training.personal_layers`) into a streaming model file.

They read the standardised features, as `personal` does, and what they give is added to the shipped angles before
`personal` adds to them. Their memory is one more state of the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from exporters.errors import ExportError
from exporters.parity import LIMIT_MM, probe
from exporters.personal import sort_nodes
from models.arrays import Float32Array
from models.kinematics import bones, points
from models.onnx_edit import read_initializers
from models.onnx_file import ANGLES, FEATURE_MEAN, FEATURE_SCALE, FEATURES, PERSONAL_LAYERS
from models.onnx_runner import STATE_IN, STATE_OUT, OnnxRunner, open_session, state_names
from models.personal import standardise
from models.spec import METADATA_KEY, ModelSpec

if TYPE_CHECKING:
    import keras

STANDARDISED: Final = "feature_clipped"
"""The tensor of standardised features in a graph with `personal`."""
PROBE: Final = 120
"""Samples of each sequence that the file is compared on with Keras."""
SEQUENCES: Final = 20


def has_layers(content: bytes) -> bool:
    """Whether a model file has such layers already."""
    return any(name.startswith(PERSONAL_LAYERS) for name in read_initializers(content))


def add_layers(content: bytes, layers: keras.Model, share: float) -> tuple[bytes, float]:
    """A model file with the layers of a person, compared with Keras.

    Args:
        content: a streaming model file with `personal`.
        layers: (batch, n, f) standardised features -> (batch, n, 20) radians, as `models.training` makes them.
        share: what they give is multiplied by this.

    Returns:
        The new file, with the specification of the old one, and the largest difference to Keras in mm.

    Raises:
        ExportError: the file has no place for them, or differs from Keras by more than 0.01 mm.
    """
    model = onnx.load_from_string(content)
    if has_layers(content) or not any(STANDARDISED in node.output for node in model.graph.node):
        raise ExportError("the model has no room for layers of a person, or has some; begin with a shipped model")
    states = len(state_names(open_session(content)))
    _add(model.graph, layers, share, states)
    onnx.checker.check_model(model, full_check=True)
    made: bytes = model.SerializeToString()
    apart = parity(content, made, layers, share)
    if not apart <= LIMIT_MM:
        raise ExportError(
            f"Keras and ONNX differ by {apart:.4f} mm, expected at most {LIMIT_MM} mm; nothing was written"
        )
    return made, apart


def _add(graph: onnx.GraphProto, layers: keras.Model, share: float, states: int) -> None:
    dense, gru, angles = (layers.get_layer(name).get_weights() for name in ("dense", "gru", "angles"))
    units = gru[1].shape[0]
    values = {
        "dense_kernel": dense[0],
        "dense_bias": dense[1],
        # Both order the gates update, reset, candidate; ONNX has them in rows, and both biases in one row.
        "gru_kernel": gru[0].T[None],
        "gru_recurrence": gru[1].T[None],
        "gru_bias": gru[2].reshape(1, -1),
        "angles_kernel": share * angles[0],
        "angles_bias": share * angles[1],
    }
    for name, value in values.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), f"{PERSONAL_LAYERS}_{name}"))
    graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), f"{PERSONAL_LAYERS}_first"))
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), f"{PERSONAL_LAYERS}_second"))
    given, left = f"{STATE_IN}{states}", f"{STATE_OUT}{states}"
    for values_of, name in ((graph.input, given), (graph.output, left)):
        values_of.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ("batch", units)))
    shipped = next(node for node in graph.node if ANGLES in node.output)
    shipped.output[0] = f"{PERSONAL_LAYERS}_shipped"
    graph.node.extend(
        [
            _node("MatMul", [STANDARDISED, "~dense_kernel"], ["~product"]),
            _node("Add", ["~product", "~dense_bias"], ["~sum"]),
            _node("Sigmoid", ["~sum"], ["~gate"]),
            _node("Mul", ["~sum", "~gate"], ["~hidden"]),
            _node("Transpose", ["~hidden"], ["~sequence"], perm=[1, 0, 2]),
            _node("Unsqueeze", [given, "~first"], ["~before"]),
            _node(
                "GRU", ["~sequence", "~gru_kernel", "~gru_recurrence", "~gru_bias", "", "~before"], ["~all", "~after"],
                hidden_size=units, linear_before_reset=1,
            ),
            _node("Squeeze", ["~after", "~first"], [left]),
            _node("Squeeze", ["~all", "~second"], ["~rows"]),
            _node("Transpose", ["~rows"], ["~back"], perm=[1, 0, 2]),
            _node("MatMul", ["~back", "~angles_kernel"], ["~turned"]),
            _node("Add", ["~turned", "~angles_bias"], ["~added"]),
            _node("Add", ["~shipped", "~added"], [ANGLES]),
        ]
    )  # fmt: skip
    sort_nodes(graph)


def _node(kind: str, inputs: list[str], outputs: list[str], **attributes: object) -> onnx.NodeProto:
    """A node; `~` stands for the prefix of what is added."""
    named = [[name.replace("~", f"{PERSONAL_LAYERS}_") for name in names] for names in (inputs, outputs)]
    return helper.make_node(kind, *named, named[1][0] + "_node", **attributes)


def parity(before: bytes, after: bytes, layers: keras.Model, share: float) -> float:
    """The largest difference in mm between the new file's poses and those of the old one's angles with Keras' layers.

    Both start from zero states, on random EMG; the second half of it comes in a second step.
    """
    values = read_initializers(before)
    spec = ModelSpec.from_json(
        next(entry.value for entry in onnx.load_from_string(after).metadata_props if entry.key == METADATA_KEY)
    )
    emg = probe(SEQUENCES, PROBE, spec.emg_mode)
    features, angles = OnnxRunner.open(before, len(emg)).step_outputs(emg, (FEATURES, ANGLES))
    x = standardise(features, values[FEATURE_MEAN], values[FEATURE_SCALE])
    expected = angles + share * layers.predict_on_batch(x)
    runner = OnnxRunner.open(after, len(emg))
    found = np.concatenate(
        [runner.step_outputs(part, (ANGLES,))[0] for part in (emg[:, : PROBE // 2], emg[:, PROBE // 2 :])], axis=1
    )
    apart = np.abs(_points(found) - _points(np.asarray(expected, np.float32)))
    return float(apart.max())


def _points(angles: Float32Array) -> Float32Array:
    return points(angles.reshape(-1, angles.shape[-1]), bones())
