"""The version of this installation."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """Version of the installed package, or `0+unknown` where Myocast runs from sources that were never installed."""
    try:
        return version("myocast")
    except PackageNotFoundError:
        return "0+unknown"
