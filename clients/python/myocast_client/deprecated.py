"""Names of an earlier version that still work."""

from __future__ import annotations

import warnings


def deprecated(old: str, name: str) -> None:
    """Warn the caller of a deprecated property or function that `old` is now called `name`."""
    warnings.warn(f"{old} is deprecated and goes with version 0.2; use {name}", DeprecationWarning, stacklevel=3)
