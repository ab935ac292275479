"""The command line's own parser, for what documentation and messages say to type."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import typer

from service.cli.app import build


def parse(words: list[str]) -> None:
    """Parse a command line as `myocast` does, without running it."""
    group: Any = typer.main.get_command(build(words))
    with group.make_context("myocast", list(words)) as context:
        name, verb, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        with suppress(typer.Exit), verb.make_context(name, rest, parent=context):  # Exit: --help
            pass
