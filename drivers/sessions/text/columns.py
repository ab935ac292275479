"""Tell by its values what a column of an unnamed table is: a time, a counter, a class, or a channel."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.arrays import Float64Array

LEAST_ROWS: Final = 8
"""Rows from which growth is no chance: one of 8! orders of random values rises throughout."""

_LEAST_DISTINCT: Final = 4
_UNIX_S: Final = 1e8
"""Seconds; no counter, and no channel, is as large as a time since 1970."""
_STEADY: Final = 0.85
_MOST_CLASSES: Final = 64
_CLASS_CHANGES: Final = 0.2


def grows(column: Float64Array) -> bool:
    """Whether the values (n,) never fall and rise for good, as times do, those with repeated stamps too."""
    steps = np.diff(column)
    if not len(steps) or (steps < 0).any() or column[-1] <= column[0]:
        return False
    return len(column) < LEAST_ROWS or int((steps > 0).sum()) >= _LEAST_DISTINCT - 1


def counts(column: Float64Array) -> bool:
    """Whether the values (n,) are a counter that starts anew at its end: equal steps up, rarely one far down."""
    steps = np.diff(column)
    if len(steps) < LEAST_ROWS or (column != np.rint(column)).any():
        return False
    down = steps < 0
    rising = steps[~down]
    if not down.any() or not len(rising) or down.mean() > 1 - _STEADY:
        return False
    usual = float(np.median(rising))
    span = column.max() - column.min()
    return usual > 0 and float((rising == usual).mean()) >= _STEADY and bool((steps[down] < -0.5 * span).all())


def is_counter(column: Float64Array) -> bool:
    """Whether growing values (n,) are the numbers of rows or packets: they rise by one, or start anew."""
    steps = np.diff(column)
    return bool(len(steps)) and (
        counts(column) or bool((steps == 1).mean() > _STEADY and column[0] == np.rint(column[0]))
    )


def is_unix(column: Float64Array) -> bool:
    """Whether growing values (n,) are so large that only a time since 1970 can be meant."""
    return bool(len(column)) and float(column.min()) >= _UNIX_S


def is_class(column: Float64Array) -> bool:
    """Whether the values (n,) can be classes: few whole numbers that seldom change."""
    if (column != np.rint(column)).any() or len(np.unique(column)) > _MOST_CLASSES:
        return False
    return len(column) < LEAST_ROWS or float((np.diff(column) != 0).mean()) <= _CLASS_CHANGES


def leading_columns(values: Float64Array, least: int, *, class_last: bool = False) -> int:
    """How many columns before the channels are times or counters.

    Args:
        values: (n, width) the first rows.
        least: columns that must remain.
        class_last: the last column is a class where it can be one; then a ramp before it may be a channel.

    Returns:
        0, 1 or 2.
    """
    found = 0
    while found < 2 and values.shape[1] - found > least and _leads(values, found, class_last):
        found += 1
    return found


def may_grow(column: Float64Array) -> bool:
    """Whether too few of the values (n,) differ to tell: they never fall, and stand still for long."""
    steps = np.diff(column)
    return bool(len(steps)) and not (steps < 0).any() and 0 < int((steps > 0).sum()) < _LEAST_DISTINCT - 1


def _leads(values: Float64Array, place: int, class_last: bool) -> bool:
    column = values[:, place]
    if class_last and is_class(values[:, -1]) and not is_unix(column):
        # Of a handful of rows, only a time since 1970 tells.
        return len(values) >= LEAST_ROWS and grows(column) and not is_counter(column)
    return grows(column) or counts(column)
