"""A real `nats-server` on a port that the system chooses."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

SERVER: Final = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
_START_S: Final = 20.0


class Broker:
    """The process; `stop` and `start` again give the same address and what was kept.

    Args:
        folder: for what it keeps.
        keeps: whether JetStream is on.
        more: further arguments.
    """

    def __init__(self, folder: Path, *more: str, keeps: bool = True) -> None:
        self.port = -1
        self._folder, self._more, self._keeps = folder, more, keeps
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        assert SERVER is not None
        ports = self._folder / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir(parents=True)
        kept = ("-js", "-sd", str(self._folder / "kept")) if self._keeps else ()
        log = ("--log", str(self._folder / "broker.log"))
        self._process = subprocess.Popen(
            [SERVER, "-a", "127.0.0.1", "-p", str(self.port), "--ports_file_dir", str(ports), *log, *kept, *self._more]
        )
        deadline = time.monotonic() + _START_S
        while not (found := list(ports.glob("*.ports"))) or not found[0].read_text():
            assert time.monotonic() < deadline, (self._folder / "broker.log").read_text()
            time.sleep(0.02)
        self.port = int(json.loads(found[0].read_text())["nats"][0].rpartition(":")[2])

    def kill(self) -> None:
        """End it at once, as a machine that fails."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
