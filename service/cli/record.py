"""`myocast record`: from a source to a session file, without serving."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import MyocastError
from service.cli.arguments import source_uri

if TYPE_CHECKING:
    from drivers.events import Event
    from drivers.source import Source
    from service.devices.status import DeviceStatus
    from service.recording.recorder import Recorder


class RecordingFailed(MyocastError):
    """The file was closed before its time."""

    exit_code = 1


def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="e.g. myo:, dongle:, cyton:PORT, synthetic:")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The session file to write (.mcap); it must not exist.")],
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="Stop after so many seconds; else at Ctrl-C.")
    ] = None,
) -> None:
    """Record a source into a session file: every sample, with the time it arrived."""
    from drivers.uri import source_from_uri
    from service.event_loop import loop_factory
    from service.logs import configure

    configure("text")
    check_place(file)
    opened = source_from_uri(source_uri(source))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_record(opened, file, seconds))


def check_place(file: Path) -> None:
    """Before the source is touched. Raises RecordingError where a file cannot be made."""
    from service.recording.recorder import check_place

    check_place(file)


async def _record(source: Source, file: Path, seconds: float | None) -> None:
    from service.devices.status import DeviceStatus
    from service.devices.supervisor import Supervisor
    from service.event_loop import stop_on_signals
    from service.recording.recorder import Recorder
    from service.recording.writer import open_writer

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    failures: list[MyocastError] = []

    def on_failure(code: str, message: str) -> None:
        failures.append(RecordingFailed(message))
        loop.call_soon_threadsafe(stop.set)

    recorder = Recorder(file.parent, open_writer, on_failure, known=lambda: [(0, source.info)])
    status = DeviceStatus(0, lambda: None)
    take = _Taker(recorder, file, status, seconds, stop)
    async with AsyncExitStack() as stack:
        stop_on_signals(stop)
        stack.push_async_callback(asyncio.to_thread, recorder.stop)
        running = asyncio.ensure_future(Supervisor(source, take.event, status).run())
        showing = asyncio.ensure_future(_show(recorder, status))
        stopping = asyncio.ensure_future(stop.wait())
        stack.push_async_callback(_cancel, running, showing, stopping)
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    for failure in (take.failure, *failures):
        if failure is not None:
            raise failure
    if take.began:
        typer.echo(f"{file}: {take.samples} samples, {status.lost} lost")
    else:
        typer.echo(f"{file} was not made: no sample came")


class _Taker:
    """Hands events to the recorder until enough seconds of signal are in."""

    def __init__(
        self, recorder: Recorder, file: Path, status: DeviceStatus, seconds: float | None, stop: asyncio.Event
    ) -> None:
        from drivers.events import Frame, SourceInfo
        from service.recording.deferred_recording import DeferredRecording

        self.samples = 0
        self.failure: MyocastError | None = None
        self._frame, self._info = Frame, SourceInfo
        self._recorder, self._file, self._status = recorder, file, status
        self._seconds, self._stop = seconds, stop
        self._end: float | None = None
        self._held = DeferredRecording(self._begin, recorder)

    @property
    def began(self) -> bool:
        return self._held.began

    def event(self, event: Event) -> None:
        if isinstance(event, self._frame):
            if self._end is None and self._seconds is not None:
                self._end = event.t + self._seconds
            if self._end is not None and event.t >= self._end - 1e-6:
                self._stop.set()
                return
            self.samples += len(event.samples)
            self._status.on_frame(event)
        elif isinstance(event, self._info):
            self._status.on_info(event)
        self._held.on_event(0, event)

    def _begin(self) -> None:
        try:
            self._recorder.start_file(self._file)
        except MyocastError as error:
            # Not the source's fault, so nothing to connect again for.
            self.failure = error
            self._stop.set()


async def _show(recorder: Recorder, status: DeviceStatus) -> None:
    """A live line on a terminal; nothing where stderr is a file or a pipe."""
    if not sys.stderr.isatty():
        return
    from rich.console import Console

    with Console(stderr=True).status("waiting for the first sample") as line:
        while True:
            await asyncio.sleep(0.25)
            about = recorder.describe() or {"seconds": 0.0, "bytes": 0}
            line.update(
                f"{status.state}: {about['seconds']:.0f} s, {status.samples} samples at {status.rate_hz():.1f} Hz, "
                f"{status.lost} lost, {about['bytes'] / 1e6:.2f} MB (Ctrl-C ends)"
            )


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
