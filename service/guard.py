"""One guard for everything that runs beside the sources: what fails is named in the log, in status and in metrics.

A task that has to run is started again, after a back-off; an output that fails again and again is left out; whatever
else fails is told, and the rest goes on. What must not go on without it ends the server on purpose (`Service.fail`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from models.errors import MyocastError

log = logging.getLogger("myocast")

CODE: Final = "internal_error"
"""Code of `status.error` for what the guard tells."""
FIRST_PAUSE_S: Final = 0.5
"""Seconds before a task is started again; they double up to `LONGEST_PAUSE_S`."""
LONGEST_PAUSE_S: Final = 30.0
RAN_WELL_S: Final = 60.0
"""Seconds after which a task that fails again has the first pause again."""
TRACEBACKS: Final = 3
"""Faults of one part that are logged with a traceback; further ones are counted, and told every `TELL_EVERY`."""
TELL_EVERY: Final = 1000
MOST_IN_A_ROW: Final = 100
"""Events in a row at which an output fails before it is left out."""


class PartFailed(MyocastError):
    """A part without which the server cannot go on has failed."""

    exit_code = 1


class Guard:
    """Counts and tells what fails. Everything but `fault` runs on the event loop's thread.

    Args:
        tell: takes the code and a line for `status.error`; called on any thread.
    """

    def __init__(self, tell: Callable[[str, str], None] = lambda code, message: None) -> None:
        self.faults: Counter[str] = Counter()
        """Faults so far, by the part that failed."""
        self._tell = tell
        self._in_a_row: Counter[str] = Counter()

    def fault(self, part: str, error: BaseException, then: str = "the rest goes on") -> str:
        """Count and tell a fault; return the line that says so. May be called on any thread.

        Args:
            part: that failed, as it is named in log, status and metrics.
            then: what happens next.
        """
        self.faults[part] += 1
        count = self.faults[part]
        line = f"a fault in {part} ({type(error).__name__}: {_one_line(error)}); {then}"
        if count <= TRACEBACKS:
            log.error("%s", line, exc_info=error)
        elif count % TELL_EVERY == 0:
            log.error("%s (fault %d)", line, count)
        if count <= TRACEBACKS or count % TELL_EVERY == 0:
            self._tell(CODE, line)
        return line

    def output_failed(self, part: str, error: Exception) -> bool:
        """Count a fault of an output; return whether it is to be left out from now on."""
        self._in_a_row[part] += 1
        ends = self._in_a_row[part] >= MOST_IN_A_ROW
        self.fault(part, error, "it gets no more events" if ends else "it gets the next event all the same")
        if ends:
            line = f"{part} failed at {MOST_IN_A_ROW} events in a row and gets no more of them"
            log.error("%s", line)
            self._tell(CODE, line)
        return ends

    def output_works(self, part: str) -> None:
        """An output that failed has taken an event."""
        self._in_a_row.pop(part, None)

    async def keep(self, part: str, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a task that must not end, and start it again when it fails, until cancelled.

        Raises:
            MyocastError: the task raised it, to end the server on purpose.
        """
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            began = loop.time()
            try:
                await make()
                return
            except MyocastError:
                raise
            except Exception as error:
                pause_s = FIRST_PAUSE_S if loop.time() - began > RAN_WELL_S else pause_s
                self.fault(part, error, f"it is started again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)

    async def needed(self, part: str, task: Coroutine[Any, Any, None]) -> None:
        """Run a task without which the server cannot go on.

        Raises:
            PartFailed: it failed.
            MyocastError: the task raised it.
        """
        try:
            await task
        except MyocastError:
            raise
        except Exception as error:
            raise PartFailed(self.fault(part, error, "the server ends")) from error

    def watch(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Tell what nobody else catches: callbacks and tasks of the loop, and threads; return what undoes it."""
        handler, hook = loop.get_exception_handler(), threading.excepthook

        def on_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if not isinstance(error, Exception):
                loop.default_exception_handler(context)
                return
            self.fault(_part_of(context), error)

        def on_thread(arguments: threading.ExceptHookArgs) -> None:
            if arguments.exc_value is None or isinstance(arguments.exc_value, SystemExit):
                return
            name = "a thread" if arguments.thread is None else f"thread {arguments.thread.name}"
            self.fault(name, arguments.exc_value, "the thread has ended")

        def undo() -> None:
            loop.set_exception_handler(handler)
            threading.excepthook = hook

        loop.set_exception_handler(on_loop)
        threading.excepthook = on_thread
        return undo


def _part_of(context: dict[str, Any]) -> str:
    """What failed in the event loop: the function of a task or a callback, where it can be told."""
    future = context.get("future") or context.get("task")
    if isinstance(future, asyncio.Task):
        return f"task {getattr(future.get_coro(), '__qualname__', future.get_name())}"
    protocol = context.get("protocol")
    if protocol is not None:
        return f"connection {type(protocol).__name__}"
    return "a callback"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
