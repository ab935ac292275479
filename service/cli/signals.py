"""Ctrl-C and SIGTERM while a verb only prepares."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """End the process with exit code 0 on either signal: nothing is open yet that would have to be closed.

    An exception instead could come up anywhere, in an import too, and be taken for that import's failure.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: os._exit(0)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
