"""The server processes of the benchmark: the real service, fed by a source or by a metronome."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from drivers.source import Source, SupportsReplay
from models.spec import ModelError
from service.bench.processes.synthetic_poses import FeedSource
from service.bench.processes.trace import Played, Trace, counts
from service.bench.processes.worker_process import BenchError, Line, call_in, usage
from service.event_loop import loop_factory
from service.run import READY, run
from service.settings import ServiceConfig
from service.wiring import Service

SETTLE_S: Final = 2.0
LOOK_S: Final = 0.0005


def serve(line: Line, request: dict[str, Any]) -> None:
    """Serve `source` with `model` and `hop` (and record into `record`); orders: usage, model, stop.

    With `trace`, every pose is noted and the notes are written to that file at the end.
    """
    trace = Trace() if request.get("trace") else None
    _serve(line, _config(request), (lambda _: None) if trace is None else lambda service: service.observe(trace))
    if trace is not None:
        trace.save(Path(request["trace"]))
    line.send(stopped=True)


def replay(line: Line, request: dict[str, Any]) -> None:
    """Like `serve`, for a replay that waits for the order `play`: `usage` also says what was played, and when."""
    played = Played()

    def prepare(service: Service) -> None:
        played.attach(service)
        _replay_of(service).pause()

    _serve(line, _config(request), prepare, also=played.figures)
    line.send(stopped=True)


def feed(line: Line, request: dict[str, Any]) -> None:
    """Serve ready-made poses at `rate` a second, without source and model: only the fan-out is at work."""
    source = FeedSource(request["rate"])

    def prepare(service: Service) -> None:
        source.publish = lambda pose: service.hub.on_event(pose.device, pose)

    _serve(line, ServiceConfig(sources=("feed",), port=0), prepare, [source])
    line.send(stopped=True)


def _config(request: dict[str, Any]) -> ServiceConfig:
    model, record = request.get("model"), request.get("record")
    return ServiceConfig(
        sources=(request["source"],),
        port=0,
        model=Path(model) if model else None,
        hop=request.get("hop"),
        record=Path(record) if record else None,
    )


def _serve(
    line: Line,
    config: ServiceConfig,
    prepare: Callable[[Service], None],
    sources: list[Source] | None = None,
    also: Callable[[], dict[str, Any]] = dict,
) -> None:
    def started(service: Service) -> None:
        prepare(service)
        loop = asyncio.get_running_loop()
        threading.Thread(target=_obey, args=(line, service, loop, also), daemon=True).start()

    def announce(text: str) -> None:
        line.send(url=text.removeprefix(READY))

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(config, announce, sources=sources, prepare=started))


def _obey(line: Line, service: Service, loop: asyncio.AbstractEventLoop, also: Callable[[], dict[str, Any]]) -> None:
    """On a thread of its own, so that a busy loop does not delay the figures."""

    def stop(_: dict[str, Any]) -> None:
        call_in(loop, lambda: _settle(line, service, loop.time() + SETTLE_S))

    def look(_: dict[str, Any]) -> dict[str, Any]:
        return usage() | _clients(service) | counts(service) | also()

    def play(_: dict[str, Any]) -> None:
        call_in(loop, _replay_of(service).resume)

    line.obey({"usage": look, "model": partial(_model, service), "play": play, "stop": stop})
    call_in(loop, service.stop.set)


def _settle(line: Line, service: Service, until: float) -> None:
    """Stop at a moment at which no window is on its way, so that everything that fell due is accounted for."""
    loop = asyncio.get_running_loop()
    if counts(service)["unfinished"] and loop.time() < until:
        loop.call_later(LOOK_S, _settle, line, service, until)
        return
    line.send(**counts(service), **_clients(service))
    service.stop.set()


def _replay_of(service: Service) -> SupportsReplay:
    source = service.devices[0].source
    if not isinstance(source, SupportsReplay):
        raise BenchError(f"{source.info.uri} is no replay; give one that is `replay:FILE`", 2)
    return source


def _clients(service: Service) -> dict[str, Any]:
    """How many there are, and what the slowest of them has missed."""
    clients = list(service.hub.clients)
    return {"clients": len(clients), "dropped": max((client.dropped for client in clients), default=0)}


def _model(service: Service, _: dict[str, Any]) -> dict[str, Any]:
    device = service.devices[0]
    if device.engine is None:
        raise ModelError(f"no shipped model fits {device.source.info.uri}; give one with --model")
    predictor = device.engine.predictor
    return {"sha256": predictor.sha256, "hop": device.engine.hop, "rate_hz": device.real_rate_hz}
