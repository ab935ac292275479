"""A recording that is only there to be played: eight waves at 200 Hz."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.hand import CHANNELS

RATE_HZ = 200.0


def write_session(path: Path, seconds: float) -> Path:
    """A CSV session of `seconds`, and its path."""
    k = np.arange(int(seconds * RATE_HZ))
    waves = np.round(60 * np.sin(k[:, None] / 7 + np.arange(CHANNELS)))
    header = ",".join(["t", *(f"ch{c + 1}" for c in range(CHANNELS))])
    np.savetxt(path, np.column_stack([k / RATE_HZ, waves]), "%.4f", ",", header=header, comments="")
    return path
