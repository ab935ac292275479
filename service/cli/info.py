"""`myocast info`: what is in a session file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from drivers.sessions.report import Drop
from drivers.sessions.summary import summarize
from service.cli.arguments import session_file


def command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", parser=session_file, help="A session: .mcap, .csv or .txt, also packed; or demo:"
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show what a session holds: duration, rate, gaps, channels, labels, metadata, and what could not be read."""

    first = summarize(file)
    others = [summarize(file, index) for index in first["devices"] if index != first["index"]]
    if as_json:
        typer.echo(orjson.dumps({**first, "others": others}, option=orjson.OPT_INDENT_2).decode())
        return
    for about in (first, *others):
        _show(about)


def _show(about: dict[str, Any]) -> None:
    console = Console()
    console.print(_facts(about))
    console.print(_channels(about))
    for drop in about["dropped"]:
        console.print(_dropped(drop), style="yellow", markup=False, highlight=False)
    for note in about["notes"]:
        console.print(note, style="yellow", markup=False, highlight=False)


def _facts(about: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in _lines(about):
        table.add_row(name, escape(value))
    return table


def _lines(about: dict[str, Any]) -> list[tuple[str, str]]:
    measured = about["measured_rate_hz"]
    lines = [
        ("file", f"{about['file']} ({about['format']})"),
        ("device", about["device"] + (f" (number {about['index']})" if len(about["devices"]) > 1 else "")),
        ("duration", f"{about['duration_s']:.3f} s, {about['samples']} samples"),
        ("rate", f"{about['rate_hz']:g} Hz" + (f" (measured {measured:g} Hz)" if measured else "")),
        ("signal", f"{about['emg_mode']}, {about['unit']}, {about['hand'] or 'hand not said'}"),
        ("gaps", _gaps(about["gaps"])),
    ]
    if about["classes"]:
        lines.append(("classes", ", ".join(f"{label}: {count}" for label, count in about["classes"].items())))
    if about["truth"]:
        lines.append(("hand poses", f"{about['truth']['labels']} at {about['truth']['rate_hz'] or 0:g} Hz"))
    if about["angles"]:
        lines.append(("joint angles", f"{about['angles']['labels']} at {about['angles']['rate_hz'] or 0:g} Hz"))
    if about["poses"]:
        lines.append(("served poses", "; ".join(map(_recorded_with, about["poses"]))))
    if about["markers"]:
        lines.append(("markers", ", ".join(f"{m['label']} at {m['t_s']:.2f} s" for m in about["markers"][:20])))
    counts = [
        f"{name}: {about[key]}" for key, name in (("imu_samples", "IMU samples"), ("events", "events")) if about[key]
    ]
    if counts:
        lines.append(("also", ", ".join(counts)))
    return lines + [(key, value) for key, value in about["metadata"].items() if key != "device"]


def _recorded_with(poses: dict[str, Any]) -> str:
    """How many poses were recorded, and what stood behind the model."""
    match poses["filter"]:
        case "":
            return f"{poses['poses']}, with what filter the file does not say"
        case "none":
            return f"{poses['poses']}, as the model gave them"
    settings = ",".join(str(poses.get(key, "?")) for key in ("min_cutoff_hz", "beta", "stages"))
    return f"{poses['poses']}, filtered ({poses['filter']} {settings}, {poses.get('lag_ms', '?')} ms late)"


def _gaps(gaps: dict[str, Any]) -> str:
    if not gaps["count"]:
        return "none"
    where = ", ".join(f"{at:.2f}" for at in gaps["at_s"][:5]) + (", …" if gaps["count"] > 5 else "")
    lost = f"{gaps['lost_samples']} samples lost, longest {gaps['longest_s']:.2f} s"
    return f"{gaps['count']} ({lost}), before second {where}"


def _channels(about: dict[str, Any]) -> Table:
    table = Table()
    for name in ("channel", "mean", "SD", "RMS", "min", "max", "clipped"):
        table.add_column(name, justify="right")
    for row in about["channels"]:
        clipped = "-" if row["clipped_percent"] is None else f"{row['clipped_percent']:.2f} %"
        numbers = [f"{row[key]:.2f}" for key in ("mean", "sd", "rms")] + [f"{row[key]:g}" for key in ("min", "max")]
        table.add_row(str(row["channel"]), *numbers, clipped)
    return table


def _dropped(drop: dict[str, Any]) -> str:
    return str(Drop(**drop))
