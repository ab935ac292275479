"""Processes of the benchmark's own, spoken to in lines of JSON over their standard streams.

A child ends when its standard input does, so nothing outlives the benchmark, whatever happens to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module, util
from pathlib import Path
from typing import Any, Final

import psutil

from drivers.clock import now
from models.errors import MyocastError

PATIENCE_S: Final = 120.0
"""How long an answer may take beyond what was asked for."""
GRACE_S: Final = 15.0
BOOT: Final = "import sys; from service.bench.processes.worker_process import child; child(sys.argv[1])"


class BenchError(MyocastError):
    """The benchmark cannot run as asked, or one of its processes failed."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def command(code: str, *arguments: str) -> list[str]:
    """A Python process that sees these packages and nothing of the working directory."""
    return [sys.executable, "-P", "-c", code, *arguments]


def environment() -> dict[str, str]:
    """The environment in which such a process finds what this one has imported."""
    found = [util.find_spec(name) for name in ("service", "myocast_client")]
    folders = [str(Path(spec.origin).parents[1]) for spec in found if spec is not None and spec.origin]
    paths = dict.fromkeys([*folders, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def spawn(code: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start it outside the terminal's group: an interrupt reaches the benchmark, which ends its children."""
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    everything: dict[str, Any] = {"env": environment()} | detached | options
    process: subprocess.Popen[bytes] = subprocess.Popen(command(code, *arguments), **everything)
    return process


class Child:
    """A process that runs `module:function(line, request)`.

    Args:
        target: what it runs.
        request: the first thing that it is told.
    """

    def __init__(self, target: str, **request: Any) -> None:
        self._name = target
        self._process = spawn(BOOT, target, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.tell(**request)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, **message: Any) -> None:
        assert self._process.stdin is not None
        # Where it has ended, why is in what it said last.
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def hear(self, timeout: float = PATIENCE_S) -> dict[str, Any]:
        """Its next answer.

        Raises:
            BenchError: it failed (with its own words), ended, or took too long.
        """
        try:
            line = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise BenchError(f"{self._name} did not answer within {timeout:g} s; is the machine overloaded?") from None
        if not line:
            raise BenchError(f"{self._name} ended without an answer (exit code {self._process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchError(answer["error"], answer["exit_code"])
        return answer

    def ask(self, timeout: float = PATIENCE_S, **message: Any) -> dict[str, Any]:
        self.tell(**message)
        return self.hear(timeout)

    def close(self) -> None:
        """End it: politely, then by force."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                self._answers.put(line)
        self._answers.put(b"")


class Line:
    """A child's side: what it is told, and where it answers."""

    def __init__(self) -> None:
        # Whatever a library prints goes to stderr; only answers go to the parent.
        self._out = io.FileIO(os.dup(1), "w")
        os.dup2(2, 1)
        self._in = io.FileIO(0, "r", closefd=False)
        self._lock = threading.Lock()

    def receive(self) -> dict[str, Any] | None:
        """The next message, or None when the parent has closed the line."""
        text = self._in.readline()
        return json.loads(text) if text.endswith(b"\n") else None

    def send(self, **answer: Any) -> None:
        # Where nobody listens any more, the end of the input ends this process.
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._out.write(json.dumps(answer).encode() + b"\n")

    def obey(self, orders: Mapping[str, Callable[[dict[str, Any]], dict[str, Any] | None]]) -> None:
        """Answer `{"do": name, ...}` until the parent closes the line; an order may answer later (None)."""
        while (message := self.receive()) is not None:
            try:
                answer = orders[message["do"]](message)
            except MyocastError as error:
                answer = failure(error)
            if answer is not None:
                self.send(**answer)


def child(target: str) -> None:
    """The main function of such a process."""
    line = Line()
    request = line.receive()
    module, _, function = target.partition(":")
    if request is None:
        return
    try:
        getattr(import_module(module), function)(line, request)
    except MyocastError as error:
        line.send(**failure(error))
        sys.exit(error.exit_code)


def failure(error: MyocastError) -> dict[str, Any]:
    """The answer that says why there is none."""
    return {"error": str(error), "exit_code": error.exit_code}


def clock_anchor() -> float:
    """This process's clock minus the system-wide monotonic one: what two processes exchange to compare times."""
    return now() - time.perf_counter()


def usage() -> dict[str, Any]:
    """CPU seconds and resident bytes of this process so far, and its clock's anchor."""
    return {
        "cpu_s": time.process_time(),
        "at": time.perf_counter(),
        "rss": psutil.Process().memory_info().rss,
        "anchor": clock_anchor(),
    }


def percent(before: dict[str, Any], after: dict[str, Any]) -> float:
    """CPU between two looks at `usage`, in percent of one core."""
    return float(100.0 * (after["cpu_s"] - before["cpu_s"]) / (after["at"] - before["at"]))


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call on the loop's thread; a loop that is over needs no calls any more."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
