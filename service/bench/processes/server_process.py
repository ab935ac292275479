"""The server processes of the benchmark: the real service with a source, a replay or synthetic poses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

import psutil

from drivers.source import Source, SupportsReplay
from models.spec import ModelError
from service.bench.errors import BenchError
from service.bench.processes.synthetic_poses import SyntheticPoseSource
from service.bench.processes.trace import ReplayProgress, Trace, engine_counts
from service.bench.processes.worker_process import Channel, Message, call_in, usage
from service.engine.output_stage import Smoothing
from service.event_loop import loop_factory
from service.run import READY, run
from service.settings import DEFAULT_MODELS, ServiceConfig
from service.wiring import Service

SETTLE_S: Final = 2.0
"""Seconds that windows on their way have before the server stops all the same."""
SETTLE_CHECK_S: Final = 0.0005
POOLS: Final = ("asyncio_", "AnyIO worker", "ThreadPoolExecutor")
"""Beginnings of the names of threads that are kept for later use."""


def serve(channel: Channel, request: Message) -> None:
    """Serve `source` or `sources` with `model`, `hop` and `smooth`, and record into `record`; commands: usage, bands,
    model, stop.

    With `trace`, the times of every pose are written to that file at the end. With `core`, the process is kept on that
    core where the system can.
    """
    if request.get("core") is not None:
        request["pinned"] = _keep_on_core(request["core"])
    trace = Trace() if request.get("trace") else None
    prepare = (lambda _: None) if trace is None else lambda service: service.observe(trace)
    _serve(channel, _config(request), prepare, pinned=request.get("pinned", False))
    if trace is not None:
        trace.save(request["trace"])
    channel.send(stopped=True)


def serve_replay(channel: Channel, request: Message) -> None:
    """Like `serve`, for a replay that waits for the command `play`; `usage` also has what was played, and when."""
    progress = ReplayProgress()

    def prepare(service: Service) -> None:
        progress.attach(service)
        _replay_of(service).pause()

    _serve(channel, _config(request), prepare, more_usage=progress.values)
    channel.send(stopped=True)


def serve_synthetic_poses(channel: Channel, request: Message) -> None:
    """Serve synthetic poses at `rate_hz`, without source and model: only the fan-out is at work."""
    source = SyntheticPoseSource(request["rate_hz"])

    def prepare(service: Service) -> None:
        source.publish = lambda pose: service.hub.on_event(pose.device, pose)

    _serve(channel, ServiceConfig(sources=("feed",), port=0), prepare, [source])
    channel.send(stopped=True)


def _config(request: Message) -> ServiceConfig:
    return ServiceConfig(
        sources=tuple(request.get("sources") or (request["source"],)),
        port=0,
        model=request.get("model"),
        hop=request.get("hop"),
        smoothing=Smoothing.parse(request.get("smooth", "auto")),
        record=request.get("record"),
        models=request.get("models", DEFAULT_MODELS),
    )


def _serve(
    channel: Channel,
    config: ServiceConfig,
    prepare: Callable[[Service], None],
    sources: list[Source] | None = None,
    more_usage: Callable[[], Message] = dict,
    pinned: bool = False,
) -> None:
    def started(service: Service) -> None:
        prepare(service)
        loop = asyncio.get_running_loop()
        threading.Thread(target=_serve_commands, args=(channel, service, loop, more_usage), daemon=True).start()

    def announce(text: str) -> None:
        channel.send(url=text.removeprefix(READY), pinned=pinned)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(config, announce, sources=sources, prepare=started))


def _serve_commands(
    channel: Channel, service: Service, loop: asyncio.AbstractEventLoop, more_usage: Callable[[], Message]
) -> None:
    """Run on a thread of its own, so that a busy event loop does not delay the figures."""

    def stop(_: Message) -> None:
        call_in(loop, lambda: _settle(channel, service, loop.time() + SETTLE_S))

    def used(_: Message) -> Message:
        return usage() | _clients(service) | engine_counts(service) | _held(loop) | more_usage()

    def play(_: Message) -> None:
        call_in(loop, _replay_of(service).resume)

    def bands(_: Message) -> Message:
        counts = [engine_counts(service, device) for device in range(len(service.devices))]
        return usage() | {name: sum(count[name] for count in counts) for name in ("due", "poses", "skipped")}

    channel.serve({"usage": used, "bands": bands, "model": partial(_model, service), "play": play, "stop": stop})
    call_in(loop, service.stop.set)


def _settle(channel: Channel, service: Service, until: float) -> None:
    """Stop at a moment at which no window is on its way, so that everything that fell due is accounted for."""
    loop = asyncio.get_running_loop()
    if engine_counts(service)["unfinished"] and loop.time() < until:
        loop.call_later(SETTLE_CHECK_S, _settle, channel, service, until)
        return
    channel.send(**engine_counts(service), **_clients(service))
    service.stop.set()


def _replay_of(service: Service) -> SupportsReplay:
    source = service.devices[0].source
    if not isinstance(source, SupportsReplay):
        raise BenchError(f"{source.info.uri} is no replay; give one that is `replay:FILE`", 2)
    return source


def _keep_on_core(core: int) -> bool:
    """Run on one core alone; return whether the system can do that."""
    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):
        return False
    process.cpu_affinity([process.cpu_affinity()[core]])
    return True


def _held(loop: asyncio.AbstractEventLoop) -> Message:
    """What a leak would make more of: tasks, threads beside those of the pools, and open files and sockets."""
    process = psutil.Process()
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith(POOLS)]
    files = process.num_fds() if hasattr(process, "num_fds") else 0
    return {"tasks": len(asyncio.all_tasks(loop)), "threads": len(threads), "files": files}


def _clients(service: Service) -> Message:
    """How many clients there are, and what the slowest of them has missed."""
    clients = list(service.hub.clients)
    return {"clients": len(clients), "dropped": max((client.dropped for client in clients), default=0)}


def _model(service: Service, _: Message) -> Message:
    device = service.devices[0]
    if device.engine is None:
        raise ModelError(f"no shipped model fits {device.source.info.uri}; give one with --model")
    predictor = device.engine.predictor
    return {"sha256": predictor.sha256, "hop": device.engine.hop, "rate_hz": device.real_rate_hz}
