"""Record a source into a file, without serving."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from drivers.events import Event, Frame, Notice, SourceInfo
from drivers.source import Source
from drivers.transport.asyncio_utils import cancel_and_wait
from models.errors import MyocastError
from service.devices.status import DeviceStatus
from service.devices.supervisor import run_until
from service.recording.deferred_recording import DeferredRecording
from service.recording.errors import RecordingFailed
from service.recording.recorder import Recorder
from service.recording.writer import open_writer


@dataclass(frozen=True, slots=True)
class Recorded:
    """Result of a recording."""

    samples: int
    lost: int
    began: bool
    """False where no sample came, and so no file was made."""


async def record_source(
    source: Source,
    file: Path,
    seconds: float | None,
    watch: Callable[[Recorder, DeviceStatus], Any],
    about: Mapping[str, str] | None = None,
) -> Recorded:
    """Record until enough seconds of signal are in, the source ends, or SIGINT or SIGTERM comes.

    Args:
        source: an opened source.
        file: the session file to write; it must not exist.
        seconds: of signal; None for no end.
        watch: makes a coroutine that runs meanwhile and may show how the recording goes.
        about: further metadata of the session: user, session.

    Raises:
        MyocastError: the source or the file cannot be used, or the file was closed before its time.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    failures: list[MyocastError] = []

    def on_failure(code: str, message: str) -> None:
        failures.append(RecordingFailed(message))
        loop.call_soon_threadsafe(stop.set)

    recorder = Recorder(file.parent, partial(open_writer, about=about), on_failure, known=lambda: [(0, source.info)])
    status = DeviceStatus(0, lambda: None, log_level=logging.WARNING)
    recording = _TimedRecording(recorder, file, status, seconds, stop)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, recorder.stop)
        stack.push_async_callback(cancel_and_wait, asyncio.ensure_future(watch(recorder, status)))
        await run_until(stop, source, recording.on_event, status)
    for failure in (recording.failure, *failures):
        if failure is not None:
            raise failure
    return Recorded(recording.samples, status.lost, recording.began)


class _TimedRecording:
    """Hands events to the recorder until enough seconds of signal are in."""

    def __init__(
        self, recorder: Recorder, file: Path, status: DeviceStatus, seconds: float | None, stop: asyncio.Event
    ) -> None:
        self.samples = 0
        self.failure: MyocastError | None = None
        self._recorder, self._file, self._status = recorder, file, status
        self._seconds, self._stop = seconds, stop
        self._end: float | None = None
        self._deferred = DeferredRecording(self._begin, recorder)

    @property
    def began(self) -> bool:
        return self._deferred.began

    def on_event(self, event: Event) -> None:
        match event:
            case Frame():
                if self._end is None and self._seconds is not None:
                    self._end = event.t + self._seconds
                if self._end is not None and event.t >= self._end - 1e-6:
                    self._stop.set()
                    return
                self.samples += len(event.samples)
                self._status.on_frame(event)
            case SourceInfo():
                self._status.on_info(event)
            case Notice():
                self._status.on_notice(event)
            case _:
                pass
        self._deferred.on_event(0, event)

    def _begin(self) -> None:
        try:
            self._recorder.start_file(self._file)
        except MyocastError as error:
            # Not the source's fault, so there is no reason to connect again.
            self.failure = error
            self._stop.set()
