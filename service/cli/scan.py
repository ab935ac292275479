"""`myocast scan`: armbands, dongles and serial ports within reach."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from drivers.discovery import Findings, scan
from models.errors import MyocastError

_WIDEST = 10_000
"""Columns; what a table would take if there were room."""


class NothingScanned(MyocastError):
    """There is no radio to scan with."""

    exit_code = 1


def command(
    seconds: Annotated[float, typer.Option(min=0.1, max=120.0, help="How long to listen.")] = 5.0,
    battery: Annotated[bool, typer.Option("--battery", help="Connect to each armband and read its battery.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List the armbands, dongles and serial ports that can be used; say what is wrong where nothing can."""
    findings = _scan(seconds, battery)
    if as_json:
        typer.echo(orjson.dumps(findings.to_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(findings)
    if not findings.scanned:
        raise NothingScanned(f"no armband can be looked for: {'; '.join(each.message for each in findings.problems)}")


def _scan(seconds: float, battery: bool) -> Findings:
    """Scan, with a progress bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(f"listening for {seconds:g} s", total=None)
        return asyncio.run(scan(seconds, battery=battery))


def _show(findings: Findings) -> None:
    console = Console()
    if findings.armbands:
        _print(_armbands(findings), console)
    elif findings.scanned:
        console.print(
            "no armband was heard; wake it (wear it, or plug in its USB cable), and bring it near", soft_wrap=True
        )
    if findings.dongles or findings.ports:
        _print(_ports(findings), console)
    else:
        console.print("no serial ports")
    if findings.lsl:
        _print(_streams(findings), console)
    _problems(findings, console)


class Listing(NamedTuple):
    """What was found of one kind, as plain cells."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def _print(listing: Listing, console: Console) -> None:
    """Print a table where it fits; else, and in a pipe, plain lines, for a source that is cut cannot be copied."""
    table = Table(*listing.columns, title=listing.title, title_justify="left")
    for row in listing.rows:
        table.add_row(*map(escape, row))
    unbounded = console.options.update(max_width=_WIDEST)
    if console.is_terminal and Measurement.get(console, unbounded, table).maximum <= console.width:
        console.print(table)
        return
    for row in listing.rows:
        typer.echo("  ".join(filter(None, row)))


def _streams(findings: Findings) -> Listing:
    rows = [
        (
            stream.uri,
            stream.name,
            stream.type,
            f"{stream.channels} channels",
            f"{stream.rate_hz:g} Hz" if stream.rate_hz > 0 else "no rate",
            stream.host,
        )
        for stream in findings.lsl
    ]
    return Listing("LSL streams", ("source", "name", "type", "channels", "rate", "host"), rows)


def _armbands(findings: Findings) -> Listing:
    rows = [
        (
            armband.uri,
            armband.name,
            armband.address,
            "connected" if armband.rssi_dbm is None else f"{armband.rssi_dbm} dBm",
            "" if armband.battery is None else f"{armband.battery} %",
            armband.via,
        )
        for armband in findings.armbands
    ]
    return Listing("Armbands", ("source", "name", "address", "signal", "battery", "via"), rows)


def _ports(findings: Findings) -> Listing:
    rows = [(port.uri, port.port, port.description, port.usb_id) for port in (*findings.dongles, *findings.ports)]
    return Listing("Dongles and serial ports", ("source", "port", "description", "USB"), rows)


def _problems(findings: Findings, console: Console) -> None:
    if findings.scanned:
        for problem in findings.problems:
            console.print(
                f"{problem.where}: {problem.message}", style="yellow", markup=False, highlight=False, soft_wrap=True
            )
