"""The process that `myocast.serve` starts.

Its standard input holds one line of JSON, what to serve, and then nothing until it is closed, which stops the server.
It answers with lines of JSON: `url` once it is ready, `error` where it fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import threading
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from models.errors import MyocastError
from service.cli.arguments import source_uri
from service.engine.model_selection import ModelSelector
from service.engine.output_stage import Smoothing
from service.event_loop import loop_factory
from service.logs import configure
from service.loopback import is_loopback
from service.run import READY, run
from service.settings import ServiceConfig
from service.web.access import AccessPolicy, check_length
from service.wiring import Service


def main() -> None:
    """Serve what the line on standard input describes, until standard input is closed."""
    configure("text")
    with FileIO(0, closefd=False) as stdin:
        request = json.loads(stdin.readline())
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            config = config_of(request)
            selector = ModelSelector(config.model, prove=True)
            runner.run(run(config, _announce, model_selector=selector, prepare=_stop_with_stdin))
    except MyocastError as error:
        _answer(error=str(error))
        sys.exit(error.exit_code)


def config_of(request: dict[str, Any]) -> ServiceConfig:
    """Make the configuration of a server from a request of `myocast.serve`."""
    host, token = request["host"], request["token"]
    if token is not None:
        check_length(token)
    elif not is_loopback(host):
        token = secrets.token_urlsafe(16)
    model, record = request["model"], request["record"]
    return ServiceConfig(
        sources=tuple(map(source_uri, request["sources"])),
        policy=AccessPolicy(host, tuple(request["origins"]), token),
        port=request["port"],
        model=None if model is None else Path(model),
        hop=request["hop"],
        smoothing=Smoothing.parse(request["smooth"]),
        hold_s=request["hold"],
        record=None if record is None else Path(record),
        recordings=Path(request["recordings"]),
    )


def _announce(line: str) -> None:
    if line.startswith(READY):
        _answer(url=line.removeprefix(READY))


def _answer(**fields: str) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def _stop_with_stdin(service: Service) -> None:
    loop = asyncio.get_running_loop()

    def wait() -> None:
        while os.read(0, 4096):
            pass
        with suppress(RuntimeError):  # the loop is closed: the server has ended by itself
            loop.call_soon_threadsafe(service.stop.set)

    # A daemon, so that a server that ends by itself does not wait for its program.
    threading.Thread(target=wait, daemon=True).start()
