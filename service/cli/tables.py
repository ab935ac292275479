"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    caption: str = "",
    numbers: Collection[str] = (),
    whole: Collection[str] = (),
) -> None:
    """Print a table on stdout; the columns in `numbers` stand to the right, those in `whole` are never cut to fit."""
    table = Table(title=title or None, caption=caption or None)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=column in whole)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
