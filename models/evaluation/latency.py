"""How long networks take in onnxruntime alone, on one thread, all of them in turn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, TypeVar

import numpy as np

from models.hand import CHANNELS
from models.onnx_runner import OnnxRunner

ROUNDS: Final = 20
RUNS: Final = 15
WARM_UP: Final = 3
Key = TypeVar("Key")


def median_ms(runners: Mapping[Key, tuple[OnnxRunner, int]], rounds: int = ROUNDS) -> dict[Key, float]:
    """Median of one run of each, in blocks in turn, so that a busy moment of the machine affects all of them.

    Args:
        runners: by name, a network and how many samples one run takes: a whole window, or the new samples of a stream.
        rounds: blocks of each.

    Returns:
        By the same names, milliseconds.
    """
    rng = np.random.default_rng(0)
    took: dict[Key, list[float]] = {name: [] for name in runners}
    emg = {name: rng.integers(-40, 40, (1, rows, CHANNELS)).astype(np.float32) for name, (_, rows) in runners.items()}
    for _ in range(rounds):
        for name, (runner, _) in runners.items():
            for number in range(WARM_UP + RUNS):
                began = time.perf_counter()
                runner.step(emg[name])
                if number >= WARM_UP:
                    took[name].append(time.perf_counter() - began)
    return {name: float(np.median(times) * 1000.0) for name, times in took.items()}
