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
) -> None:
    """Print a table on stdout; the columns named in `numbers` stand to the right."""
    table = Table(title=title or None, caption=caption or None)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
