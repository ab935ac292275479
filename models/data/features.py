"""Running averages of rectified EMG: the same numbers as a stream's front end, computed for training.

A first-order recursive average `y += (1 - a) (|x| - y)` with `a = exp(-1 / (rate * time constant))`, divided by the
weight `1 - a^n` that it has gathered since the start, so that the first samples are no weaker.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from models.architectures.base import decay
from models.arrays import Float32Array


def bank(emg: Float32Array, rate_hz: float, time_constants_s: Sequence[float]) -> Float32Array:
    """Running averages with several time constants.

    Args:
        emg: (n, 8) in the device's unit, without gaps.
        rate_hz: samples per second.
        time_constants_s: k time constants, seconds.

    Returns:
        (n, k, 8) float32, same unit.
    """
    x = np.abs(emg.astype(np.float64))
    age = np.arange(1, len(x) + 1)[:, None]
    averages = []
    for seconds in time_constants_s:
        a = decay(rate_hz, seconds)
        averages.append((lfilter([1.0 - a], [1.0, -a], x, axis=0) / (1.0 - a**age)).astype(np.float32))
    return np.stack(averages, axis=1)
