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
            raise cannot_write(path, error) from None
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
        self._deferred_name = recording_name(path)
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
