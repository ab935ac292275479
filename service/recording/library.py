"""The recordings in a folder, by name."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.recording.errors import RecordingError
from service.recording.paths import check_name, recording_name

SUFFIX: Final = ".mcap"


class UnknownRecording(RecordingError):
    """No recording of that name."""


class RecordingRuns(RecordingError):
    """The recording is still being written."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A session file in the folder of recordings."""

    name: str
    """The file's name without `.mcap`."""
    bytes: int
    modified: float
    """When it was last written, Unix seconds."""
    running: bool
    """Whether it is still being written."""


class RecordingLibrary:
    """Session files in a folder whose names a client may give, and nothing else in it: no links, no other files.

    Files are looked at when they are asked for, so call it on a thread that may wait for the disk.

    Args:
        folder: need not exist.
        running: returns the file that is being written, if there is one.
    """

    def __init__(self, folder: Path, running: Callable[[], Path | None]) -> None:
        self.folder, self._running = folder.absolute(), running

    def recordings(self) -> list[RecordedFile]:
        """Return all recordings, the newest first."""
        try:
            found = [self._inspect(path) for path in self.folder.glob(f"*{SUFFIX}")]
        except OSError:
            return []
        return sorted((one for one in found if one is not None), key=lambda one: one.modified, reverse=True)

    def path(self, name: str) -> Path:
        """Return the file of a recording.

        Raises:
            RecordingNameError: the name is not a plain file name.
            UnknownRecording: there is none of that name.
            RecordingRuns: it is still being written.
        """
        path = self.folder / f"{check_name(name)}{SUFFIX}"
        found = self._inspect(path)
        if found is None:
            raise UnknownRecording(f"no recording {name!r}; GET /api/v1/recordings lists them")
        if found.running:
            raise RecordingRuns(f"{name} is still being recorded; stop it first")
        return path

    def _inspect(self, path: Path) -> RecordedFile | None:
        """Return what a file is, None if it is no recording."""
        name = recording_name(path)
        try:
            check_name(name)
            found = path.lstat()
        except (RecordingError, OSError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        running = self._running()
        return RecordedFile(name, found.st_size, found.st_mtime, running is not None and running.absolute() == path)
