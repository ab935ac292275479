"""Progress bars on stderr while a person waits; nothing where stderr is not a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar:
    """One bar of several."""

    def __init__(self, bars: Progress, description: str, total: int, done: int) -> None:
        self._bars = bars
        self._task = bars.add_task(description, total=total, completed=done, note="")

    def advance(self, note: str = "") -> None:
        """One more is done."""
        self._bars.update(self._task, advance=1, note=note)

    def set(self, done: float, note: str | None = None) -> None:
        """So many are done; None keeps the note."""
        self._bars.update(self._task, completed=done)
        if note is not None:
            self._bars.update(self._task, note=note)


class Bars:
    """Bars below one another, while the context lasts."""

    def __init__(self, *, transient: bool = False, estimate_over_s: float = 30.0) -> None:
        """`transient` removes them at the end; the time left is estimated from the last `estimate_over_s` seconds."""
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=transient,
            disable=not self.on_terminal,
            speed_estimate_period=estimate_over_s,
        )

    def echo(self, text: str) -> None:
        """Print a line on stderr, above the bars."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @property
    def on_terminal(self) -> bool:
        """Whether stderr is a terminal."""
        return self._console.is_terminal

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the bars as they are; what is printed next comes below them."""
        self._bars.stop()

    def add(self, description: str, total: int, done: int = 0) -> Bar:
        """A new bar, `done` of `total` already behind it."""
        return Bar(self._bars, description, total, done)


@contextmanager
def reading_bar() -> Iterator[Callable[[str, int], None]]:
    """One bar that disappears at the end; call what it gives with the name of each file that was read and how many."""
    with Bars(transient=True) as bars:
        shown: list[Bar] = []

        def read(name: str, total: int) -> None:
            if not shown:
                shown.append(bars.add("reading", total))
            shown[0].advance(Path(name).name[-40:])

        yield read


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[], None]]:
    """One bar that disappears at the end; call what it gives after each of `total` parts."""
    with Bars(transient=True) as bars:
        bar = bars.add(description, total)
        yield bar.advance


@contextmanager
def share_bar() -> Iterator[Callable[[str, float], None]]:
    """One bar that disappears at the end; call what it gives with what is being done and the share that is done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda text, share: bar.update(task, description=text, completed=share)
