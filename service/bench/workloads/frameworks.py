"""The same network in Keras, in TensorFlow and in onnxruntime, alternately on the same windows.

It runs in a process of its own, so that the benchmark itself never imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.arrays import Float32Array
from service.bench.errors import BenchError
from service.bench.processes.onnxruntime_baseline import session_run, time_alternately
from service.bench.processes.worker_process import Channel, Message, WorkerProcess
from service.bench.report.statistics import Limit, Times
from service.engine.predictor import ModelFile
from service.experiments.keras_setup import prepare_keras

TIMES_PREDICT: Final = 20.0
TIMES_FUNCTION: Final = 3.0
BLOCK: Final = 10
COMPARED_WINDOWS: Final = 20
HOP: Final = 4
START_TIMEOUT_S: Final = 300.0
"""Seconds in which TensorFlow is imported and a network is built."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Milliseconds per window, all on one thread."""

    keras_predict: Times
    tf_function: Times
    onnxruntime: Times
    trained: bool
    """Whether the Keras network has the model's weights; without its file it has others, and the same speed."""
    differ_mm: float | None
    """The largest difference between Keras and onnxruntime, where the weights are the same."""

    @property
    def predict_ratio(self) -> float:
        return self.keras_predict.p50 / self.onnxruntime.p50

    @property
    def function_ratio(self) -> float:
        return self.tf_function.p50 / self.onnxruntime.p50

    def limits(self) -> list[Limit]:
        return [
            Limit("onnxruntime faster than Keras predict, per window", self.predict_ratio, ">=", TIMES_PREDICT, "x"),
            Limit("onnxruntime faster than a tf.function, one thread", self.function_ratio, ">=", TIMES_FUNCTION, "x"),
        ]


def compare(model: Path, windows: Path, seconds: float) -> Comparison:
    """Measure.

    Args:
        model: the ONNX file; its Keras file has the same name with `.keras`, or is missing.
        windows: an .npy of (k, rows, 8).
        seconds: for all three together.
    """
    with WorkerProcess(measure, model=model, windows=windows, seconds=seconds) as worker:
        answer = worker.recv(START_TIMEOUT_S + seconds)
    return Comparison(
        keras_predict=Times.of(answer["keras_predict"]),
        tf_function=Times.of(answer["tf_function"]),
        onnxruntime=Times.of(answer["onnxruntime"]),
        trained=answer["trained"],
        differ_mm=answer["differ_mm"],
    )


def untrained(architecture: str, folder: Path) -> Path:
    """A model file of an architecture as it is before training; its Keras file lies beside it."""
    with WorkerProcess(build, architecture=architecture, folder=folder) as worker:
        model: Path = worker.recv(START_TIMEOUT_S)["model"]
        return model


def measure(channel: Channel, request: Message) -> None:
    """Run the worker of `compare`."""
    prepare_keras(threads=1)
    model = ModelFile(request["model"])
    windows: Float32Array = np.load(request["windows"])
    network, states, trained = _network(model)
    runs = {
        "keras_predict": _predict(network, states),
        "tf_function": _function(network, states),
        "onnxruntime": session_run(model),
    }
    differ = _difference(runs["keras_predict"], model, windows, stream=bool(states)) if trained else None
    times = time_alternately(runs, windows, request["seconds"], BLOCK)
    channel.send(**times, trained=trained, differ_mm=differ)


def build(channel: Channel, request: Message) -> None:
    """Run the worker of `untrained`."""
    prepare_keras(threads=1)
    from exporters.export import export
    from models.architectures import network
    from models.architectures.base import NetworkConfig
    from models.training.network_file import Card, save

    config = NetworkConfig()
    built = network(request["architecture"]).assemble(config)
    card = Card(request["architecture"], config, HOP)
    path: Path = request["folder"] / f"{request['architecture']}.onnx"
    save(path.with_suffix(".keras"), built, card)
    export(built, card, path)
    channel.send(model=path)


def _network(model: ModelFile) -> tuple[Any, list[Float32Array], bool]:
    """The Keras model, its zero states, and whether the weights are the model's own."""
    from models.architectures import network
    from models.architectures.base import NetworkConfig
    from models.training.network_file import load

    path = model.path.with_suffix(".keras")
    if path.exists():
        built, card = load(path)
        if card.architecture != model.spec.architecture:
            raise BenchError(f"{path} is a {card.architecture}, {model.path.name} a {model.spec.architecture}", 2)
    else:
        built = network(model.spec.architecture).assemble(NetworkConfig(model.spec.rate_hz, model.spec.emg_mode))
    return built.serve, [np.zeros((1, *shape), np.float32) for shape in built.states], path.exists()


def _predict(network: Any, states: list[Float32Array]) -> Callable[[Float32Array], Any]:
    def run(window: Float32Array) -> Any:
        outputs = network.predict([window[None], *states] if states else window[None], verbose=0)
        return outputs[0] if states else outputs

    return run


def _function(network: Any, states: list[Float32Array]) -> Callable[[Float32Array], Any]:
    import tensorflow as tf

    traced = tf.function(
        lambda *inputs: network(list(inputs) if states else inputs[0], training=False), jit_compile=False
    )

    def run(window: Float32Array) -> Any:
        outputs = traced(*(tf.constant(array) for array in (window[None], *states)))
        return (outputs[0] if states else outputs).numpy()

    return run


def _difference(
    predict: Callable[[Float32Array], Any], model: ModelFile, windows: Float32Array, *, stream: bool
) -> float:
    """In mm; a stream starts anew at each window on both sides."""
    worst, run = 0.0, session_run(model)
    for window in windows[:COMPARED_WINDOWS]:
        run = session_run(model) if stream else run
        worst = max(worst, float(np.abs(np.asarray(run(window)) - predict(window)).max()))
    return worst
