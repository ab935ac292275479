"""A ring buffer in which every recent stretch of samples is one contiguous view."""

from __future__ import annotations

import numpy as np

from models.arrays import Float32Array
from models.hand import CHANNELS


class Ring:
    """The newest `capacity` samples, each a row of `channels` float32 values.

    Each row is stored twice, `capacity` apart (a mirrored ring), so a window never wraps and needs no copy.
    """

    def __init__(self, capacity: int, channels: int = CHANNELS) -> None:
        self.capacity = capacity
        self.rows = 0
        """Samples pushed since the beginning."""
        self._data = np.zeros((2 * capacity, channels), dtype=np.float32)
        self._copies = self._data.reshape(2, capacity, channels)

    def push(self, samples: Float32Array) -> None:
        """Append samples (n, channels); only the newest `capacity` rows are kept."""
        if len(samples) > self.capacity:
            self.rows += len(samples) - self.capacity
            samples = samples[-self.capacity :]
        at, size = self.rows % self.capacity, len(samples)
        head = self.capacity - at
        if size <= head:
            self._copies[:, at : at + size] = samples
        else:
            self._copies[:, at:] = samples[:head]
            self._copies[:, : size - head] = samples[head:]
        self.rows += size

    def view(self, end: int, count: int) -> Float32Array:
        """Return rows [end - count, end) as a view (count, channels), valid until they are overwritten.

        Raises:
            IndexError: some of them have not been pushed yet, or were overwritten.
        """
        if count > self.capacity or end > self.rows or end - count < max(0, self.rows - self.capacity):
            raise IndexError(f"rows {end - count} to {end} of {self.rows} are not in a ring of {self.capacity}")
        start = (end - count) % self.capacity
        return self._data[start : start + count]

    def grown(self, capacity: int) -> Ring:
        """Return a ring of a larger capacity that holds the same samples."""
        ring = Ring(capacity, self._data.shape[1])
        held = min(self.rows, self.capacity)
        ring.rows = self.rows - held
        ring.push(self.view(self.rows, held))
        return ring
