"""`myocast scan`: armbands, dongles and serial ports within reach."""

from __future__ import annotations

import asyncio
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

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


def _print(table: Table, console: Console) -> None:
    """Print a table where it fits; else, and in a pipe, plain lines, for a source that is cut cannot be copied."""
    unbounded = console.options.update(max_width=_WIDEST)
    if console.is_terminal and Measurement.get(console, unbounded, table).maximum <= console.width:
        console.print(table)
        return
    cells = [[Text.from_markup(str(cell)).plain for cell in column.cells] for column in table.columns]
    for row in zip(*cells, strict=True):
        typer.echo("  ".join(cell for cell in row if cell))


def _streams(findings: Findings) -> Table:
    table = Table("source", "name", "type", "channels", "rate", "host", title="LSL streams", title_justify="left")
    for stream in findings.lsl:
        rate = f"{stream.rate_hz:g} Hz" if stream.rate_hz > 0 else "no rate"
        cells = (stream.uri, stream.name, stream.type, f"{stream.channels} channels", rate, stream.host)
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _armbands(findings: Findings) -> Table:
    table = Table("source", "name", "address", "signal", "battery", "via", title="Armbands", title_justify="left")
    for armband in findings.armbands:
        signal = "connected" if armband.rssi_dbm is None else f"{armband.rssi_dbm} dBm"
        battery = "" if armband.battery is None else f"{armband.battery} %"
        cells = (armband.uri, armband.name, armband.address, signal, battery, armband.via)
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _ports(findings: Findings) -> Table:
    table = Table("source", "port", "description", "USB", title="Dongles and serial ports", title_justify="left")
    for port in (*findings.dongles, *findings.ports):
        table.add_row(*(escape(cell) for cell in (port.uri, port.port, port.description, port.usb_id)))
    return table


def _problems(findings: Findings, console: Console) -> None:
    if findings.scanned:
        for problem in findings.problems:
            console.print(
                f"{problem.where}: {problem.message}", style="yellow", markup=False, highlight=False, soft_wrap=True
            )
