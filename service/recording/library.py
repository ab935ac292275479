"""The recordings in a folder, by name."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from service.recording.errors import RecordingError
from service.recording.paths import check_name, recording_name

SUFFIX: Final = ".mcap"
_NO_LINK_NO_WAIT: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


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

    def open(self, name: str) -> tuple[BinaryIO, int]:
        """Open the file of a recording; return it, and the bytes that it has now.

        Raises:
            RecordingNameError, UnknownRecording, RecordingRuns: as `path` does.
        """
        try:
            # Without following a link, and without waiting for a pipe, that took its place meanwhile.
            descriptor = os.open(self.path(name), os.O_RDONLY | _NO_LINK_NO_WAIT)
        except OSError:
            raise UnknownRecording(f"the recording {name!r} is gone") from None
        file = os.fdopen(descriptor, "rb")
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            file.close()
            raise UnknownRecording(f"the recording {name!r} is gone")
        return file, found.st_size

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
        return RecordedFile(name, found.st_size, found.st_mtime, self._is_running(found))

    def _is_running(self, found: os.stat_result) -> bool:
        running = self._running()
        try:
            return running is not None and os.path.samestat(found, running.stat())
        except OSError:
            return False
