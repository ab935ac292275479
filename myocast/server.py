"""A server in a process of its own, for as long as a program or a notebook needs it.

A process and not a thread: the server must answer within milliseconds while the program computes, and it sets up
signals and the collector of a whole process. It stops when its standard input is closed, so it never outlives the
program.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from models.errors import MyocastError
from myocast.inference import SHIPPED, Model, load_model

STOP_S: Final = 30.0
"""Seconds that a server may take to stop and to finish a recording before it is ended by force."""
_PACKAGES: Final = Path(__file__).resolve().parents[1]
_PROGRAM: Final = "import sys; sys.path.append(sys.argv[1]); from myocast.server_process import main; main()"
if sys.platform == "win32":
    _OWN_GROUP: Final[dict[str, Any]] = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    _OWN_GROUP: Final[dict[str, Any]] = {"start_new_session": True}
# Ctrl-C in a terminal, and interrupting a cell, reach the program alone.


class ServerError(MyocastError):
    """A server that did not start, or that failed while it ran."""


def serve(
    *sources: str | Path,
    model: Model | str | Path | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    hop: int | None = None,
    smooth: str = "auto",
    hold: float | None = 0.5,
    token: str | None = None,
    origins: Sequence[str] = (),
    record: str | Path | None = None,
    recordings: str | Path = "recordings",
    logs: bool = True,
) -> Server:
    """Start a server in a process of its own and return once it accepts connections.

        with myocast.serve("demo:") as server:
            for pose in myocast.connect(server.url):
                ...

    Args:
        sources: addresses of sources as `myocast serve` takes them (`myo:`, `synthetic:`, `replay:FILE?speed=2`, …), or
            session files; without any, `demo:`.
        model: what poses are made with; None: the shipped model that fits each source.
        port: port to listen on; 0 takes a free one.
        host: address to listen on. Beyond this machine clients must show a token; one is made if none is given.
        hop: samples between two poses; None: as the model suggests.
        smooth: the filter behind the model: `auto` as its file recommends, `off`, or `MINCUTOFF,BETA[,STAGES]`.
        hold: seconds for which the last pose is repeated when the signal is lost, before the hand goes to rest;
            None: then nothing is sent.
        token: that clients must show.
        origins: pages from elsewhere that may connect.
        record: a session file to record everything into.
        recordings: folder of the recordings that clients start.
        logs: whether the server writes its log to this program's standard error.

    Raises:
        ServerError: a source, the model or the port cannot be used; the text says why.
    """
    if isinstance(model, str) and model in SHIPPED:
        model = load_model(model)
    request = {
        "sources": [str(source) for source in sources or ("demo:",)],
        "model": _absolute(model.path if isinstance(model, Model) else model),
        "port": port,
        "host": host,
        "hop": hop,
        "smooth": smooth,
        "hold": hold,
        "token": token,
        "origins": list(origins),
        "record": _absolute(record),
        "recordings": _absolute(recordings),
    }
    return Server(request, logs=logs)


class Server:
    """A running server. Leave its `with` block or call `close` to stop it."""

    def __init__(self, request: dict[str, Any], *, logs: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(_PACKAGES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if logs else subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            **_OWN_GROUP,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        try:
            self._url = self._start(request)
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self._stop()
        if failure and error is None:
            raise ServerError(failure)

    def __repr__(self) -> str:
        return f"<Server {self._url.partition('#')[0]}{'' if self.running else ', stopped'}>"

    @property
    def url(self) -> str:
        """The address of the viewer, which clients take too; with the token, if there is one."""
        return self._url

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """Stop it, finish what it records, and wait until it is gone. Does nothing if it is gone already.

        Raises:
            ServerError: why it had failed, if it had.
        """
        failure = self._stop()
        if failure:
            raise ServerError(failure)

    def _start(self, request: dict[str, Any]) -> str:
        """Send the process its request; return the address once it is ready."""
        self._stdin.write(json.dumps(request) + "\n")
        self._stdin.flush()
        answer = json.loads(self._stdout.readline() or "{}")
        if "url" not in answer:
            raise ServerError(answer.get("error", f"the server ended with code {self._process.wait()}, see its log"))
        return str(answer["url"])

    def _stop(self) -> str:
        """Wait until the process has ended; return why it had failed, or None."""
        if self._stdout.closed:
            return ""
        self._stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._stdout:
            lines = [json.loads(line) for line in self._stdout]
        return next((str(line["error"]) for line in lines if "error" in line), "")


def _absolute(path: str | Path | None) -> str | None:
    return None if path is None else str(Path(path).absolute())
