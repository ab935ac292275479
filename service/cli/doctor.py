"""`myocast doctor`: what works on this machine, and what to do about the rest."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.text import Text

from models.errors import MyocastError
from service.diagnosis import Check, diagnose

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


class Unwell(MyocastError):
    """Something without which Myocast cannot serve is missing."""

    exit_code = 1


def command(
    port: Annotated[
        int, typer.Option(metavar="PORT", min=1, max=65535, help="The port that `serve` will listen on.")
    ] = 8765,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check Bluetooth, D-Bus, ports and their permissions, the dongle, the model, the viewer; one line each."""
    checks: list[Check] = []
    for check in diagnose(port):
        checks.append(check)
        if not as_json:
            _show(check)
    if as_json:
        document = {"checks": [asdict(check) for check in checks]}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    failed = [check.name for check in checks if check.state == "fail"]
    if failed:
        raise Unwell(f"Myocast cannot serve yet: {', '.join(failed)}; see the lines above")


def _show(check: Check) -> None:
    line = Text.assemble((f"{check.state:4} ", _STYLES[check.state]), f" {check.name}: {check.message}")
    Console().print(line, soft_wrap=True, highlight=False)
