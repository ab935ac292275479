"""Start a server, serve until it is stopped, and stop its parts in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from drivers.source import Source, SupportsNotes
from drivers.transport.asyncio_utils import cancel_and_wait, first_done
from drivers.uri import source_from_uri
from service.engine.model_selection import ModelSelector
from service.event_loop import stop_on_signals
from service.loopback import is_every_address, machine_addresses
from service.settings import ServiceConfig
from service.web.access import AccessPolicy
from service.web.listener import listen, raise_descriptor_limit
from service.web.stream import StreamEndpoint
from service.web.uvicorn_adapter import HttpServer
from service.wiring import Service, open_outputs

READY: Final = "Myocast is ready: "
"""Beginning of the line that `serve` prints once it accepts connections; the address follows."""
ON_THE_NETWORK: Final = "On the network: "
"""Beginning of the lines with this machine's other addresses, where the server is bound to all of them."""
FINGERPRINT: Final = "Certificate (SHA-256): "
"""Beginning of the line with the fingerprint of the certificate, by which a browser's warning can be checked."""
ATTEMPT_S: Final = 5.0
"""Seconds that the ready line waits for a source that has not reported whether its radio or port works."""
_UNQUOTED: Final = "!$'()*,/:;=?@~"
"""Characters that a value in an address's fragment may contain as they are (RFC 3986, section 3.5)."""


async def run(
    config: ServiceConfig,
    announce: Callable[[str], None],
    *,
    sources: list[Source] | None = None,
    model_selector: ModelSelector | None = None,
    prepare: Callable[[Service], None] | None = None,
    stopping: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        announce: gets the lines that say where the server is, once it accepts connections.
        sources: opened sources, instead of those that the configuration names.
        model_selector: opened models, instead of those that the configuration names.
        prepare: gets the service before it starts.
        stopping: is called when the service begins to stop.

    Raises:
        MyocastError: a source, the model or the port cannot be used.
    """
    sources = sources or [source_from_uri(text) for text in config.sources]
    model_selector = model_selector or ModelSelector(config.model)
    raise_descriptor_limit()
    async with AsyncExitStack() as stack:
        sock = listen(config.policy.bind, config.port)
        stack.callback(sock.close)
        service = Service(config, sources, model_selector)
        stack.callback(service.guard.watch(asyncio.get_running_loop()))
        if prepare is not None:
            prepare(service)
        stop_on_signals(service.stop)
        outputs = await open_outputs(service, config, stack)
        await _start(service, config, stack)
        server = HttpServer(
            service.app, service.limits, service.connections, None if config.tls is None else config.tls.context
        )
        serving = asyncio.ensure_future(service.guard.needed("the HTTP server", server.serve([sock])))
        serving.add_done_callback(lambda _: service.stop.set())
        stack.push_async_callback(_stop_http, server, serving, service.stream)
        if await _ready(service, server):
            _limit_garbage_collection()
            first, *others = addresses(config.policy, sock.getsockname()[1], tls=config.tls is not None)
            announce(READY + first)
            if config.tls is not None:
                announce(FINGERPRINT + config.tls.fingerprint)
            for other in others:
                announce(ON_THE_NETWORK + other)
            for output in outputs:
                announce(f"{output.name} is ready: {output.address}")
        await service.stop.wait()
        if stopping is not None:
            stopping()
    if service.failure is not None:
        raise service.failure


def addresses(policy: AccessPolicy, port: int, *, tls: bool = False) -> list[str]:
    """Return the addresses to open, with the token in the fragment, which browsers never send.

    A server that is bound to every address of this machine has one for this machine, and those on its networks.
    """
    hosts = [policy.bind]
    if is_every_address(policy.bind):
        hosts = [
            "127.0.0.1" if "." in policy.bind else "::1",
            *machine_addresses(version=6 if ":" in policy.bind else 4),
        ]
    token = f"#token={quote(policy.token, _UNQUOTED)}" if policy.token else ""
    scheme = "https" if tls else "http"
    return [f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/{token}" for host in hosts]


def _limit_garbage_collection() -> None:
    """Keep garbage collection from delaying the stream.

    Objects that exist by now stay until the end, so later collections leave them out. With CPython's usual thresholds,
    the thousands of short-lived timers and messages of a busy server start a full collection every second, and samples
    wait for it for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _start(service: Service, config: ServiceConfig, stack: AsyncExitStack) -> None:
    """Start everything but HTTP. `stack` stops it in the opposite order: sources first, then files."""
    for device, arm in zip(service.devices, service.arms, strict=True):
        stack.push_async_callback(device.close)
        stack.callback(arm.close)
        device.preload()
    if service.failure is not None:
        raise service.failure
    for device in service.devices:
        for note in device.source.notes if isinstance(device.source, SupportsNotes) else ():
            service.status_publisher.warn(f"device {device.index}: {note}")
    if config.record is not None:
        service.recorder.start_with_first_sample(config.record, service.fail_from_thread)
    stack.push_async_callback(_stop_recording, service, config.record)
    tasks = [asyncio.ensure_future(service.supervise(device)) for device in service.devices]
    keep = service.guard.keep("the status publisher", service.status_publisher.run)
    tasks.append(asyncio.ensure_future(keep))
    tasks += [asyncio.ensure_future(service.guard.needed(_name(job), job())) for job in service.jobs]
    for task in tasks:
        task.add_done_callback(partial(_stop_if_failed, service))
    stack.push_async_callback(_stop_tasks, tasks)
    for finisher in service.finishers:
        stack.push_async_callback(finisher)


def _name(job: Callable[[], object]) -> str:
    return f"job {getattr(job, '__qualname__', type(job).__name__)}"


def _stop_if_failed(service: Service, task: asyncio.Future[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        service.stop.set()


async def _stop_tasks(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel the tasks and wait for them; raise what one of them failed with."""
    await cancel_and_wait(*tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


async def _stop_recording(service: Service, file: Path | None) -> None:
    if service.recorder.waiting and service.failure is None:
        service.status_publisher.warn(f"{file} was not made: no sample came")
    await asyncio.to_thread(service.recorder.stop)


async def _stop_http(server: HttpServer, serving: asyncio.Future[None], stream: StreamEndpoint) -> None:
    """Close the stream's clients, then the server; raise what it failed with."""
    await stream.close_all("the server is stopping")
    server.should_exit = True
    await serving


async def _ready(service: Service, server: HttpServer) -> bool:
    """Wait until connections are accepted and every source has been attempted; False if the service stops before."""
    attempted = asyncio.ensure_future(_attempted(service))
    await first_done(asyncio.ensure_future(server.accepting.wait()), asyncio.ensure_future(service.stop.wait()))
    await first_done(attempted, asyncio.ensure_future(service.stop.wait()))
    return not service.stop.is_set()


async def _attempted(service: Service) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ATTEMPT_S):
            for device in service.devices:
                await device.attempted.wait()
