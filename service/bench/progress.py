"""The type of the callback by which a measurement reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with what is being done, and how much of it is done: a share from 0 to 1."""
