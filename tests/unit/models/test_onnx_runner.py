"""One step at a time, by either way of running, against plain onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.arrays import Float32Array
from models.hand import CHANNELS, VALUES
from models.onnx_runner import OnnxRunner
from tests.fakes.models_onnx import WINDOW, offline, offline_stream


def noise(count: int, rows: int) -> Float32Array:
    rng = np.random.default_rng(count * rows)
    return rng.normal(0.0, 20.0, (count, rows, CHANNELS)).astype(np.float32)


def test_windows_are_independent_of_one_another(tiny_window: Path) -> None:
    windows = noise(5, WINDOW)
    runner = OnnxRunner.open(tiny_window.read_bytes())
    np.testing.assert_array_equal(runner.step(windows), offline(tiny_window, windows))
    np.testing.assert_array_equal(runner.step(windows[:2]), offline(tiny_window, windows[:2]))


def test_a_stream_carries_its_state_until_it_is_reset(tiny_stream: Path) -> None:
    chunks = list(noise(6, 4))
    runner = OnnxRunner.open(tiny_stream.read_bytes())
    expected = offline_stream(tiny_stream, chunks)
    for _ in range(2):
        poses = [runner.step(chunk[None])[0, -1] for chunk in chunks]
        np.testing.assert_array_equal(poses, expected)
        assert not np.array_equal(runner.step(chunks[0][None])[0, -1], expected[0])
        runner.reset()


def test_sequences_side_by_side_have_states_of_their_own(tiny_stream: Path) -> None:
    sequences = noise(3, 12)
    runner = OnnxRunner.open(tiny_stream.read_bytes(), batch=3)
    both = np.concatenate([runner.step(sequences[:, :5]), runner.step(sequences[:, 5:])], axis=1)
    for sequence, poses in zip(sequences, both, strict=True):
        np.testing.assert_allclose(poses[-1], offline_stream(tiny_stream, [sequence])[0], atol=1e-4)


@pytest.mark.parametrize("resets", [False, True])
def test_bound_steps_give_what_free_ones_give(tiny_stream: Path, resets: bool) -> None:
    chunks = list(noise(7, 3))
    free, tied = (OnnxRunner.open(tiny_stream.read_bytes()) for _ in range(2))
    emg, pose = np.zeros((1, 3, CHANNELS), np.float32), np.zeros((1, 3, VALUES), np.float32)
    bound = tied.bind(emg, pose)
    for chunk in chunks:
        if resets:
            free.reset()
            tied.reset()
        emg[0] = chunk
        tied.run(bound)
        np.testing.assert_array_equal(pose, free.step(chunk[None]))
