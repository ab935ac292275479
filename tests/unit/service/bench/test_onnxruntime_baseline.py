"""Runs of onnxruntime alone: what they time is what the engine computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.arrays import Float32Array
from service.bench.processes.onnxruntime_baseline import engine_run, session_run, time_alternately, time_paced
from service.engine.predictor import ModelFile
from tests.fakes.models_onnx import HOP, WINDOW, offline, offline_stream

WINDOWS = np.random.default_rng(3).normal(0.0, 20.0, (6, WINDOW, 8)).astype(np.float32)
CHUNKS = np.random.default_rng(4).normal(0.0, 20.0, (6, HOP, 8)).astype(np.float32)


def test_onnxruntime_alone_and_the_engine_compute_the_same(tiny_window: Path) -> None:
    model = ModelFile(tiny_window)
    alone, engine = session_run(model), engine_run(model.open())
    expected = offline(tiny_window, WINDOWS)
    for window, pose in zip(WINDOWS, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(alone(window))[0], pose)
        np.testing.assert_array_equal(np.asarray(engine(window)), pose)


def test_a_stream_carries_its_state(tiny_stream: Path) -> None:
    model = ModelFile(tiny_stream)
    alone, engine = session_run(model), engine_run(model.open())
    for chunk, pose in zip(CHUNKS, offline_stream(tiny_stream, list(CHUNKS)), strict=True):
        np.testing.assert_array_equal(np.asarray(alone(chunk))[0, -1], pose)
        np.testing.assert_array_equal(np.asarray(engine(chunk)), pose)


def test_runs_take_turns_on_the_same_windows() -> None:
    time, seen = [0.0], []

    def takes(name: str, seconds: float) -> None:
        seen.append(name)
        time[0] += seconds

    def fast(window: Float32Array) -> None:
        takes(f"fast{window[0, 0]:.0f}", 0.5)

    def slow(window: Float32Array) -> None:
        takes(f"slow{window[0, 0]:.0f}", 2.0)

    windows = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((1, 1, 8), dtype=np.float32)
    times = time_alternately({"fast": fast, "slow": slow}, windows, 6.0, size=2, clock=lambda: time[0])
    assert times == {"fast": [0.5] * 4, "slow": [2.0] * 4}
    warm_up, measured = seen[:4], seen[4:]
    assert warm_up == ["fast0", "fast1", "slow0", "slow1"]
    assert measured == ["fast0", "fast1", "slow0", "slow1", "fast2", "fast0", "slow2", "slow0"]


def test_paced_runs_are_counted_by_the_period() -> None:
    seen: list[float] = []
    times = time_paced(lambda window: seen.append(float(window[0, 0])), WINDOWS, period_s=0.001, seconds=0.008)
    assert len(times) == len(seen) == 8
    assert seen[6] == seen[0]
