"""`myocast record`: from a source to a session file, without serving."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import MyocastError

if TYPE_CHECKING:
    from drivers.base import Source
    from service.recorder import Recorder
    from service.status import DeviceStatus


class RecordingFailed(MyocastError):
    """The file was closed before its time."""

    exit_code = 1


def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="e.g. myo: · dongle: · replay:FILE · synthetic:")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The session file to write (.mcap); it must not exist.")],
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="Stop after so many seconds; else at Ctrl-C.")
    ] = None,
) -> None:
    """Record a source into a session file: every sample, with the time it arrived."""
    from drivers.uri import open_source
    from service.cli.serve import loop_factory
    from service.logs import configure

    configure("text")
    opened = open_source(source)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_record(opened, file, seconds))


async def _record(source: Source, file: Path, seconds: float | None) -> None:
    from service.recorder import Recorder
    from service.server import open_writer, stop_on_signals
    from service.status import DeviceStatus
    from service.supervisor import Supervisor

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    failures: list[str] = []

    def on_failure(code: str, message: str) -> None:
        failures.append(message)
        loop.call_soon_threadsafe(stop.set)

    recorder = Recorder(file.parent, open_writer, on_failure, known=lambda: [(0, source.info)])
    status = DeviceStatus(0, lambda: None)
    take = _Taker(recorder, status, seconds, stop)
    async with AsyncExitStack() as stack:
        stop_on_signals(stop)
        recorder.start_file(file)
        stack.push_async_callback(asyncio.to_thread, recorder.stop)
        running = asyncio.ensure_future(Supervisor(source, take.event, status).run())
        showing = asyncio.ensure_future(_show(recorder, status))
        stopping = asyncio.ensure_future(stop.wait())
        stack.push_async_callback(_cancel, running, showing, stopping)
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    if failures:
        raise RecordingFailed(failures[0])
    typer.echo(f"{file}: {take.samples} samples, {status.lost} lost")


class _Taker:
    """Hands events to the recorder until enough seconds of signal are in."""

    def __init__(self, recorder: Recorder, status: DeviceStatus, seconds: float | None, stop: asyncio.Event) -> None:
        from drivers.base import Frame, SourceInfo

        self.samples = 0
        self._frame, self._info = Frame, SourceInfo
        self._recorder, self._status, self._seconds, self._stop = recorder, status, seconds, stop
        self._end: float | None = None

    def event(self, event: object) -> None:
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
        self._recorder.put(0, event)  # type: ignore[arg-type]


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
