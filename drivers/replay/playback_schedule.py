"""Times at which the frames and events of a recording are due, in seconds from its first sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from drivers.events import Battery, Imu, Marker, Notice
from models.arrays import Float32Array, Float64Array, Int64Array
from models.recording import Recording

_FRAME_S: Final = 0.010
_BLOCK: Final = 512

Extra = Imu | Battery | Marker | Notice


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames to play; times in seconds from the first sample."""

    edges: Int64Array
    """(k + 1,) row of the first sample of each frame, and the number of rows."""
    first_t: Float64Array
    """(k,) time of the first sample of each."""
    due: Float64Array
    """(k,) time at which each is emitted."""
    gap: npt.NDArray[np.bool_]
    """(k,) whether samples are missing before it."""
    per_second: float
    """Mean number of frames in a second."""

    def __len__(self) -> int:
        return len(self.due)

    @classmethod
    def of(cls, recording: Recording) -> Frames:
        """Divide a recording into its bursts, or into frames of 10 ms where these are not known."""
        segments = list(recording.segments())
        heads = np.array([segment.start for segment in segments], dtype=np.int64)
        if recording.frame_start is not None and recording.arrival is not None and len(recording.arrival):
            start = np.union1d(recording.frame_start, heads)
            frame = np.searchsorted(recording.frame_start, start, side="right") - 1
            due = np.maximum.accumulate(recording.arrival[np.maximum(frame, 0)])
        else:
            rows = max(1, round(_FRAME_S * recording.rate_hz))
            start = np.concatenate([np.arange(s.start, s.stop, rows, dtype=np.int64) for s in segments])
            due = recording.t[np.append(start[1:], len(recording)) - 1]
        edges = np.append(start, len(recording))
        gap = np.isin(start, heads)
        gap[0] = False
        origin = recording.t[0]
        return cls(edges, recording.t[start] - origin, due - origin, gap, len(start) / recording.duration_s)


@dataclass(frozen=True, slots=True)
class Extras:
    """The other recorded events, in order of time."""

    due: Float64Array
    """(k,) time at which each is emitted."""
    order: Int64Array
    """(k,) row of `imu` or, from len(imu) on, of `others`."""
    imu: Float64Array
    """(m, 11) t, quaternion, acceleration, angular rate."""
    others: tuple[Battery | Notice | Marker, ...]

    @classmethod
    def of(cls, recording: Recording) -> Extras:
        """Sort the IMU samples, markers and events of a recording."""
        imu = recording.imu if recording.imu is not None else np.empty((0, 11))
        others = (*recording.markers, *recording.meta.get("events", ()))
        t = np.concatenate((imu[:, 0], [event.t for event in others])) - recording.t[0]
        order = np.argsort(t, kind="stable")
        # Events before the first sample are due at the beginning.
        return cls(np.maximum(t[order], 0.0), order, imu, others)

    def next_due(self, index: int) -> float:
        """Time at which event `index` is due; infinite after the last."""
        return self.due.item(index) if index < len(self.due) else np.inf

    def event(self, index: int, t: float) -> Extra:
        """Make event `index` with the time `t`, Unix seconds."""
        item = self.order.item(index)
        if item >= len(self.imu):
            return replace(self.others[item - len(self.imu)], t=t)
        _, w, x, y, z, ax, ay, az, gx, gy, gz = self.imu[item].tolist()
        return Imu(t, (w, x, y, z), (ax, ay, az), (gx, gy, gz))


class Truth:
    """True joints at the samples, interpolated block by block, since those of an hour would not fit in memory."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._start = self._stop = 0
        self._block: Float32Array | None = None

    def rows(self, start: int, stop: int) -> Float32Array | None:
        """Joints of the rows from `start` to `stop`: (stop - start, 63) in mm; None in a recording without them."""
        if self._recording.joints is None:
            return None
        if not self._start <= start or not stop <= self._stop:
            self._start, self._stop = start, min(max(start + _BLOCK, stop), len(self._recording))
            self._block = self._recording.joints_at(self._recording.t[self._start : self._stop])
        return None if self._block is None else self._block[start - self._start : stop - self._start]
