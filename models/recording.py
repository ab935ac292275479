"""A session in memory, for training, evaluation and replay. Files are read and written by `drivers.sessions`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from models.arrays import Float32Array, Float64Array, Int64Array
from models.hand import Side


@dataclass(frozen=True, slots=True)
class Marker:
    """A class label or a note at one moment."""

    t: float
    label: str
    arrival: float | None = field(default=None, compare=False)
    """When a live one arrived, on the clock of `t`; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One device's session, time-major.

    Everything is in the device's own channel order; `joints` is ground truth in frame `hand`.
    """

    emg: Float32Array
    """(n, 8) in `unit`."""
    t: Float64Array
    """(n,) time of each sample, seconds (any origin), never decreasing."""
    sample: Int64Array
    """(n,) index of each sample; it jumps where samples were lost."""
    rate_hz: float
    unit: str = "adc"
    emg_mode: str = "raw"
    hand: Side | None = None
    name: str = ""
    label_t: Float64Array | None = None
    """(m,) times of `joints`, on the same clock as `t`."""
    joints: Float32Array | None = None
    """(m, 63) mm, or None where the session has no ground truth."""
    angle_t: Float64Array | None = None
    """(k,) times of `angles`, on the same clock as `t`."""
    angles: Float32Array | None = None
    """(k, 20) radians in the order of `models.kinematics.ANGLES`, NaN where an angle has no label; None without any.

    Labels that are points stand in `joints` and not here."""
    classes: Int64Array | None = None
    """(n,) class label of each sample, or None."""
    markers: tuple[Marker, ...] = ()
    frame_start: Int64Array | None = None
    """(k,) row of the first sample of each frame as it arrived, or None if not known."""
    arrival: Float64Array | None = None
    """(k,) arrival time of each frame, on the clock of `t`, or None if not known."""
    imu: Float64Array | None = None
    """(m, 11): t, quaternion w x y z, acceleration x y z in g, gyroscope x y z in deg/s."""
    breaks: Int64Array | None = None
    """(b,) rows before which time is broken although `sample` goes on (a join of files, a seek)."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Other metadata of the file: user, session, donning, block, orientation, software version."""

    def __len__(self) -> int:
        return len(self.emg)

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to the end of the last one."""
        return float(self.t[-1] - self.t[0]) + 1.0 / self.rate_hz if len(self.t) else 0.0

    def segments(self) -> Iterator[slice]:
        """The longest runs of consecutive samples: windows and sequences never cross their borders."""
        cut = np.diff(self.sample) != 1
        if self.breaks is not None:
            cut[self.breaks[(self.breaks > 0) & (self.breaks < len(self))] - 1] = True
        edges = [0, *(np.flatnonzero(cut) + 1).tolist(), len(self)]
        for start, stop in pairwise(edges):
            if stop > start:
                yield slice(start, stop)

    def joints_at(self, t: Float64Array) -> Float32Array | None:
        """Ground truth at the times `t` (k,), linearly interpolated: (k, 63), or None without truth."""
        if self.joints is None or self.label_t is None or not len(self.joints):
            return None
        after = np.clip(np.searchsorted(self.label_t, t), 1, max(len(self.label_t) - 1, 1))
        if len(self.joints) == 1:
            return np.repeat(self.joints, len(t), axis=0)
        before = after - 1
        span = self.label_t[after] - self.label_t[before]
        weight = np.clip((t - self.label_t[before]) / np.where(span > 0, span, 1.0), 0.0, 1.0)
        mixed = self.joints[before] * (1.0 - weight[:, None]) + self.joints[after] * weight[:, None]
        return np.asarray(mixed, dtype=np.float32)

    def angles_at(self, t: Float64Array) -> Float32Array | None:
        """Labelled angles at the times `t` (k,), linearly interpolated: (k, 20) radians, or None without any.

        NaN before an angle's first label and after its last.
        """
        if self.angles is None or self.angle_t is None or not len(self.angles):
            return None
        out = np.full((len(t), self.angles.shape[1]), np.nan, np.float32)
        for column, values in enumerate(self.angles.T):
            known = np.isfinite(values)
            if known.any():
                out[:, column] = np.interp(t, self.angle_t[known], values[known], left=np.nan, right=np.nan)
        return out
