"""Give a streaming graph a measure of how far its poses are probably off.

A small head reads what the network computes (its standardised features) and what the network reads (its log averages)
and tells the error that is to be expected, as a share of a still hand's. It is trained on synthetic people whom no
shipped network was trained on, nor is judged on: some as they are, some with channels that fail, a band that is turned
or an amplifier that is set otherwise. Beyond what was seen there the expected error grows with the distance. The
weights are averaged over several networks, each trained on other people: that ranks better than any of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from exporters.errors import ExportError
from exporters.personal import SMALLEST_SCALE
from models.arrays import Float32Array, Float64Array
from models.confidence import shipped_weights
from models.forward.generator import FIRST_UNSEEN_USER, session
from models.kinematics import angles, measure, points
from models.onnx_file import ANGLES, CONFIDENCE, CONFIDENCE_PERSONAL, EXPECTED_ERROR, FEATURE_MEAN, FEATURES
from models.onnx_runner import OnnxRunner
from models.spec import ModelSpec

FIRST_USER: Final = 250
"""Of the people that heads are trained on (seed 1): shipped networks were trained on those before."""
USERS: Final = 40
"""People that `export` trains a head on."""
SECONDS: Final = 20.0
EVERY: Final = 10
"""Every so many labels (at 50 Hz) are learned from: neighbours teach the same."""
DAMAGED: Final = 0.35
"""Share of the people whose signal is damaged."""
NETWORKS: Final = 3
HIDDEN: Final = 10
"""Units of each of the networks that are averaged."""
BAG: Final = 0.7
"""Share of the people that each of them is trained on."""
EPOCHS: Final = 12
WEIGHT_DECAY: Final = 6.0
_TOP: Final = {"raw": 127.0, "envelope": 1000.0}
"""What a railed channel shows, `adc`."""
FAR_QUANTILE: Final = 0.999
"""Of the distance from what is usual: beyond it the expected error grows by 1 for each such distance."""


def add_confidence(
    model: onnx.ModelProto, spec: ModelSpec, *, users: int = USERS, seconds: float = SECONDS
) -> tuple[onnx.ModelProto, ModelSpec]:
    """Add the outputs `confidence` and `expected_error` to a streaming graph that `add_personal` has made room in.

    Args:
        model: such a graph.
        spec: says at which rate and in which mode its EMG comes.
        users: people that the head is trained on.
        seconds: of each.

    Returns:
        A new, checked model whose poses are those of `model`, and a specification that tells of its measure.

    Raises:
        ExportError: the graph has no features or no log averages, or there are not that many people.
    """
    if not 2 <= users <= FIRST_UNSEEN_USER - FIRST_USER:
        raise ExportError(f"a head is trained on 2 to {FIRST_UNSEEN_USER - FIRST_USER} people, got {users}")
    out = onnx.ModelProto()
    out.CopyFrom(model)
    averages = _find_averages(out.graph)
    probe = onnx.ModelProto()
    probe.CopyFrom(out)
    probe.graph.output.extend(_open_output(name) for name in (averages, "feature_clipped"))
    seen = _seen(probe, averages, spec, users, seconds)
    _add_nodes(out.graph, averages, _fit(seen))
    onnx.checker.check_model(out, full_check=True)
    about = {
        "still_mm": round(seen.still_mm, 2),
        "trained_on": [f"generator A1, seed 1, users {FIRST_USER} to {FIRST_USER + users - 1}, {seconds:g} s each"],
    }
    return out, replace(spec, confidence=about)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the network made of the people that the head is trained on."""

    user: Float64Array
    """(n,)"""
    inputs: Float32Array
    """(n, features + averages) what the head reads, standardised features first."""
    features: int
    """How many of these are features."""
    error: Float64Array
    """(n,) as a share of the still hand's."""
    damaged: Float64Array
    """(n,) whether the signal was."""
    still_mm: float
    """Error of the mean pose of all these people."""


@dataclass(frozen=True, slots=True)
class _FittedHead:
    hidden: Float32Array
    """(inputs, h)"""
    hidden_bias: Float32Array
    out: Float32Array
    """(h, 1)"""
    out_bias: Float32Array
    """(1,)"""
    mean: Float32Array
    """(averages,) of people whose signal is as it should be."""
    scale: Float32Array
    """(averages,) SD of the same."""
    far: float
    """Mean square of the standardised averages from which on the expected error grows."""


def _find_averages(graph: onnx.GraphProto) -> str:
    """The scaled logarithms of the running averages, side by side: (batch, n, averages)."""
    logs = [node.output[0] for node in graph.node if node.op_type == "Log"]
    named = {name for node in graph.node for name in node.output}
    if len(logs) != 1 or not {FEATURES, "feature_clipped", "feature_padded"} <= named:
        raise ExportError("the graph has no features to tell the confidence from; add them first (`add_personal`)")
    name = logs[0]
    for _ in range(len(graph.node)):
        after = [node for node in graph.node if name in node.input and node.op_type != "Shape"]
        if len(after) != 1:
            break
        name = after[0].output[0]
        if after[0].op_type == "Reshape":
            return str(name)
    raise ExportError("the graph has no log averages to tell the confidence from; export the network again")


def _feature_count(graph: onnx.GraphProto) -> int:
    return next(int(tensor.dims[0]) for tensor in graph.initializer if tensor.name == FEATURE_MEAN)


def _open_output(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ("batch", "n", None))


def _seen(model: onnx.ModelProto, averages: str, spec: ModelSpec, users: int, seconds: float) -> _Seen:
    runner, features = OnnxRunner.open(model.SerializeToString()), _feature_count(model.graph)
    rows = list(_rows(runner, averages, spec, users, seconds))
    user, damaged, inputs, predicted, truth = (np.concatenate(column) for column in zip(*rows, strict=True))
    bent = angles(truth)
    mean = bent[damaged == 0].mean(axis=0)
    error, still = np.empty(len(user)), np.empty(len(user))
    for number in np.unique(user):
        mine = user == number
        bones = measure(truth[mine][0])
        error[mine] = _distance(points(predicted[mine], bones), truth[mine])
        still[mine] = _distance(points(np.tile(mean, (int(mine.sum()), 1)), bones), truth[mine])
    still_mm = float(still.mean())
    return _Seen(user, inputs, features, error / still_mm, damaged, still_mm)


def _rows(
    runner: OnnxRunner, averages: str, spec: ModelSpec, users: int, seconds: float
) -> Iterator[tuple[Float32Array, ...]]:
    for user in range(FIRST_USER, FIRST_USER + users):
        made = session(user, 0, seconds, seed=1, rate_hz=spec.rate_hz, emg_mode=spec.emg_mode, losses=False)
        rng = np.random.default_rng(user)
        damaged = rng.random() < DAMAGED
        emg = damage(made.emg, rng, envelope=spec.emg_mode == "envelope") if damaged else made.emg
        runner.reset()
        names = ("feature_clipped", averages, ANGLES)
        clipped, logs, bent = (output[0] for output in runner.step_outputs(emg[None], names))
        assert made.label_t is not None
        assert made.joints is not None
        row = np.searchsorted(made.t, made.label_t[EVERY - 1 :: EVERY] + 1e-6) - 1
        yield (
            np.full(len(row), user),
            np.full(len(row), damaged),
            np.hstack([clipped[row], logs[row]]),
            bent[row],
            made.joints[EVERY - 1 :: EVERY].reshape(-1, 21, 3),
        )


def _distance(pose: Float32Array, truth: Float32Array) -> Float64Array:
    """Mean distance of the 20 points beside the wrist, (n,) mm."""
    return np.asarray(np.linalg.norm(pose - truth, axis=-1)[:, 1:].mean(axis=1), np.float64)


def damage(emg: Float32Array, rng: np.random.Generator, *, envelope: bool) -> Float32Array:
    """A session's signal from some moment on as it is when something is wrong.

    Args:
        emg: (n, 8) in `adc`.
        rng: decides what is wrong, with which channels, how badly and from when on.
        envelope: whether it is an envelope (which has no sign).
    """
    kind = str(rng.choice(["flat", "noisy", "railed", "copy", "gain", "turn", "hum"]))
    bad = rng.choice(8, size=int(rng.choice([1, 1, 1, 2, 3])), replace=False)
    out = emg.astype(np.float64)
    late = out[int(rng.uniform(0.0, 0.7) * len(out)) :]
    if kind == "flat":
        late[:, bad] = 0.0
    elif kind == "noisy":
        noise = rng.normal(0.0, rng.uniform(8.0, 60.0), late[:, bad].shape)
        late[:, bad] += np.abs(noise) if envelope else noise
    elif kind == "railed":
        late[:, bad] = _TOP["envelope" if envelope else "raw"]
    elif kind == "copy":
        late[:, bad] = late[:, (bad + 1) % 8]
    elif kind == "gain":
        late *= np.exp(rng.normal(0.0, 1.0))
    elif kind == "turn":
        late[:] = np.roll(late, int(rng.choice([-3, -2, 2, 3, 4])), axis=1)
    else:
        mains = rng.uniform(8.0, 40.0) * np.sin(0.5 * np.pi * np.arange(len(late)) + rng.uniform(0.0, 6.0))
        late[:, bad] += np.abs(mains).mean() if envelope else mains[:, None]
    return (out if envelope else np.clip(out, -128.0, 127.0)).astype(np.float32)


def _fit(seen: _Seen) -> _FittedHead:
    from sklearn.neural_network import MLPRegressor

    people = np.unique(seen.user)
    parts = []
    for number in range(NETWORKS):
        rng = np.random.default_rng(number)
        mine = np.isin(seen.user, rng.choice(people, max(2, int(BAG * len(people))), replace=False))
        network = MLPRegressor(
            hidden_layer_sizes=(HIDDEN,), alpha=WEIGHT_DECAY, batch_size=min(512, int(mine.sum())), random_state=number
        )
        order = rng.permutation(np.flatnonzero(mine))
        for _ in range(EPOCHS):
            network.partial_fit(seen.inputs[order], seen.error[order])
        parts.append((*network.coefs_, *network.intercepts_))
    hidden, out, hidden_bias, out_bias = zip(*parts, strict=True)
    usual = seen.inputs[seen.damaged == 0, seen.features :]
    mean, scale = usual.mean(axis=0), usual.std(axis=0) + np.float32(SMALLEST_SCALE)
    return _FittedHead(
        np.hstack(hidden).astype(np.float32),
        np.concatenate(hidden_bias).astype(np.float32),
        (np.vstack(out) / NETWORKS).astype(np.float32),
        np.mean(out_bias, axis=0).astype(np.float32),
        mean,
        scale,
        float(np.quantile((((usual - mean) / scale) ** 2).mean(axis=1), FAR_QUANTILE)),
    )


def _add_nodes(graph: onnx.GraphProto, averages: str, head: _FittedHead) -> None:
    features = _feature_count(graph)
    hidden, out = _with_far_and_bias(head, features)
    constants = {"error_hidden": hidden, "error_out": out, CONFIDENCE_PERSONAL: shipped_weights(features)}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.extend(
        [
            helper.make_node("Mul", [averages, averages], ["average_squares"], "average_squares"),
            _join(["feature_padded", averages, "average_squares"], "error_inputs"),
            helper.make_node("MatMul", ["error_inputs", "error_hidden"], ["error_sums"], "error_sums"),
            helper.make_node("Relu", ["error_sums"], ["error_units"], "error_units"),
            helper.make_node("MatMul", ["error_units", "error_out"], [EXPECTED_ERROR], EXPECTED_ERROR),
            _join([EXPECTED_ERROR, "feature_padded"], "confidence_inputs"),
            helper.make_node(
                "MatMul", ["confidence_inputs", CONFIDENCE_PERSONAL], ["confidence_logit"], "confidence_logit"
            ),
            helper.make_node("Sigmoid", ["confidence_logit"], [CONFIDENCE], CONFIDENCE),
        ]
    )
    for name in (CONFIDENCE, EXPECTED_ERROR):
        graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ("batch", "n", 1)))


def _join(parts: list[str], name: str) -> onnx.NodeProto:
    return helper.make_node("Concat", parts, [name], name, axis=-1)


def _with_far_and_bias(head: _FittedHead, features: int) -> tuple[Float32Array, Float32Array]:
    """The two matrices of the head with everything else folded in, which keeps a pose about as cheap as it was.

    Rows of the first: features, 1, averages, squares of these. Two units are added: how far beyond what is usual the
    averages are, and a constant for the bias of the second.
    """
    units, averages = head.hidden.shape[1], len(head.mean)
    one, first, squares = features, features + 1, features + 1 + averages
    weight = 1.0 / (averages * head.far * head.scale**2)
    hidden = np.zeros((squares + averages, units + 2), np.float32)
    hidden[:features, :units], hidden[first:squares, :units] = head.hidden[:features], head.hidden[features:]
    hidden[one, :units] = head.hidden_bias
    hidden[first:squares, units], hidden[squares:, units] = -2.0 * head.mean * weight, weight
    hidden[one, units] = float((head.mean**2 * weight).sum()) - 1.0
    hidden[one, units + 1] = 1.0
    return hidden, np.vstack([head.out, [[1.0]], head.out_bias[:, None]]).astype(np.float32)
