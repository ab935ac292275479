"""Ctrl-C and SIGTERM for verbs that only look around."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def stoppable() -> Iterator[None]:
    """Either signal ends what runs inside, which may still clean up, and then the program, with exit code 0."""
    # As SIGINT, which asyncio turns into the cancelling of what runs; an exception out of the loop would end it at once.
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    finally:
        signal.signal(signal.SIGTERM, before)
