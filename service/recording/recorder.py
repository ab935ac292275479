"""Recording while streaming: a bounded buffer on the event loop's side, a thread that writes on the other.

The file is flushed as it is written. If the disk is full, or so slow that 60 s of signal wait for it, the file is
closed as it is, readable, and the samples that it lacks are counted and reported.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypedDict

from drivers.clock import Clock, now
from drivers.errors import DriverError
from drivers.events import Event, Frame
from drivers.sessions.report import SessionError, SessionExists, SessionWriteError
from service.engine.pose import Pose
from service.events import DeviceEvent
from service.recording.deferred_recording import DeferredRecording
from service.recording.writer import Writer

BUFFER_S: Final = 60.0
"""Seconds of signal that may wait for the disk; beyond that the recording is closed."""
FLUSH_S: Final = 0.5
"""Seconds between two checks for a due flush while nothing comes: a killed recorder loses at most the last second."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names that a client may give a recording."""

FAILURES: Final = frozenset({"disk_full", "recording_too_slow", "recording_failed"})
"""Codes of `status.error` that are about a recording; the next recording clears them."""

Item = tuple[int, DeviceEvent]


class RecordingError(DriverError):
    """A recording that cannot be made."""


class RecordingExists(RecordingError):
    """A file of that name exists, or a recording is running."""


class RecordingNameError(RecordingError):
    """A name that is not a plain file name."""


class DiskFull(RecordingError):
    """There is no room for a recording."""

    exit_code = 1


def new_name(name: str | None) -> str:
    """Check the name of a recording; return the date and time if there is none.

    Raises:
        RecordingNameError: it is not a plain file name.
    """
    if name is None:
        return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    if not NAME.fullmatch(name):
        raise RecordingNameError(
            f"recording name {name!r}: expected letters, digits, `.`, `_`, `-` (64 at most), e.g. session-1"
        )
    return name


def check_place(path: Path) -> None:
    """Check that a file could be created here, without creating it.

    Raises:
        RecordingExists: the file exists.
        RecordingError: it could not be created.
    """
    check_new(path)
    folder = next(parent for parent in path.absolute().parents if _exists(parent))
    if not folder.is_dir():
        raise RecordingError(f"{path}: cannot be written ({folder} is not a folder); choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecordingError(f"{path}: cannot be written (no permission to write in {folder}); choose another place")


def check_new(path: Path) -> None:
    """Check that no such file exists.

    Raises:
        RecordingExists: it exists.
        RecordingError: the system does not say whether it does.
    """
    if _exists(path):
        raise RecordingExists(f"{path} exists already; recordings are never overwritten, choose another name")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"{path}: cannot be written ({error.strerror}); choose another place")


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
        on_failure: takes a code of `FAILURES` and a message, once, on either thread.
    """

    def __init__(self, path: Path, writer: Writer, on_failure: Callable[[str, str], None], clock: Clock = now) -> None:
        self.path = path
        self.name = _name_of(path)
        self._writer, self._on_failure, self._clock = writer, on_failure, clock
        self._started = clock()
        self._ended: float | None = None
        self._queue: deque[tuple[float, Item]] = deque()
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
            self._queue.append((time_, (device, event)))
            self._ready.notify()

    def describe(self) -> RecordingStatus:
        """Return `status.recording`."""
        seconds = (self._ended or self._clock()) - self._started
        return {"name": self.name, "seconds": round(seconds, 3), "bytes": self._writer.bytes_written}

    @property
    def unwritten(self) -> int:
        """Samples that came and are not in the file, those that still wait left out."""
        return self._unwritten + self._writer.samples_lost

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
        closing = False
        while not closing:
            items, closing = self._next()
            if not self._guarded(partial(self._write, items)):
                break
        self._guarded(self._writer.close)

    def _next(self) -> tuple[list[Item], bool]:
        with self._ready:
            if not self._queue and not self._closing:
                self._ready.wait(FLUSH_S)
            items = [item for _, item in self._queue]
            self._queue.clear()
            return items, self._closing

    def _write(self, items: list[Item]) -> None:
        for at, (device, event) in enumerate(items):
            try:
                self._write_one(device, event)
            except OSError:
                for _, lost in items[at + 1 :]:
                    self._count_unwritten(lost)
                raise
        self._writer.flush_if_due()

    def _write_one(self, device: int, event: DeviceEvent) -> None:
        if isinstance(event, Pose):
            self._writer.write_pose(
                event.t, event.sample, event.joints, seq=event.seq, arrival=event.finished, device=device
            )
        else:
            self._writer.write(event, device=device)

    def _guarded(self, action: Callable[[], None]) -> bool:
        """Run an action of the writer; return False and close the recording if the disk refuses."""
        try:
            action()
        except OSError as error:
            with self._ready:
                self._give_up(
                    "disk_full" if error.errno == errno.ENOSPC else "recording_failed", error.strerror or str(error)
                )
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
        self._on_failure(
            code,
            f"recording {self.name} was closed: {reason}; "
            f"what was written is readable in {self.path.name}, {self.unwritten} samples are missing",
        )

    def _count_unwritten(self, event: DeviceEvent) -> None:
        if isinstance(event, Frame):
            self._unwritten += len(event.samples)


class Recorder:
    """Makes recordings, one at a time.

    Args:
        folder: where recordings go that are started by name.
        open_writer: creates a session file.
        on_failure: takes a code of `FAILURES` and a message, on any thread.
        known: returns the events that a file must begin with: what each device is.
    """

    def __init__(
        self,
        folder: Path,
        open_writer: Callable[[Path], Writer],
        on_failure: Callable[[str, str], None],
        known: Callable[[], Iterable[tuple[int, Event]]] = tuple,
        clock: Clock = now,
    ) -> None:
        self._folder, self._open, self._on_failure, self._clock = folder, open_writer, on_failure, clock
        self._known = known
        self._recording: Recording | None = None
        self._deferred: DeferredRecording | None = None
        self._deferred_name = ""
        self._begin_lock = threading.Lock()

    @property
    def active(self) -> bool:
        """Whether there is a recording, including one that waits for its first sample."""
        return self.waiting or (self._recording is not None and not self._recording.failed)

    @property
    def waiting(self) -> bool:
        """Whether a recording waits for its first sample."""
        return self._deferred is not None

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Record an event, if there is a recording."""
        target = self._deferred or self._recording
        if target is not None:
            target.on_event(device, event)

    def describe(self) -> RecordingStatus | None:
        """Return `status.recording`; None without a recording."""
        if self.waiting:
            return self._describe_deferred()
        recording = self._recording
        return recording.describe() if recording is not None and not recording.failed else None

    def start(self, name: str | None) -> RecordingStatus:
        """Begin `NAME.mcap` in the folder of recordings.

        Raises:
            RecordingError: the name is invalid, a recording is running, the file exists, or the disk is full.
        """
        checked = new_name(name)
        path, again = self._folder / f"{checked}.mcap", 2
        while name is None and _exists(path):
            # The second recording within one second; the user chose no name, so none is asked for.
            path, again = self._folder / f"{checked}-{again}.mcap", again + 1
        return self.start_file(path)

    def start_file(self, path: Path) -> RecordingStatus:
        """Begin a recording in this file.

        Raises:
            RecordingError: as `start` does.
        """
        if self.active:
            raise RecordingExists("a recording is running; stop it first")
        check_new(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = self._open(path)
        except SessionExists as error:
            raise RecordingExists(str(error)) from None
        except SessionWriteError as error:
            raise (DiskFull if error.disk_full else RecordingError)(str(error)) from None
        except SessionError as error:
            raise RecordingError(str(error)) from None
        except OSError as error:
            raise _cannot_write(path, error) from None
        self._recording = Recording(path, writer, self._on_failure, self._clock)
        for device, event in self._known():
            self._recording.on_event(device, event)
        return self._recording.describe()

    def start_with_first_sample(self, path: Path, on_error: Callable[[RecordingError], None]) -> None:
        """Begin a recording in this file with the first sample, including the events that came before it.

        Until then it counts as running: `describe` names it, and `stop` cancels it.

        Args:
            path: must not exist.
            on_error: takes what `start_file` raises when the first sample comes.

        Raises:
            RecordingError: a recording is running, or no file could be created there.
        """
        if self.active:
            raise RecordingExists("a recording is running; stop it first")
        check_place(path)
        self._deferred_name = _name_of(path)
        self._deferred = DeferredRecording(partial(self._begin, path, on_error), self)

    def stop(self) -> RecordingStatus | None:
        """Close the file; return its final status, None without a recording. This waits for the disk."""
        with self._begin_lock:
            deferred, self._deferred = self._deferred, None
            recording, self._recording = self._recording, None
        if deferred is not None:
            return self._describe_deferred()
        return None if recording is None else recording.close()

    def _begin(self, path: Path, on_error: Callable[[RecordingError], None]) -> None:
        with self._begin_lock:
            # `stop` may have cancelled it just now on another thread.
            if self._deferred is None:
                return
            self._deferred = None
            try:
                self.start_file(path)
            except RecordingError as error:
                on_error(error)

    def _describe_deferred(self) -> RecordingStatus:
        return {"name": self._deferred_name, "seconds": 0.0, "bytes": 0}


def _name_of(path: Path) -> str:
    return path.name.removesuffix(".mcap")
