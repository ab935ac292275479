"""One recording: a bounded buffer on the event loop's side, a thread that writes on the other.

The file is flushed as it is written. If the disk is full, or so slow that 60 s of signal wait for it, the file is
closed as it is, readable, and the samples that it lacks are counted and reported.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypedDict

from drivers.clock import Clock, now
from drivers.events import Frame
from service.engine.pose import Pose
from service.events import DeviceEvent
from service.recording.paths import recording_name
from service.recording.writer import Writer

log = logging.getLogger("myocast")

BUFFER_S: Final = 60.0
"""Seconds of signal that may wait for the disk; beyond that the recording is closed."""
FLUSH_S: Final = 0.5
"""Seconds between two checks for a due flush while nothing comes: a killed recorder loses at most the last second."""
FAILURES: Final = frozenset({"disk_full", "recording_too_slow", "recording_failed"})
"""Codes of `status.error` that are about a recording; the next recording clears them."""

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
        on_failure: takes a code of `FAILURES` and a message, once, on either thread.
    """

    def __init__(self, path: Path, writer: Writer, on_failure: Callable[[str, str], None], clock: Clock = now) -> None:
        self.path = path
        self.name = recording_name(path)
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
        """Samples that arrived and are not in the file, without those still in the buffer."""
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
            except Exception as error:
                # Of a frame that the disk refused, the writer counts the samples itself.
                first = at + 1 if isinstance(error, OSError) else at
                for _, lost in items[first:]:
                    self._count_unwritten(lost)
                raise
        self._writer.flush_if_due()

    def _write_one(self, device: int, event: DeviceEvent) -> None:
        if isinstance(event, Pose):
            if event.held:
                return  # a recording has what was made of samples
            self._writer.write_pose(
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
            self._writer.write(event, device=device)

    def _guarded(self, action: Callable[[], None]) -> bool:
        """Run an action of the writer; return False and close the recording if it fails, whatever the reason."""
        try:
            action()
        except OSError as error:
            with self._ready:
                self._give_up(
                    "disk_full" if error.errno == errno.ENOSPC else "recording_failed", error.strerror or str(error)
                )
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
        self._on_failure(
            code,
            f"recording {self.name} was closed: {reason}; "
            f"what was written is readable in {self.path.name}, {self.unwritten} samples are missing",
        )

    def _count_unwritten(self, event: DeviceEvent) -> None:
        if isinstance(event, Frame):
            self._unwritten += len(event.samples)
