"""The baseline of the latency run: onnxruntime alone, on one thread, on the windows that the server used."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from models.arrays import Float32Array
from models.onnx_runner import OnnxRunner
from service.bench.processes.worker_process import Channel, Message
from service.engine.predictor import ModelFile, Predictor

BLOCK: Final = 50
"""Windows that one of several runs gets before the next run gets the same."""
Run = Callable[[Float32Array], object]


def measure(channel: Channel, request: Message) -> None:
    """Run `model` on `windows` (an .npy of (k, rows, 8)) for `seconds`, alternately alone and as the engine does.

    Then alone once more at the rate of the stream, a run every `period_s`. Answers with durations in seconds:
    `onnxruntime` (alone), `engine`, `paced`.
    """
    windows: Float32Array = np.load(request["windows"])
    model = ModelFile(request["model"])
    alone, engine = session_run(model), engine_run(model.open())
    times = time_alternately({"onnxruntime": alone, "engine": engine}, windows, request["seconds"])
    channel.send(**times, paced=time_paced(alone, windows, request["period_s"], request["seconds"]))


def session_run(model: ModelFile) -> Run:
    """`session.run` and nothing else; a stream's state is carried along."""
    runner = OnnxRunner.open(model.data)
    return lambda window: runner.step(window[None])


def engine_run(predictor: Predictor) -> Run:
    """What the engine's two threads do for one pose: copy the samples in, infer."""

    def run(window: Float32Array) -> object:
        predictor.load(window)
        return predictor.run()

    return run


def time_alternately(
    runs: dict[str, Run],
    windows: Float32Array,
    seconds: float,
    size: int = BLOCK,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time several runs on the same windows, alternately, a block of `size` windows each, for so many seconds.

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


def time_paced(run: Run, windows: Float32Array, period_s: float, seconds: float) -> list[float]:
    """Time a run every `period_s` seconds: between two of them caches cool and clocks slow down, as when serving."""
    start, times = time.perf_counter(), []
    for number in range(max(1, int(seconds / period_s))):
        time.sleep(max(0.0, start + number * period_s - time.perf_counter()))
        times.append(_timed(run, windows[number % len(windows)], time.perf_counter))
    return times


def _timed(run: Run, window: Float32Array, clock: Callable[[], float]) -> float:
    begun = clock()
    run(window)
    return clock() - begun
