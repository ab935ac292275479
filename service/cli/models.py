"""`myocast models`: the networks that can be trained."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from models.architectures.base import Network


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the networks with their parameters, kind, context and cost."""
    from models.architectures import networks

    found = networks()
    if as_json:
        import json

        typer.echo(json.dumps([row(network) for network in found], indent=2))
        return
    _table(found)


def row(network: Network) -> dict[str, Any]:
    """One network for programs."""
    return {
        "name": network.name,
        "kind": network.kind,
        "parameters": network.parameters,
        "steps": network.steps,
        "window_200hz": network.window(200.0),
        "window_50hz": network.window(50.0),
        "context_s": round(network.context_s, 3),
        "macs": network.macs,
        "summary": network.summary,
        "deviations": list(network.deviations),
    }


def _table(found: list[Network]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Networks")
    for title in ("name", "kind", "parameters", "context", "multiply-adds", "what it is"):
        table.add_column(title, justify="right" if title in ("parameters", "context", "multiply-adds") else "left")
    for network in found:
        cost = f"{network.macs / 1e6:.2f} M per {'pose' if network.kind == 'window' else 'sample'}"
        table.add_row(
            network.name, network.kind, f"{network.parameters:,}", f"{network.context_s:.2f} s", cost, network.summary
        )
    Console().print(table)
