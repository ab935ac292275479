"""`myocast models`: the networks that can be trained."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from models.architectures import Network, networks
from service.cli.tables import print_table


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the networks with their parameters, kind, context and cost."""
    found = networks()
    if as_json:
        typer.echo(json.dumps([row(network) for network in found], indent=2))
        return
    titles = ("name", "kind", "parameters", "context", "multiply-adds", "what it is")
    print_table(
        titles,
        map(_cells, found),
        title="Networks",
        numbers=("parameters", "context", "multiply-adds"),
        whole=("name",),
    )


def row(network: Network) -> dict[str, object]:
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


def _cells(network: Network) -> tuple[str, ...]:
    cost = f"{network.macs / 1e6:.2f} M per {'pose' if network.kind == 'window' else 'sample'}"
    return (
        network.name,
        network.kind,
        f"{network.parameters:,}",
        f"{network.context_s:.2f} s",
        cost,
        network.summary,
    )
