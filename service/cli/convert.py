"""`myocast convert`: from any session file, also of other programs, to any format that can be written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.progress import Progress

from drivers.sessions import read_session, write_session
from drivers.sessions.file_options import split_query
from drivers.sessions.mcap.copy import copy_mcap, is_mcap
from drivers.sessions.report import ReadReport
from drivers.sessions.save import SUFFIXES, check_target
from drivers.uri import options_of
from service.cli.arguments import session_file


def command(
    source: Annotated[
        Path, typer.Argument(metavar="IN", parser=session_file, help="A session, also of another program; or demo:")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help=f"A new file: {', '.join(SUFFIXES)}.")],
    columns: Annotated[
        str | None, typer.Option(metavar="LIST", help="What each column is: t_ms,ch1-8,label; - leaves one out.")
    ] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="LIST", help="Which eight of more channels, as in 9-16.")
    ] = None,
    scale: Annotated[str | None, typer.Option(metavar="X", help="Multiply the samples by X.")] = None,
    rate: Annotated[str | None, typer.Option(metavar="HZ", help="Samples a second.")] = None,
    unit: Annotated[str | None, typer.Option(metavar="UNIT", help="adc, nV, uV, mV or V (after --scale).")] = None,
    mode: Annotated[str | None, typer.Option(metavar="MODE", help="raw, filtered or envelope.")] = None,
    hand: Annotated[str | None, typer.Option(metavar="SIDE", help="left or right.")] = None,
    part: Annotated[str | None, typer.Option(metavar="NAME", help="Which stream, array or group of several.")] = None,
    device: Annotated[str | None, typer.Option(metavar="N", help="Which armband of several, from 0.")] = None,
    labels: Annotated[str | None, typer.Option(metavar="FILE", help="A second file with labels of the hand.")] = None,
    offset: Annotated[
        str | None,
        typer.Option("--labels-offset", metavar="S", help="Seconds to add to its times; or start, or estimate."),
    ] = None,
    join: Annotated[
        str | None, typer.Option("--labels-join", metavar="HOW", help="interpolated (default) or nearest.")
    ] = None,
    labels_unit: Annotated[
        str | None, typer.Option("--labels-unit", metavar="UNIT", help="Of its points: mm, cm or m.")
    ] = None,
    labels_rate: Annotated[
        str | None, typer.Option("--labels-rate", metavar="HZ", help="Labels a second, if it has no times.")
    ] = None,
    labels_columns: Annotated[
        str | None,
        typer.Option("--labels-columns", metavar="LIST", help="What each of its columns is: t,label or t,points."),
    ] = None,
    preset: Annotated[str | None, typer.Option(metavar="FILE", help="Take these options from a TOML file.")] = None,
    foxglove: Annotated[
        bool, typer.Option("--foxglove", help="Add the hand as Foxglove's 3-D panel shows it (.mcap).")
    ] = False,
) -> None:
    """Convert a session to another format, and say what that format cannot hold.

    From MCAP to MCAP every message is copied: that gives a recording that was cut off its index again. The options
    say what the file does not; they may also stand behind its name, as in FILE?rate=500, with every command.
    """

    check_target(target)
    if foxglove and target.suffix.lower() != ".mcap":
        raise typer.BadParameter("a scene for Foxglove stands in a file that ends in .mcap", param_hint="--foxglove")
    given = {
        "columns": columns,
        "channels": channels,
        "scale": scale,
        "rate": rate,
        "unit": unit,
        "mode": mode,
        "hand": hand,
        "part": part,
        "device": device,
        "labels": labels,
        "labels.offset": offset,
        "labels.join": join,
        "labels.unit": labels_unit,
        "labels.rate": labels_rate,
        "labels.columns": labels_columns,
        "preset": preset,
    }
    file, query = split_query(source)
    options = {**options_of(query.removeprefix("?"), str(source)), **{k: v for k, v in given.items() if v is not None}}
    if target.suffix.lower() == ".mcap" and not options and is_mcap(file):
        _copy(file, target, foxglove)
    elif foxglove:
        with tempfile.TemporaryDirectory(dir=target.absolute().parent) as folder:
            between = Path(folder) / "session.mcap"
            _rewrite(file, options, between, target)
            _copy(between, target, foxglove)
    else:
        _rewrite(file, options, target, target)


def _copy(source: Path, target: Path, foxglove: bool) -> None:
    report, messages = copy_mcap(source, target, scenes=foxglove)
    _print_notes(report)
    typer.echo(f"{target}: {messages} messages")


def _rewrite(file: Path, options: dict[str, str], place: Path, target: Path) -> None:
    recording = read_session(f"{file}?{urlencode(options)}" if options else file)
    _print_notes(ReadReport.of(recording.meta))
    with _progress(len(recording)) as advance:
        lost = write_session(place, recording, progress=advance)
    if lost:
        kind = target.suffix.lower().removeprefix(".").replace("gz", "csv").upper()
        for phrase in lost:
            typer.echo(f"left out, {kind} cannot hold it (.mcap can): {phrase}", err=True)
    if place == target:
        typer.echo(f"{target}: {len(recording)} samples, {recording.duration_s:.3f} s")


def _print_notes(report: ReadReport) -> None:
    for line in [*map(str, report.drops.values()), *report.notes]:
        typer.echo(line, err=True)


@contextmanager
def _progress(samples: int) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("writing", total=samples)
        yield lambda done: bar.update(task, completed=done)
