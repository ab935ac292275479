"""`myocast record`: from a source to a session file, without serving; with labels of the hand, and a page beside it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from drivers.source import Source, SupportsNotes
from drivers.uri import source_from_uri
from models.errors import MyocastError
from service.cli.arguments import source_uri
from service.devices.status import DeviceStatus
from service.engine.output_stage import Smoothing
from service.event_loop import loop_factory
from service.labels.kinds import label_source
from service.labels.source import LabelSource
from service.logs import configure
from service.record_source import record_source
from service.recording.paths import check_place
from service.recording.recorder import Recorder

if TYPE_CHECKING:
    from service.labelled_recording import LabelledRecording
    from service.wiring import Service

LONGEST_NAME: Final = 64
"""Characters of a pseudonym at most."""
BAR: Final = 40
"""Columns of the bar that rises and falls with the ghost hand."""


class UsageError(MyocastError):
    """Options that cannot be used."""


def command(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="As for `serve`, e.g. myo:, dongle:, cyton:PORT, synthetic:")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The session file to write (.mcap); it must not exist.")],
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="Stop after so many seconds (with labels: after the first label); else at Ctrl-C.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="KIND", help="Record labels of the hand, too, from webcam, leap[:URL], hts[:PORT] or prompts[:FILE.toml].")
    ] = None,
    user: Annotated[str, typer.Option(metavar="NAME", help="Pseudonym of who wears the band, kept in the file.")] = "",
    session: Annotated[str, typer.Option(metavar="NAME", help="Name of this session of the user, kept in the file.")] = "",
    smooth: Annotated[
        str | None, typer.Option(metavar="auto|off|MINCUTOFF,BETA[,STAGES]", help="With --labels: the filter behind the model, as for `serve`; default auto.")
    ] = None,
) -> None:  # fmt: skip
    """Record a source into a session file: every sample, with the time it arrived."""
    configure("text")
    about = {key: _pseudonym(f"--{key}", text) for key, text in (("user", user), ("session", session)) if text}
    if smooth is not None and labels is None:
        raise UsageError("--smooth has an effect only with --labels (without, no poses are made); leave it out")
    smoothing = Smoothing.parse(smooth or "auto")
    # Before the source is touched.
    check_place(file)
    tracker = None if labels is None else label_source(labels)
    opened = source_from_uri(source_uri(source))
    for note in opened.notes if isinstance(opened, SupportsNotes) else ():
        typer.echo(note, err=True)
    if labels is not None:
        _record_labelled(opened, file, (labels.partition(":")[0], tracker), seconds, about, smoothing)
    else:
        _record(opened, file, seconds, about)


def _record(source: Source, file: Path, seconds: float | None, about: Mapping[str, str]) -> None:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        recorded = runner.run(record_source(source, file, seconds, _show, about))
    if recorded.began:
        typer.echo(f"{file}: {recorded.samples} samples, {recorded.lost} lost")
    else:
        typer.echo(f"{file} was not made: no sample came")


def _record_labelled(
    source: Source,
    file: Path,
    labels: tuple[str, LabelSource | None],
    seconds: float | None,
    about: Mapping[str, str],
    smoothing: Smoothing,
) -> None:
    from service.labelled_recording import record_with_labels

    recorded = record_with_labels(source, file, labels, seconds, about, typer.echo, _show_labels, smoothing)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        made = runner.run(recorded)
    typer.echo(f"{file}: {made.samples} samples, {made.lost} lost; {_labels(labels[0], made)}")


def _pseudonym(option: str, text: str) -> str:
    name = text.strip()
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise UsageError(f"{option} {text!r}: expected a name of 1 to {LONGEST_NAME} printable characters, like anna")
    return name


def _labels(kind: str, made: LabelledRecording) -> str:
    """How many labels came, how fast, and how late."""
    about = f"{made.labels} labels from {kind}, {made.labels_hz:.1f} a second"
    if made.lag_s is None:
        return f"{about}, lag not known"
    late = "late" if made.lag_s >= 0 else "early"
    return f"{about}, {abs(made.lag_s) * 1000:.0f} ms {late} (taken out when the file is read)"


async def _show(recorder: Recorder, status: DeviceStatus) -> None:
    """A live line on a terminal; nothing where stderr is a file or a pipe."""
    if not sys.stderr.isatty():
        return
    with Console(stderr=True).status("waiting for the first sample") as line:
        while True:
            await asyncio.sleep(0.25)
            line.update(_progress(recorder, status))


async def _show_labels(service: Service) -> None:
    """The same with labels; while somebody is asked to do something, a bar that rises and falls with the ghost hand."""
    if not sys.stderr.isatty():
        return
    with Live(console=Console(stderr=True), refresh_per_second=20, transient=True) as live:
        while True:
            await asyncio.sleep(0.05)
            about = service.arms[0].labels.describe() or {}
            prompt = about.get("prompt")
            line = f"{_progress(service.recorder, service.devices[0].status)}; {_coming(about)}"
            live.update(Group(prompt_bar(prompt), line) if prompt else line)


def prompt_bar(prompt: Mapping[str, Any]) -> Table:
    """What to do now: the pose, how much of it as a bar, and what comes next."""
    following = prompt["next"]
    after = f"then {following['pose']} {following['level']:.0%}" if following else "that was the last"
    bar = Table.grid(padding=(0, 1))
    bar.add_row(f"{prompt['pose']:>10}", ProgressBar(1.0, prompt["now"], width=BAR), f"{prompt['now']:4.0%}", after)
    return bar


def _coming(about: Mapping[str, Any]) -> str:
    if about.get("state") == "coming":
        return f"{about['labels']} labels, {about['rate_hz']:.0f} a second"
    return str(about.get("message") or f"waiting for labels from {about.get('source', '')}")


def _progress(recorder: Recorder, status: DeviceStatus) -> str:
    about = recorder.describe() or {"seconds": 0.0, "bytes": 0}
    return (
        f"{status.state}: {about['seconds']:.0f} s, {status.samples} samples at {status.rate_hz():.1f} Hz, "
        f"{status.lost} lost, {about['bytes'] / 1e6:.2f} MB (Ctrl-C ends)"
    )
