"""Recording while streaming: a bounded buffer on the loop's side, a thread with the disk on the other.

Nothing recorded is ever lost: the file is written and flushed as it comes; where the disk is full, or so
slow that 60 s of signal wait, the file is closed as it is, readable, and what it lacks is counted.
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
from typing import Any, Final

from drivers.clock import Clock, now
from drivers.errors import DriverError
from drivers.events import Event, Frame
from drivers.sessions.report import SessionError, SessionExists, SessionWriteError
from service.engine.pose import Pose
from service.events import DeviceEvent
from service.recording.deferred_recording import DeferredRecording
from service.recording.writer import Writer

BUFFER_S: Final = 60.0
FLUSH_S: Final = 0.5
"""An idle writer looks so often whether a flush is due: a killed recorder loses at most the last second."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

FAILURES: Final = frozenset({"disk_full", "recording_too_slow", "recording_failed"})
"""Codes of `status.error` that tell of a recording; a new one takes them back."""

Item = tuple[int, DeviceEvent]


class RecordingError(DriverError):
    """A recording that cannot be made."""


class RecordingExists(RecordingError):
    """There is one of that name, or one is running; nothing is ever overwritten."""


class RecordingNameError(RecordingError):
    """A name that is no file name."""


class DiskFull(RecordingError):
    """No room for a recording."""

    exit_code = 1


def new_name(name: str | None) -> str:
    """A checked recording name; date and time where none is given.

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
    """See whether a file could be made there; nothing is made yet.

    Raises:
        RecordingExists: there is one.
        RecordingError: it could not.
    """
    check_new(path)
    folder = next(parent for parent in path.absolute().parents if _is_there(parent))
    if not folder.is_dir():
        raise RecordingError(f"{path}: cannot be written ({folder} is not a folder); choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecordingError(f"{path}: cannot be written (no permission to write in {folder}); choose another place")


def check_new(path: Path) -> None:
    """Raise RecordingExists where there is a file, and RecordingError where that cannot be told."""
    if _is_there(path):
        raise RecordingExists(f"{path} exists already; recordings are never overwritten, choose another name")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"{path}: cannot be written ({error.strerror}); choose another place")


class Recording:
    """One file being written. `put` is called on the loop's thread and never waits for the disk."""

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
        self._refused = 0
        self._thread = threading.Thread(target=self._work, name="myocast-recorder", daemon=True)
        self._thread.start()

    def on_event(self, device: int, event: DeviceEvent) -> None:
        time_ = self._clock()
        with self._ready:
            if self._failed or self._closing:
                self._count(event)
                return
            if self._queue and time_ - self._queue[0][0] > BUFFER_S:
                self._give_up("recording_too_slow", f"the disk is more than {BUFFER_S:g} s behind")
                self._count(event)
                return
            self._queue.append((time_, (device, event)))
            self._ready.notify()

    def describe(self) -> dict[str, Any]:
        """`status.recording`."""
        seconds = (self._ended or self._clock()) - self._started
        return {"name": self.name, "seconds": round(seconds, 3), "bytes": self._writer.bytes_written}

    @property
    def unwritten(self) -> int:
        """Samples that came and are not in the file."""
        return self._refused + self._writer.samples_lost

    @property
    def failed(self) -> bool:
        return self._failed

    def close(self) -> dict[str, Any]:
        """Write what waits, close the file, and tell what it became. It waits for the disk."""
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
                    self._count(lost)
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
        try:
            action()
        except OSError as error:
            with self._ready:
                self._give_up(
                    "disk_full" if error.errno == errno.ENOSPC else "recording_failed", error.strerror or str(error)
                )
            return False
        return True

    def _give_up(self, code: str, why: str) -> None:
        if self._failed:
            return
        self._failed = True
        self._closing = True
        self._ended = self._clock()
        for _, (_, event) in self._queue:
            self._count(event)
        self._queue.clear()
        self._ready.notify()
        self._on_failure(
            code, f"recording {self.name} was closed: {why}; what was written is readable in {self.path.name}"
        )

    def _count(self, event: DeviceEvent) -> None:
        if isinstance(event, Frame):
            self._refused += len(event.samples)


class Recorder:
    """At most one recording at a time."""

    def __init__(
        self,
        folder: Path,
        open_writer: Callable[[Path], Writer],
        on_failure: Callable[[str, str], None],
        known: Callable[[], Iterable[tuple[int, Event]]] = tuple,
        clock: Clock = now,
    ) -> None:
        """`known` gives what a file must begin with: what each device is."""
        self._folder, self._open, self._on_failure, self._clock = folder, open_writer, on_failure, clock
        self._known = known
        self._recording: Recording | None = None
        self._awaited: DeferredRecording | None = None
        self._awaited_name = ""
        self._beginning = threading.Lock()

    @property
    def active(self) -> bool:
        """Whether there is a recording, be it one that waits for its first sample."""
        return self.waiting or (self._recording is not None and not self._recording.failed)

    @property
    def waiting(self) -> bool:
        """Whether it waits for its first sample."""
        return self._awaited is not None

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Record an event, if there is a recording."""
        target = self._awaited or self._recording
        if target is not None:
            target.on_event(device, event)

    def describe(self) -> dict[str, Any] | None:
        """`status.recording`; None where there is none."""
        if self.waiting:
            return self._describe_awaited()
        recording = self._recording
        return recording.describe() if recording is not None and not recording.failed else None

    def start(self, name: str | None) -> dict[str, Any]:
        """Begin `NAME.mcap` in the recordings folder.

        Raises:
            RecordingError: bad name, a recording is running, the file is there already, the disk is full.
        """
        checked = new_name(name)
        path, again = self._folder / f"{checked}.mcap", 2
        while name is None and _is_there(path):
            # Nobody chose the name, so nobody need choose another: the second recording of one second.
            path, again = self._folder / f"{checked}-{again}.mcap", again + 1
        return self.start_file(path)

    def start_file(self, path: Path) -> dict[str, Any]:
        """Begin a recording in a file of the user's choice. Raises RecordingError as `start` does."""
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
            raise _refused(path, error) from None
        self._recording = Recording(path, writer, self._on_failure, self._clock)
        for device, event in self._known():
            self._recording.on_event(device, event)
        return self._recording.describe()

    def start_with_first_sample(self, path: Path, on_refusal: Callable[[RecordingError], None]) -> None:
        """Begin a recording in that file as soon as there is a sample, with what was said before it.

        Until then it counts as one that runs: `describe` names it, and `stop` calls it off.

        Args:
            path: must not exist.
            on_refusal: gets what `start_file` raises then.

        Raises:
            RecordingError: a recording is running, or no file could be made there.
        """
        if self.active:
            raise RecordingExists("a recording is running; stop it first")
        check_place(path)
        self._awaited_name = _name_of(path)
        self._awaited = DeferredRecording(partial(self._begin, path, on_refusal), self)

    def stop(self) -> dict[str, Any] | None:
        """Close the file (this waits for the disk) and tell what it became; None if nothing is recorded."""
        with self._beginning:
            awaited, self._awaited = self._awaited, None
            recording, self._recording = self._recording, None
        if awaited is not None:
            return self._describe_awaited()
        return None if recording is None else recording.close()

    def _begin(self, path: Path, on_refusal: Callable[[RecordingError], None]) -> None:
        with self._beginning:
            # `stop`, on another thread, may have called it off just now.
            if self._awaited is None:
                return
            self._awaited = None
            try:
                self.start_file(path)
            except RecordingError as error:
                on_refusal(error)

    def _describe_awaited(self) -> dict[str, Any]:
        return {"name": self._awaited_name, "seconds": 0.0, "bytes": 0}


def _name_of(path: Path) -> str:
    return path.name.removesuffix(".mcap")
