"""Inertial samples as named columns, for formats that have signals of one rate only."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array

IMU_NAMES: Final = ("qw", "qx", "qy", "qz", "ax", "ay", "az", "gx", "gy", "gz")
IMU_UNITS: Final = ("", "", "", "", "g", "g", "g", "deg/s", "deg/s", "deg/s")


def imu_at(imu: Float64Array, t: Float64Array) -> Float32Array:
    """The newest inertial sample (m, 11) at each time of `t` (n,): (n, 10)."""
    place = np.clip(np.searchsorted(imu[:, 0], t, side="right") - 1, 0, len(imu) - 1)
    return imu[place, 1:].astype(np.float32)


def imu_of(values: Float32Array, t: Float64Array) -> Float64Array:
    """Inertial samples (m, 11) of columns (n, 10) that repeat each until the next."""
    new = np.concatenate(([True], (np.diff(values, axis=0) != 0).any(axis=1)))
    return np.column_stack((t[new], values[new].astype(np.float64)))
