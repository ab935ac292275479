"""The command line: one module per verb. It is the one composition root."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from models.errors import MyocastError
from service.cli.signals import stopping_at_once
from service.cli.typed import as_typed
from service.cli.usage import plain
from service.cli.verbs import VERBS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_INTERRUPTED: Final = 130
"""What typer makes of a KeyboardInterrupt, depending on the version."""


def main() -> None:
    """The console script. A user's mistake is one line on stderr and exit code 2, without a traceback."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    _write_what_the_encoding_has()
    limit_threads(sys.argv[1:])
    # Imports take a while, and until they are done nothing is open that would have to be closed.
    with stopping_at_once():
        import typer
    # typer brings its own copy of click, or imports it, depending on the version: take the errors from where it does.
    usage_error: Any = typer.BadParameter.__mro__[1]
    click_exception: Any = typer.BadParameter.__mro__[2]
    try:
        with stopping_at_once():
            from service.cli.app import build

            app = build(sys.argv[1:])
        code = app(standalone_mode=False, prog_name="myocast")
    except MyocastError as error:
        code = _complain(str(error), error.exit_code)
    except usage_error as error:
        where = getattr(getattr(error, "ctx", None), "command_path", None) or _verb_typed(sys.argv[1:])
        code = _complain(f"{plain(error.format_message()).rstrip('.')}; see `{where} --help`", 2)
    except click_exception as error:
        code = _complain(error.format_message(), 2)
    except (typer.Abort, KeyboardInterrupt, BrokenPipeError):
        code = 0
    sys.exit(code if isinstance(code, int) and code != _INTERRUPTED else 0)


def _verb_typed(arguments: Sequence[str]) -> str:
    """The command up to its verb; click does not say it of an option without its value."""
    return f"myocast {arguments[0]}" if arguments and arguments[0] in VERBS else "myocast"


def limit_threads(arguments: Sequence[str]) -> None:
    """Let numpy solve on one thread while serving; it reads this when it is imported.

    On several, threads that wait for each other take six times the processor for the small systems of a personal
    model, from the model that makes poses.
    """
    if arguments[:1] == ["serve"]:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _write_what_the_encoding_has() -> None:
    """Let a pipe or a terminal whose encoding lacks a character get `?` for it instead of ending the verb."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a verb as SIGINT does, with code 0; verbs that need more than that handle both signals themselves.

    That is whatever SIGINT does at the moment: asyncio cancels what runs, which may then clean up, where an exception
    out of the loop would end it at once.
    """
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(number, frame)


def _complain(message: str, code: int) -> int:
    import typer

    typer.echo(f"myocast: {as_typed(' '.join(message.split()))}", err=True)
    return code
