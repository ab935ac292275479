"""Why a recording cannot be made."""

from __future__ import annotations

from drivers.errors import DriverError


class RecordingError(DriverError):
    """A recording that cannot be made."""


class RecordingExists(RecordingError):
    """A file of that name exists, or a recording is running."""


class RecordingNameError(RecordingError):
    """A name that is not a plain file name."""


class RecordingFailed(RecordingError):
    """A file was closed before its time."""

    exit_code = 1


class DiskFull(RecordingError):
    """There is no room for a recording."""

    exit_code = 1
