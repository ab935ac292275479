"""The yardstick of the latency: onnxruntime alone, on one thread, on the windows that were served."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.arrays import Float32Array
from models.onnx_runner import OnnxRunner
from service.bench.processes.worker_process import Line
from service.engine.predictor import ModelFile, Predictor

BLOCK: Final = 50
Run = Callable[[Float32Array], object]


def measure(line: Line, request: dict[str, Any]) -> None:
    """Run `model` on `windows` (an .npy of (k, rows, 8)) for `seconds`, in turn bare and as the engine does.

    Then bare once more at the pace of the stream, a run every `period_s`. Answers with durations in seconds:
    `bare`, `engine`, `paced`.
    """
    windows: Float32Array = np.load(Path(request["windows"]))
    model = ModelFile(Path(request["model"]))
    bare, engine = bare_run(model), engine_run(model.open())
    flat = in_turn({"bare": bare, "engine": engine}, windows, request["seconds"])
    line.send(**flat, paced=paced(bare, windows, request["period_s"], request["seconds"]))


def bare_run(model: ModelFile) -> Run:
    """`session.run` and nothing else; a stream's state is carried along."""
    runner = OnnxRunner.open(model.data)
    return lambda window: runner.step(window[None])


def engine_run(predictor: Predictor) -> Run:
    """What the engine's two threads do for one pose: copy the samples in, infer."""

    def run(window: Float32Array) -> object:
        predictor.load(window)
        return predictor.run()

    return run


def in_turn(
    runs: dict[str, Run],
    windows: Float32Array,
    seconds: float,
    size: int = BLOCK,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time each of several runs on the same windows, blocks of `size` in turn, for so many seconds.

    Every run sees every window as often as the others; there is at least one block.
    """
    for run in runs.values():
        for window in windows[:size]:
            run(window)
    times: dict[str, list[float]] = {name: [] for name in runs}
    block, until = 0, clock() + seconds
    while not block or clock() < until:
        rows = [windows[(block * size + i) % len(windows)] for i in range(min(size, len(windows)))]
        for name, run in runs.items():
            times[name] += [_timed(run, window, clock) for window in rows]
        block += 1
    return times


def paced(run: Run, windows: Float32Array, period_s: float, seconds: float) -> list[float]:
    """Time a run every `period_s`: between two of them the processor rests and its caches cool, as in service."""
    start, times = time.perf_counter(), []
    for turn in range(max(1, int(seconds / period_s))):
        time.sleep(max(0.0, start + turn * period_s - time.perf_counter()))
        times.append(_timed(run, windows[turn % len(windows)], time.perf_counter))
    return times


def _timed(run: Run, window: Float32Array, clock: Callable[[], float]) -> float:
    begun = clock()
    run(window)
    return clock() - begun
