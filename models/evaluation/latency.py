"""How long one pose takes in bare onnxruntime, on one thread."""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np

RUNS: Final = 400
WARM_UP: Final = 20


def median_ms(session: Any, window: int, runs: int = RUNS) -> float:
    """Median of one run: of a whole window, or of one new sample of a stream with its states.

    Args:
        session: an `onnxruntime.InferenceSession` with batch 1.
        window: samples; 0 for a stream.
        runs: timed ones.
    """
    rng = np.random.default_rng(0)
    emg, *states = session.get_inputs()
    feed = {"emg": rng.integers(-40, 40, (1, window or 1, emg.shape[2])).astype(np.float32)}
    feed |= {state.name: np.zeros((1, *state.shape[1:]), np.float32) for state in states}
    names = [output.name for output in session.get_outputs()]
    took = []
    for i in range(WARM_UP + runs):
        began = time.perf_counter()
        session.run(names, feed)
        if i >= WARM_UP:
            took.append(time.perf_counter() - began)
    return float(np.median(took) * 1000.0)
