"""One recording: a bounded buffer on the event loop's side, a thread that writes on the other.

The file is flushed as it is written. If the disk is full, or so slow that 60 s of signal or 64 MB wait for it, the file
is closed as it is, readable, and the samples that it lacks are counted and reported. A file that another program
removes or changes is noticed, too.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, TypedDict

from drivers.clock import Clock, now
from drivers.events import Frame, Raw
from drivers.sessions.report import FileChanged
from service.engine.pose import Pose
from service.events import DeviceEvent
from service.limits import DEFAULT_LIMITS
from service.recording.errors import RecordingError
from service.recording.paths import recording_name
from service.recording.writer import Writer

log = logging.getLogger("myocast")

BUFFER_S: Final = 60.0
"""Seconds of signal that may wait for the disk; beyond that the recording is closed."""
FLUSH_S: Final = 0.5
"""Seconds between two checks for a due flush while nothing comes: a killed recorder loses at most the last second."""
FAILURES: Final = frozenset({"disk_full", "recording_too_slow", "recording_failed"})
"""Codes of `status.error` that are about a recording; the next recording clears them."""

FILE_CHANGED: Final = "file_changed"
"""What `_give_up` takes where another program removed or changed the file; it is told as `recording_failed`."""
EVENT_BYTES: Final = 600
"""Bytes that an event counts in the buffer, beside its arrays."""

Item = tuple[int, DeviceEvent]
"""Index of a device, and its event."""


class RecordingStatus(TypedDict):
    """`status.recording`."""

    name: str
    seconds: float
    """Duration so far."""
    bytes: int
    """Size of the file."""


class Recording:
    """One file that is being written. `on_event` runs on the event loop's thread and never waits for the disk.

    Args:
        path: of the file, for messages.
        open_writer: creates the file; called on the writing thread. It raises RecordingError where it cannot.
        on_failure: takes a code of `FAILURES` and a message, once, on either thread.
        on_open_error: takes what `open_writer` raised, on the writing thread; None: `wait_until_open` raises it.
        known: events that the file begins with.
        buffer_bytes: that may wait for the disk.
    """

    def __init__(
        self,
        path: Path,
        open_writer: Callable[[], Writer],
        on_failure: Callable[[str, str], None],
        clock: Clock = now,
        *,
        on_open_error: Callable[[RecordingError], None] | None = None,
        known: Iterable[Item] = (),
        buffer_bytes: int = DEFAULT_LIMITS.recording_buffer_bytes,
    ) -> None:
        self.path = path
        self.name = recording_name(path)
        self.failure: tuple[str, str] | None = None
        """What `on_failure` was told."""
        self._open_writer, self._on_failure, self._clock = open_writer, on_failure, clock
        self._on_open_error, self._buffer_bytes = on_open_error, buffer_bytes
        self._writer: Writer | None = None
        self._open_error: RecordingError | None = None
        self._opened = threading.Event()
        self._started = clock()
        self._ended: float | None = None
        self._queue: deque[tuple[float, Item]] = deque((self._started, item) for item in known)
        self._queued_bytes = 0
        self._ready = threading.Condition()
        self._closing = False
        self._failed = False
        self._unwritten = 0
        self._thread = threading.Thread(target=self._work, name="myocast-recorder", daemon=True)
        self._thread.start()

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Queue an event for the writing thread."""
        time_ = self._clock()
        with self._ready:
            if self._failed or self._closing:
                self._count_unwritten(event)
                return
            if self._queue and time_ - self._queue[0][0] > BUFFER_S:
                self._count_unwritten(event)
                self._give_up("recording_too_slow", f"the disk is more than {BUFFER_S:g} s behind")
                return
            size = _size(event)
            if self._queued_bytes + size > self._buffer_bytes:
                self._count_unwritten(event)
                self._give_up("recording_too_slow", f"more than {self._buffer_bytes >> 20} MB wait for the disk")
                return
            self._queued_bytes += size
            self._queue.append((time_, (device, event)))
            self._ready.notify()

    def wait_until_open(self) -> None:
        """Wait for the disk until the file has been created.

        Raises:
            RecordingError: it could not be.
        """
        self._opened.wait()
        if self._open_error is not None:
            raise self._open_error

    def describe(self) -> RecordingStatus:
        """Return `status.recording`."""
        seconds = (self._ended or self._clock()) - self._started
        return {
            "name": self.name,
            "seconds": round(seconds, 3),
            "bytes": 0 if self._writer is None else self._writer.bytes_written,
        }

    @property
    def unwritten(self) -> int:
        """Samples that arrived and are not in the file, without those still in the buffer."""
        return self._unwritten + (0 if self._writer is None else self._writer.samples_lost)

    @property
    def failed(self) -> bool:
        """Whether the file was closed because of an error."""
        return self._failed

    def close(self) -> RecordingStatus:
        """Write what waits and close the file; return its final status. This waits for the disk."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        self._thread.join()
        self._ended = self._ended or self._clock()
        return self.describe()

    def _work(self) -> None:
        try:
            self._writer = writer = self._open_writer()
        except Exception as error:
            self._cannot_open(error)
            return
        finally:
            self._opened.set()
        closing = False
        while not closing:
            items, closing = self._next()
            if not self._guarded(partial(self._write, writer, items)):
                break
        self._guarded(writer.close)

    def _cannot_open(self, error: Exception) -> None:
        if not isinstance(error, RecordingError):
            log.error("the writer of recording %s failed", self.name, exc_info=error)
            error = RecordingError(f"{self.path}: cannot be written ({type(error).__name__}: {error})")
        with self._ready:
            self._open_error, self._failed, self._closing = error, True, True
            for _, (_, event) in self._queue:
                self._count_unwritten(event)
            self._queue.clear()
        if self._on_open_error is not None:
            self._on_open_error(error)

    def _next(self) -> tuple[list[Item], bool]:
        with self._ready:
            if not self._queue and not self._closing:
                self._ready.wait(FLUSH_S)
            items = [item for _, item in self._queue]
            self._queue.clear()
            self._queued_bytes = 0
            return items, self._closing

    def _write(self, writer: Writer, items: list[Item]) -> None:
        try:
            writer.check()
        except OSError:
            for _, lost in items:
                self._count_unwritten(lost)
            raise
        for at, (device, event) in enumerate(items):
            try:
                self._write_one(writer, device, event)
            except Exception as error:
                # Of a frame that the disk refused, the writer counts the samples itself.
                first = at + 1 if isinstance(error, OSError) else at
                for _, lost in items[first:]:
                    self._count_unwritten(lost)
                raise
        writer.flush_if_due()

    def _write_one(self, writer: Writer, device: int, event: DeviceEvent) -> None:
        if isinstance(event, Pose):
            if event.held:
                return  # a recording has what was made of samples
            writer.write_pose(
                event.t,
                event.sample,
                event.joints,
                seq=event.seq,
                arrival=event.finished,
                device=device,
                confidence=event.confidence,
                filtered={} if event.filter is None else event.filter.as_object(),
            )
        else:
            writer.write(event, device=device)

    def _guarded(self, action: Callable[[], None]) -> bool:
        """Run an action of the writer; return False and close the recording if it fails, whatever the reason."""
        try:
            action()
        except OSError as error:
            with self._ready:
                self._give_up(_code_of(error), error.strerror or str(error))
            return False
        except Exception as error:
            log.exception("the writer of recording %s failed", self.name)
            with self._ready:
                self._give_up("recording_failed", f"{type(error).__name__}: {error}")
            return False
        return True

    def _give_up(self, code: str, reason: str) -> None:
        if self._failed:
            return
        self._failed = True
        self._closing = True
        self._ended = self._clock()
        for _, (_, event) in self._queue:
            self._count_unwritten(event)
        self._queue.clear()
        self._ready.notify()
        message = (
            f"recording {self.name} was closed: {reason}; "
            f"what was written is readable in {self.path.name}, {self.unwritten} samples are missing"
        )
        if code == FILE_CHANGED:
            code, message = "recording_failed", f"recording {self.name} was closed: {reason}; it cannot be relied on"
        self.failure = code, message
        self._on_failure(code, message)

    def _count_unwritten(self, event: DeviceEvent) -> None:
        if isinstance(event, Frame):
            self._unwritten += len(event.samples)


def _code_of(error: OSError) -> str:
    if isinstance(error, FileChanged):
        return FILE_CHANGED
    return "disk_full" if error.errno == errno.ENOSPC else "recording_failed"


def _size(event: DeviceEvent) -> int:
    """About how many bytes an event takes while it waits."""
    if isinstance(event, Frame):
        return EVENT_BYTES + event.samples.nbytes + (0 if event.truth is None else event.truth.nbytes)
    return EVENT_BYTES + (len(event.data) if isinstance(event, Raw) else 0)
