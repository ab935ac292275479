"""Errors of the benchmark."""

from __future__ import annotations

from models.errors import MyocastError


class BenchError(MyocastError):
    """The benchmark cannot run as asked, or one of its processes failed."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
