"""Recordings whose every sample can be checked by arithmetic, and the events that make them."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.events import Frame, SourceInfo
from models.arrays import Float32Array
from models.recording import Recording

T0 = 1_763_900_000.25
INFO = SourceInfo(uri="myo:AA:BB:CC:DD:EE:FF", name="My Myo", rate_hz=200.0, hand="left", address="AA:BB:CC:DD:EE:FF")


def ramp(start: int, rows: int) -> Float32Array:
    """Channel 1 carries the sample index modulo 100, channel 2 its hundreds, the others their number."""
    index = np.arange(start, start + rows)
    samples = np.tile(np.arange(1, 9, dtype=np.float32), (rows, 1))
    samples[:, 0], samples[:, 1] = index % 100, index // 100
    return samples


def index_of(emg: Float32Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    return (emg[:, 0] + 100 * emg[:, 1]).astype(np.int64)


def frame(sample: int, rows: int = 2, gap: bool = False, truth: Float32Array | None = None) -> Frame:
    t = T0 + sample / 200
    return Frame(sample, t, ramp(sample, rows), arrival=t + 0.0173, gap=gap, truth=truth)


def recording(n: int = 2000, rate: float = 200.0, origin: float = 0.0, gap: bool = True) -> Recording:
    dice = np.random.default_rng(5)
    sample = np.arange(n) + (np.arange(n) >= n // 2) * (137 if gap else 0)
    t = np.round(origin + sample / rate, 6)
    return Recording(
        emg=dice.integers(-128, 128, (n, 8)).astype(np.float32),
        t=t,
        sample=sample,
        rate_hz=rate,
        hand="left",
        name="band",
        meta={"user": "3", "session": "2", "rotation_deg": 22.5, "path": "/home/somebody/secret"},
    )
