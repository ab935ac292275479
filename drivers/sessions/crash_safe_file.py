"""A growing MCAP file that is complete after every commit.

The end marks (DataEnd, Footer without a summary, magic: https://mcap.dev/spec) follow each commit and
are overwritten by the next one, so a killed process leaves a file that every MCAP tool opens. They also
reserve room on the disk: when it is full, the file is cut back to the last commit and still ends properly.
(The library writes end marks only when it closes a file, so this is our own.)
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from mcap.data_stream import RecordBuilder
from mcap.records import DataEnd, Footer
from mcap.writer import MCAP0_MAGIC

from drivers.sessions.report import FileChanged


def _end_marks() -> bytes:
    builder = RecordBuilder()
    DataEnd(data_section_crc=0).write(builder)
    Footer(summary_start=0, summary_offset_start=0, summary_crc=0).write(builder)
    return bytes(builder.end()) + bytes(MCAP0_MAGIC)


END: Final = _end_marks()


def as_file(stream: CrashSafeFile) -> IO[bytes]:
    """The stream, typed for an MCAP writer, which calls only `write`, `tell` and `flush` of a file."""
    return cast(IO[bytes], stream)


class CrashSafeFile:
    """The stream under an MCAP writer: `write` collects, `flush` commits.

    Args:
        file: open for writing, seekable; unbuffered, so that a commit reaches the operating system.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pending = bytearray()
        self.committed = 0
        self._size = 0

    def write(self, data: bytes) -> int:
        """Collect bytes for the next commit."""
        self._pending += data
        return len(data)

    def tell(self) -> int:
        """Bytes committed and collected."""
        return self.committed + len(self._pending)

    def flush(self) -> None:
        """Commit what was written.

        Raises:
            OSError: the disk refused; the file ends properly after the previous commit.
        """
        if self._pending:
            self._put(END)

    def finish(self) -> None:
        """Commit what was written as the end of the file, with the end marks that the writer wrote.

        Raises:
            OSError: as for `flush`.
        """
        self._put(b"")
        self._file.truncate(self.committed)

    def sync(self) -> None:
        """Flush the file to the disk, where it is on one."""
        with contextlib.suppress(OSError):
            os.fsync(self._file.fileno())

    @property
    def path(self) -> Path | None:
        """Path of the file, if it has one."""
        name = getattr(self._file, "name", None)
        return Path(name) if isinstance(name, str | Path) else None

    def close(self) -> None:
        """Close the file without a commit."""
        self._file.close()

    def check(self) -> None:
        """Look whether the file is still where it was created, and as long as it was written.

        Raises:
            FileChanged: it is not.
        """
        try:
            found = os.fstat(self._file.fileno())
        except (OSError, AttributeError, ValueError):
            return  # no file of this system
        if found.st_size != self._size:
            raise FileChanged("another program changed the length of the file")
        path = self.path
        if path is None or sys.platform == "win32":
            return  # Windows keeps a file that is open
        try:
            there = path.stat()
        except OSError:
            raise FileChanged("the file was removed or moved") from None
        if (there.st_ino, there.st_dev) != (found.st_ino, found.st_dev):
            raise FileChanged("another file took its place")

    def _put(self, end: bytes) -> None:
        self.check()
        try:
            self._write_at(self.committed, bytes(self._pending) + end)
        except OSError:
            self._pending.clear()
            self._restore()
            raise
        self.committed += len(self._pending)
        self._size = self.committed + len(end)
        self._pending.clear()

    def _restore(self) -> None:
        with contextlib.suppress(OSError):
            self._write_at(self.committed, END)
        with contextlib.suppress(OSError):
            self._file.truncate(self.committed + len(END))
        self._size = self.committed + len(END)

    def _write_at(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
