"""The process clock: Unix seconds that never step back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

Clock = Callable[[], float]

_ANCHOR: Final = time.time() - time.perf_counter()


def now() -> float:
    """Unix seconds (float64) from the monotonic clock, anchored once when the process began."""
    return time.perf_counter() + _ANCHOR
