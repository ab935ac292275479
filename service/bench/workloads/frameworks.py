"""The same network in Keras, in TensorFlow and in onnxruntime, on the same windows in turn.

It runs in a process of its own: what serves never sees TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.arrays import Float32Array
from service.bench.processes.onnxruntime_baseline import bare_run, in_turn
from service.bench.processes.worker_process import BenchError, Child, Line
from service.bench.report.statistics import Limit, Times
from service.engine.predictor import ModelFile
from service.experiments.keras_setup import prepare_keras

TIMES_PREDICT: Final = 20.0
TIMES_FUNCTION: Final = 3.0
BLOCK: Final = 10
LOOKED_AT: Final = 20
HOP: Final = 4


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
    with Child(
        "service.bench.workloads.frameworks:measure", model=str(model), windows=str(windows), seconds=seconds
    ) as child:
        answer = child.hear(300.0 + seconds)
    return Comparison(
        keras_predict=Times.of(answer["keras_predict"]),
        tf_function=Times.of(answer["tf_function"]),
        onnxruntime=Times.of(answer["onnxruntime"]),
        trained=answer["trained"],
        differ_mm=answer["differ_mm"],
    )


def untrained(architecture: str, folder: Path) -> Path:
    """A model file of an architecture as it is before training; its Keras file lies beside it."""
    with Child("service.bench.workloads.frameworks:build", architecture=architecture, folder=str(folder)) as child:
        return Path(child.hear(300.0)["model"])


def measure(line: Line, request: dict[str, Any]) -> None:
    """The child of `compare`."""
    prepare_keras(threads=1)
    model = ModelFile(Path(request["model"]))
    windows: Float32Array = np.load(Path(request["windows"]))
    network, states, trained = _network(model)
    runs = {
        "keras_predict": _predict(network, states),
        "tf_function": _function(network, states),
        "onnxruntime": bare_run(model),
    }
    differ = _difference(runs["keras_predict"], model, windows, stream=bool(states)) if trained else None
    line.send(**in_turn(runs, windows, request["seconds"], BLOCK), trained=trained, differ_mm=differ)


def build(line: Line, request: dict[str, Any]) -> None:
    """The child of `untrained`."""
    prepare_keras(threads=1)
    from exporters.export import export
    from models.architectures import network
    from models.architectures.base import NetworkConfig
    from models.training.network_file import Card, save

    config = NetworkConfig()
    built = network(request["architecture"]).assemble(config)
    card = Card(request["architecture"], config, HOP)
    path = Path(request["folder"]) / f"{request['architecture']}.onnx"
    save(path.with_suffix(".keras"), built, card)
    export(built, card, path)
    line.send(model=str(path))


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
    worst, run = 0.0, bare_run(model)
    for window in windows[:LOOKED_AT]:
        run = bare_run(model) if stream else run
        worst = max(worst, float(np.abs(np.asarray(run(window)) - predict(window)).max()))
    return worst
