"""The version of this package, which `hello`, model files and session files carry."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

NOT_INSTALLED: Final = "0+unknown"
"""Version where Myocast runs from its sources without being installed."""


def package_version() -> str:
    """Return the installed version of Myocast, or `NOT_INSTALLED`."""
    try:
        return version("myocast")
    except PackageNotFoundError:
        return NOT_INSTALLED
