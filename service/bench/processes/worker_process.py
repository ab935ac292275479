"""Processes of the benchmark's own: started by `multiprocessing`, connected by a pipe.

A worker ends when the other end of its pipe is closed, so none outlives the benchmark, not even one that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Final

import psutil

from drivers.clock import now
from models.errors import MyocastError
from service.bench.errors import BenchError

ANSWER_TIMEOUT_S: Final = 120.0
"""Seconds that an answer may take, beyond the duration that is part of the command."""
END_TIMEOUT_S: Final = 15.0
"""Seconds between closing the pipe and killing the process."""

Message = dict[str, Any]
Target = Callable[["Channel", Message], None]
Handler = Callable[[Message], Message | None]


@dataclass(frozen=True, slots=True)
class Failure:
    """The answer of a worker whose command failed."""

    text: str
    exit_code: int


class WorkerProcess:
    """A process that runs `target(channel, request)`.

    Args:
        target: a function of a module.
        request: what to do.
    """

    def __init__(self, target: Target, **request: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._name = f"{target.__module__.rpartition('.')[2]}.{target.__name__}"
        self._process = context.Process(target=_run, args=(target, theirs, request), daemon=True)
        try:
            with _interrupts_held_back():
                self._process.start()
        except KeyboardInterrupt:
            theirs.close()
            self.close()
            raise
        theirs.close()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send(self, command: str, **arguments: Any) -> None:
        """Send a command."""
        # If it has ended, its last answer holds the reason.
        with contextlib.suppress(OSError):
            self._connection.send((command, arguments))

    def recv(self, timeout: float = ANSWER_TIMEOUT_S) -> Message:
        """Wait for the next answer and return it.

        Raises:
            BenchError: it failed (with its own words), ended, or took too long.
        """
        if not self._connection.poll(timeout):
            raise BenchError(f"{self._name} did not answer within {timeout:g} s; is the machine overloaded?")
        try:
            answer: Message | Failure = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise BenchError(f"{self._name} ended without an answer (exit code {self._process.exitcode})") from None
        if isinstance(answer, Failure):
            raise BenchError(answer.text, answer.exit_code)
        return answer

    def request(self, command: str, **arguments: Any) -> Message:
        """Send a command and wait for the answer."""
        self.send(command, **arguments)
        return self.recv()

    def close(self) -> None:
        """End the process by closing the pipe; kill it if it does not end."""
        self._connection.close()
        self._process.join(END_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


class Channel:
    """A worker's end of the pipe. Any thread may send."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, **answer: Any) -> None:
        """Answer the parent process."""
        self._send(answer)

    def fail(self, error: MyocastError) -> None:
        """Send the parent process an error in place of an answer."""
        self._send(Failure(str(error), error.exit_code))

    def serve(self, handlers: Mapping[str, Handler]) -> None:
        """Call the handler of each command and send what it returns, until the parent closes the pipe.

        A handler that returns None answers later.
        """
        while (received := self._recv()) is not None:
            command, arguments = received
            try:
                answer = handlers[command](arguments)
            except MyocastError as error:
                self.fail(error)
                continue
            if answer is not None:
                self._send(answer)

    def _recv(self) -> tuple[str, Message] | None:
        try:
            received: tuple[str, Message] = self._connection.recv()
        except (EOFError, OSError):
            return None
        return received

    def _send(self, answer: Message | Failure) -> None:
        # The closed pipe ends this process.
        with self._lock, contextlib.suppress(OSError):
            self._connection.send(answer)


def _run(target: Target, connection: Connection, request: Message) -> None:
    """Run a worker: the main function of its process."""
    _leave_terminal()
    channel = Channel(connection)
    try:
        target(channel, request)
    except MyocastError as error:
        channel.fail(error)
        sys.exit(error.exit_code)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Answer SIGINT only afterwards; a process that is started meanwhile begins with it blocked.

    Blocking it is not enough here: another thread, numpy's for instance, may receive it, and Python then runs the
    handler in the main thread all the same, in the midst of a start.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[FrameType | None] = []
    before = signal.signal(signal.SIGINT, lambda _, frame: came.append(frame))
    # Started on demand, the resource tracker would unblock it.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(signal.SIGINT, came[0])


def _leave_terminal() -> None:
    """Leave Ctrl-C to the benchmark, which ends its workers, and stdout to its report."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # Whatever a library prints goes to stderr.
    os.dup2(2, 1)


def clock_anchor() -> float:
    """Give the seconds from the system-wide monotonic clock to this process's own.

    Two processes exchange them to compare times.
    """
    return now() - time.perf_counter()


def usage() -> Message:
    """CPU seconds and resident bytes of this process so far, and its clock's anchor."""
    return {
        "cpu_s": time.process_time(),
        "at": time.perf_counter(),
        "rss": psutil.Process().memory_info().rss,
        "anchor": clock_anchor(),
    }


def cpu_percent(before: Message, after: Message) -> float:
    """CPU between two results of `usage`, in percent of one core."""
    return float(100.0 * (after["cpu_s"] - before["cpu_s"]) / (after["at"] - before["at"]))


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call on the loop's thread, unless the loop is closed."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
