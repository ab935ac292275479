"""`myocast convert`: from any session file to MCAP or CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from drivers.sessions import read_session, write_session
from drivers.sessions.file_options import split_query
from drivers.sessions.mcap.copy import copy_mcap, is_mcap
from drivers.sessions.report import ReadReport
from drivers.sessions.save import check_target
from models.recording import Recording
from service.cli.arguments import session_file


def command(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", parser=session_file, help="A session: .mcap, .csv or .txt, also packed; or demo:"),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A new file: .mcap, .csv or .csv.gz.")],
) -> None:
    """Convert a session to MCAP, which keeps everything, or to CSV (times, EMG, hand poses).

    From MCAP to MCAP every message is copied: that gives a recording that was cut off its index again.
    """

    check_target(target)
    file, options = split_query(source)
    if target.suffix == ".mcap" and not options and is_mcap(file):
        _copy(file, target)
    else:
        _rewrite(source, target)


def _copy(source: Path, target: Path) -> None:
    report, messages = copy_mcap(source, target)
    _print_notes(report)
    typer.echo(f"{target}: {messages} messages")


def _rewrite(source: Path, target: Path) -> None:
    recording = read_session(source)
    _print_notes(ReadReport.of(recording.meta))
    for left_out in [] if target.suffix == ".mcap" else _beyond_csv(recording):
        typer.echo(f"left out, CSV cannot hold it (.mcap can): {left_out}", err=True)
    with _progress(len(recording)) as advance:
        write_session(target, recording, progress=advance)
    typer.echo(f"{target}: {len(recording)} samples, {recording.duration_s:.3f} s")


def _print_notes(report: ReadReport) -> None:
    for line in [*map(str, report.drops.values()), *report.notes]:
        typer.echo(line, err=True)


def _beyond_csv(recording: Recording) -> list[str]:
    devices = [index for index in recording.meta.get("devices", [0]) if index != 0]
    joined = [
        row for row in (recording.breaks if recording.breaks is not None else ()) if _no_time_between(recording, row)
    ]
    stated = {"mode": (recording.emg_mode, "raw"), "unit": (recording.unit, "adc"), "hand": (recording.hand, "right")}
    lost = [f"{key}={value}" for key, (value, usual) in stated.items() if value not in (None, usual)]
    there = {
        f"what its EMG is (say so when it is read: `?{'&'.join(lost)}`)": bool(lost),
        "breaks without a pause": bool(joined),
        "markers": bool(recording.markers),
        "inertial samples": recording.imu is not None,
        "events": bool(recording.meta.get("events")),
        f"device {', '.join(map(str, devices))}": bool(devices),
    }
    return [name for name, present in there.items() if present]


def _no_time_between(recording: Recording, row: int) -> bool:
    """Whether a break before this row leaves no hole in the count of samples."""
    return row > 0 and bool(recording.sample[row] == recording.sample[row - 1] + 1)


@contextmanager
def _progress(samples: int) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("writing", total=samples)
        yield lambda done: bar.update(task, completed=done)
