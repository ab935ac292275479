"""How long networks take in bare onnxruntime, on one thread, all of them in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import numpy as np

ROUNDS: Final = 20
RUNS: Final = 15
WARM_UP: Final = 3
Key = TypeVar("Key")


def median_ms(sessions: Mapping[Key, tuple[Any, int]], rounds: int = ROUNDS) -> dict[Key, float]:
    """Median of one run of each, in blocks in turn, so that a busy moment of the machine is everybody's.

    Args:
        sessions: by name, an `onnxruntime.InferenceSession` and how many samples one run takes: a whole window, or
            the new samples of a stream, which carries its states along.
        rounds: blocks of each.

    Returns:
        By the same names, milliseconds.
    """
    runs = {name: _runner(session, rows) for name, (session, rows) in sessions.items()}
    took: dict[Key, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            for turn in range(WARM_UP + RUNS):
                began = time.perf_counter()
                run()
                if turn >= WARM_UP:
                    took[name].append(time.perf_counter() - began)
    return {name: float(np.median(times) * 1000.0) for name, times in took.items()}


def _runner(session: Any, rows: int) -> Callable[[], None]:
    rng = np.random.default_rng(0)
    emg, *states = session.get_inputs()
    feed = {"emg": rng.integers(-40, 40, (1, rows, emg.shape[2])).astype(np.float32)}
    feed |= {state.name: np.zeros((1, *state.shape[1:]), np.float32) for state in states}
    names = ["pose", *(state.name.replace("_in_", "_out_") for state in states)]

    def run() -> None:
        _, *after = session.run(names, feed)
        feed.update(zip((state.name for state in states), after, strict=True))

    return run
