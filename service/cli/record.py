"""`myocast record`: from a source to a session file, without serving."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from drivers.uri import source_from_uri
from service.cli.arguments import source_uri
from service.devices.status import DeviceStatus
from service.event_loop import loop_factory
from service.logs import configure
from service.record_source import record_source
from service.recording.paths import check_place
from service.recording.recorder import Recorder


def command(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="As for `serve`, e.g. myo:, dongle:, cyton:PORT, synthetic:")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The session file to write (.mcap); it must not exist.")],
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="Stop after so many seconds; else at Ctrl-C.")
    ] = None,
) -> None:
    """Record a source into a session file: every sample, with the time it arrived."""
    configure("text")
    # Before the source is touched.
    check_place(file)
    opened = source_from_uri(source_uri(source))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        recorded = runner.run(record_source(opened, file, seconds, _show))
    if recorded.began:
        typer.echo(f"{file}: {recorded.samples} samples, {recorded.lost} lost")
    else:
        typer.echo(f"{file} was not made: no sample came")


async def _show(recorder: Recorder, status: DeviceStatus) -> None:
    """A live line on a terminal; nothing where stderr is a file or a pipe."""
    if not sys.stderr.isatty():
        return
    with Console(stderr=True).status("waiting for the first sample") as line:
        while True:
            await asyncio.sleep(0.25)
            about = recorder.describe() or {"seconds": 0.0, "bytes": 0}
            line.update(
                f"{status.state}: {about['seconds']:.0f} s, {status.samples} samples at {status.rate_hz():.1f} Hz, "
                f"{status.lost} lost, {about['bytes'] / 1e6:.2f} MB (Ctrl-C ends)"
            )
