"""The windows that were served, cut out of the kept EMG once more."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.arrays import Float32Array
from models.hand import CHANNELS


def cut(
    emg: Float32Array, sample: npt.NDArray[np.int64], newest: npt.NDArray[np.int64], rows: int, most: int = 2000
) -> Float32Array:
    """The `rows` samples up to and including each of `newest`, where all of them were kept and none is missing.

    Args:
        emg: (n, 8).
        sample: (n,) the index of each row, increasing.
        newest: (k,) indices of the newest samples of windows.
        rows: samples per window.
        most: at most so many windows, the first ones.

    Returns:
        (m, rows, 8) float32, m <= k.
    """
    end = np.searchsorted(sample, newest)
    inside = (end >= rows - 1) & (end < len(sample))
    end, newest = end[inside], newest[inside]
    whole = (sample[end] == newest) & (sample[end - rows + 1] == newest - rows + 1)
    found = [emg[e - rows + 1 : e + 1] for e in end[whole][:most].tolist()]
    return np.stack(found) if found else np.zeros((0, rows, CHANNELS), dtype=np.float32)
