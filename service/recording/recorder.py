"""Start and stop recordings, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from drivers.clock import Clock, now
from drivers.events import Event
from drivers.sessions.report import SessionError, SessionExists, SessionWriteError
from service.events import DeviceEvent
from service.limits import DEFAULT_LIMITS
from service.recording.deferred_recording import DeferredRecording
from service.recording.errors import DiskFull, RecordingError, RecordingExists
from service.recording.paths import cannot_write, check_new, check_place, exists, new_name, recording_name
from service.recording.recording import Recording, RecordingStatus
from service.recording.writer import Writer


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
        buffer_bytes: int = DEFAULT_LIMITS.recording_buffer_bytes,
    ) -> None:
        self.failure: tuple[str, str] | None = None
        """Code and message of what closed the last recording before its time, once `stop` was called."""
        self._buffer_bytes = buffer_bytes
        self._start_lock = threading.Lock()
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

    @property
    def path(self) -> Path | None:
        """The file that is being written; None without one."""
        recording = self._recording
        return recording.path if recording is not None and not recording.failed else None

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
        while name is None and exists(path):
            # The second recording within one second; the user chose no name, so none is asked for.
            path, again = self._folder / f"{checked}-{again}.mcap", again + 1
        return self.start_file(path)

    def start_file(self, path: Path) -> RecordingStatus:
        """Begin a recording in this file.

        Raises:
            RecordingError: as `start` does.
        """
        with self._start_lock:
            if self.active:
                raise RecordingExists("a recording is running; stop it first")
            recording = self._make(path)
            try:
                recording.wait_until_open()
            except RecordingError:
                self._recording = None
                raise
            return recording.describe()

    def _make(self, path: Path, on_open_error: Callable[[RecordingError], None] | None = None) -> Recording:
        self.failure = None
        self._recording = recording = Recording(
            path,
            partial(self._open_file, path),
            self._on_failure,
            self._clock,
            on_open_error=on_open_error,
            known=self._known(),
            buffer_bytes=self._buffer_bytes,
        )
        return recording

    def _open_file(self, path: Path) -> Writer:
        """Create the file of a recording; called on the thread that writes it."""
        check_new(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return self._open(path)
        except SessionExists as error:
            raise RecordingExists(str(error)) from None
        except SessionWriteError as error:
            raise (DiskFull if error.disk_full else RecordingError)(str(error)) from None
        except SessionError as error:
            raise RecordingError(str(error)) from None
        except OSError as error:
            raise cannot_write(path, error) from None

    def start_with_first_sample(self, path: Path, on_error: Callable[[RecordingError], None]) -> None:
        """Begin a recording in this file with the first sample, including the events that came before it.

        Until then it counts as running: `describe` names it, and `stop` cancels it.

        Args:
            path: must not exist.
            on_error: takes what `start_file` raises when the first sample comes; called on another thread.

        Raises:
            RecordingError: a recording is running, or no file could be created there.
        """
        if self.active:
            raise RecordingExists("a recording is running; stop it first")
        check_place(path)
        self._deferred_name = recording_name(path)
        self._deferred = DeferredRecording(partial(self._begin, path, on_error), self)

    def stop(self) -> RecordingStatus | None:
        """Close the file; return its final status, None without a recording. This waits for the disk.

        `failure` says afterwards whether the recording had been closed before its time.
        """
        with self._begin_lock:
            deferred, self._deferred = self._deferred, None
            recording, self._recording = self._recording, None
        if deferred is not None:
            return self._describe_deferred()
        if recording is None:
            self.failure = None
            return None
        final = recording.close()
        self.failure = recording.failure
        return final

    def _begin(self, path: Path, on_error: Callable[[RecordingError], None]) -> None:
        with self._begin_lock:
            # `stop` may have cancelled it just now on another thread.
            if self._deferred is None:
                return
            self._deferred = None
            # The file is created on the recording's own thread, for this runs on the event loop's.
            self._make(path, on_error)

    def _describe_deferred(self) -> RecordingStatus:
        return {"name": self._deferred_name, "seconds": 0.0, "bytes": 0}
