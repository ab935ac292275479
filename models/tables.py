"""Tables as text: the cells of rows of figures, and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

Row = Mapping[str, object]
"""Figures and names of one line of a table, by key."""


def number(value: object) -> str:
    """Three significant digits below one, two decimals from one on; whole numbers and text as they are; "" for None."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, float):
        raise TypeError(f"expected a number, a text or None, got {value!r}")
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


class Column(NamedTuple):
    """One column: the key of its figure in a row, its heading, and how the figure is written."""

    key: str
    title: str
    show: Callable[[object], str] = number


def columns(**titles: str) -> tuple[Column, ...]:
    """Columns by the keys of their figures, all of them written as `number` does."""
    return tuple(Column(key, title) for key, title in titles.items())


def cells(row: Row, columns: Sequence[Column], missing: str = "") -> list[str]:
    """The texts of one row; `missing` where it has no figure for a column."""
    return [_cell(row.get(column.key), column, missing) for column in columns]


def used(columns: Iterable[Column], rows: Sequence[Row]) -> list[Column]:
    """The columns in which at least one row has something."""
    return [column for column in columns if any(row.get(column.key) not in (None, "") for row in rows)]


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    head = _row(titles).replace("|  |", "| |")
    return [head, "|---" * len(titles) + "|", *map(_row, rows)]


def _cell(value: object, column: Column, missing: str) -> str:
    if value is None:
        return missing
    return value if isinstance(value, str) else column.show(value)


def _row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(texts) + " |"
