"""`myocast check`: whether every channel of a source is good."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer

from drivers.uri import source_from_uri
from models.signal_check import SHORTEST_S
from service.check_source import SourceCheck, check_source
from service.cli.arguments import source_uri
from service.cli.tables import print_table
from service.event_loop import loop_factory
from service.logs import configure


def command(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="As for `serve`, e.g. myo:, dongle:, cyton:PORT, synthetic:")
    ],
    seconds: Annotated[
        float, typer.Option(metavar="N", min=SHORTEST_S, max=600, help="Judge so many seconds of signal.")
    ] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Judge the signal of each channel: contact, clipping, hum, noise. Exit code 1 unless all are good."""
    configure("text")
    opened = source_from_uri(source_uri(source))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        found = runner.run(check_source(opened, seconds))
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        _print(found)
    raise typer.Exit(0 if found.good else 1)


def _print(found: SourceCheck) -> None:
    rows = [[str(one.channel), one.state, f"{one.rms:.1f}", one.hint] for one in found.channels]
    caption = f"{found.rate_hz:g} samples a second, {found.lost} lost"
    print_table(["channel", "state", "RMS", "what to do"], rows, caption=caption, numbers=("channel", "RMS"))
