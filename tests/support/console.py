"""`myocast` as its users start it: a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

TIMEOUT_S: Final = 60.0
_START: Final = "from service.cli import main; main()"
_READY: Final = re.compile(r"Myocast is ready: (http://\S+:(\d+)/)(?:#token=(\S+))?")


class Server:
    """A running `myocast serve` that has printed its ready line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._errors: list[str] = []
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        assert process.stdout is not None
        self.line = process.stdout.readline()
        found = _READY.fullmatch(self.line.strip())
        if found is None:
            raise AssertionError(f"not ready: {self.line!r} {self.stderr()!r}")
        self.url, self.port, self.token = found[1], int(found[2]), found[3]

    @property
    def stream(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(TIMEOUT_S)
        self._reader.join(TIMEOUT_S)
        return code

    def stderr(self) -> str:
        """Its stderr so far (all of it, once it has ended)."""
        if self.process.poll() is not None:
            self._reader.join(TIMEOUT_S)
        return "".join(self._errors)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):
            self._errors.extend(self.process.stderr)


class Console:
    """Starts `myocast` in `folder`, where a folder `models` of the user's must not matter."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(repository),
            "PYTHONSAFEPATH": "1",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "200",
        }
        self._processes: list[subprocess.Popen[str]] = []

    def run(self, *arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
        """Run a verb to its end. `before` is Python that runs first, in the same process."""
        return subprocess.run(
            self._command(arguments, before), cwd=self.folder, env=self.environment, text=True, timeout=TIMEOUT_S,
            capture_output=True, check=False,
        )  # fmt: skip

    def start(self, *arguments: object, before: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self._command(arguments, before), cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def serve(self, *arguments: object, before: str = "") -> Server:
        """`myocast serve` on a free port, once it is ready."""
        return Server(self.start("serve", *arguments, "--port", 0, before=before))

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait(TIMEOUT_S)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def _command(self, arguments: tuple[object, ...], before: str) -> list[str]:
        return [sys.executable, "-c", f"{before}\n{_START}", *map(str, arguments)]
