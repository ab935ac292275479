"""Made-up EMG and clocks that run fast: what fakes of hardware play, without heavy imports."""

from __future__ import annotations

import numpy as np

from drivers.clock import Clock, now
from models.recording import Recording


def fast_clock(time_scale: float) -> Clock:
    """A clock that runs `time_scale` times as fast as the process clock."""
    start = now()
    return lambda: start + (now() - start) * time_scale


def made_up(samples: int = 400, hand: str | None = "right") -> Recording:
    """Integers in the range of int8, every row different from its neighbours."""
    rng = np.random.default_rng(1)
    emg = rng.integers(-128, 128, (samples, 8)).astype(np.float32)
    index = np.arange(samples)
    return Recording(emg, index / 200.0, index, 200.0, hand="left" if hand == "left" else "right")
