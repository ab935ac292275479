"""One running server: the small parts wired together in one visible place, started and stopped in order."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

from drivers.clock import Clock, now
from drivers.events import Event
from drivers.source import Source
from drivers.uri import source_from_uri
from models.errors import MyocastError
from service.broadcast.hub import Hub
from service.devices.device import Device
from service.devices.status_publisher import StatusPublisher
from service.devices.supervisor import Supervisor
from service.engine.model_selection import ModelSelector
from service.recording.recorder import Recorder, Writer
from service.web.access import AccessPolicy
from service.web.app import Parts, create_app
from service.web.listener import listen, raise_descriptor_limit
from service.web.stream import StreamEndpoint
from service.web.uvicorn_adapter import HttpServer

READY = "Myocast is ready: "
_PLAIN = "!$'()*,/:;=?@~"
"""What may stand as it is in the value of a parameter in an address's fragment."""


@dataclass(frozen=True)
class Settings:
    """What `serve` was asked for."""

    sources: tuple[str, ...]
    policy: AccessPolicy = field(default_factory=AccessPolicy)
    port: int = 8765
    model: Path | None = None
    hop: int | None = None
    record: Path | None = None
    recordings: Path = Path("recordings")
    leap: int | None = None
    """Port of the Leap endpoint; 0 takes a free one."""
    udp: str | None = None
    """HOST:PORT that poses are sent to."""
    lsl: bool = False


class Service:
    """Devices, hub, recorder and application of one process, not yet running."""

    def __init__(self, settings: Settings, sources: list[Source], shelf: ModelSelector, clock: Clock = now) -> None:
        self.stop = asyncio.Event()
        self.failure: MyocastError | None = None
        self.hub = Hub(clock)
        self.recorder = Recorder(settings.recordings, open_writer, self._recording_failed, self._known, clock)
        self.announcer = StatusPublisher(self.hub, self.recorder.describe, self.fail, clock)
        self.devices = [
            Device(index, source, shelf, self.hub, self.announcer, hop=settings.hop, clock=clock)
            for index, source in enumerate(sources)
        ]
        self.announcer.devices = self.devices
        self.stream = StreamEndpoint(self.hub, self.announcer, clock=clock)
        parts = Parts(self.devices, self.hub, self.announcer, self.recorder, self.stream, settings.policy, clock)
        self.app = create_app(parts)
        self._loop = asyncio.get_running_loop()
        for device in self.devices:
            device.sinks.append(self.recorder.put)
        self.hub.sinks.append(lambda pose: self.recorder.put(pose.device, pose))

    def fail(self, error: MyocastError) -> None:
        """Something that ends the server: remembered for the exit code."""
        self.failure = self.failure or error
        self.stop.set()

    async def supervise(self, device: Device) -> None:
        """Run a device's source until the service stops; a replay that ended waits to be played again."""
        supervisor = Supervisor(device.source, device.on_event, device.status)
        try:
            while True:
                await supervisor.run()
                await device.wanted_again()
        except MyocastError as error:
            self.fail(error)

    def _known(self) -> list[tuple[int, Event]]:
        return [(device.index, device.info) for device in self.devices if device.info is not None]

    def _recording_failed(self, code: str, message: str) -> None:
        for device in self.devices:
            self._loop.call_soon_threadsafe(device.status.report, code, message)


async def run(
    settings: Settings,
    announce: Callable[[str], None],
    *,
    sources: list[Source] | None = None,
    shelf: ModelSelector | None = None,
    prepare: Callable[[Service], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        announce: gets the line that says where the server is, once it accepts connections.
        sources: instead of those that the settings name.
        shelf: the models at hand, likewise.
        prepare: gets the service before it starts (the benchmark puts its probes in).

    Raises:
        MyocastError: a source, the model or the port cannot be used.
    """
    sources = sources or [source_from_uri(text) for text in settings.sources]
    shelf = shelf or ModelSelector(settings.model)
    raise_descriptor_limit()
    async with AsyncExitStack() as stack:
        sock = listen(settings.policy.bind, settings.port)
        stack.callback(sock.close)
        service = Service(settings, sources, shelf)
        if prepare is not None:
            prepare(service)
        stop_on_signals(service.stop)
        lines = await _open_outputs(service, settings, stack)
        await _start(service, settings, stack)
        server = HttpServer(service.app)
        serving = asyncio.ensure_future(server.serve([sock]))
        stack.push_async_callback(_stop_http, server, serving, service.stream)
        if await _accepting(server, serving, service.stop):
            _spare_the_collector()
            for line in (READY + address(settings.policy, sock.getsockname()[1]), *lines):
                announce(line)
        await _any(service.stop.wait(), serving)
    if service.failure is not None:
        raise service.failure


def _spare_the_collector() -> None:
    """Keep cycle collection out of the stream's way.

    What is loaded by now stays until the end, so no collection need look at it again. And with CPython's usual
    thresholds the thousands of short-lived timers and messages of a busy server start full collections of tens of
    milliseconds every second, in which samples wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def address(policy: AccessPolicy, port: int) -> str:
    """The address to open, with the token in the fragment, which browsers never send."""
    host = f"[{policy.bind}]" if ":" in policy.bind else policy.bind
    return f"http://{host}:{port}/" + (f"#token={quote(policy.token, _PLAIN)}" if policy.token else "")


async def _open_outputs(service: Service, settings: Settings, stack: AsyncExitStack) -> list[str]:
    """The other ways out, imported only where they are asked for; gives what to say of each."""
    lines = []
    if settings.leap is not None:
        from service.outputs.leap import LeapOutput

        leap = await stack.enter_async_context(LeapOutput(settings.leap, settings.policy.origins))
        service.hub.sinks.append(leap.put)
        lines.append(f"Leap is ready: {leap.address}")
    if settings.udp is not None:
        from service.outputs.udp import UdpOutput

        udp = await stack.enter_async_context(UdpOutput(settings.udp))
        service.hub.sinks.append(udp.put)
        lines.append(f"UDP is ready: {udp.address}")
    if settings.lsl:
        from service.outputs.lsl import LslOutput

        lsl = await stack.enter_async_context(LslOutput())
        service.hub.sinks.append(lsl.put)
        for device in service.devices:
            device.sinks.append(lsl.event)
    return lines


async def _start(service: Service, settings: Settings, stack: AsyncExitStack) -> None:
    """Everything but HTTP. What is started here stops in the opposite order: sources first, then files."""
    for device in service.devices:
        stack.push_async_callback(device.close)
        device.arm()
    if service.failure is not None:
        raise service.failure
    if settings.record is not None:
        service.recorder.start_with_first_sample(settings.record, service.fail)
    stack.push_async_callback(_stop_recording, service, settings.record)
    tasks = [asyncio.ensure_future(service.supervise(device)) for device in service.devices]
    tasks.append(asyncio.ensure_future(service.announcer.run()))
    for task in tasks:
        task.add_done_callback(partial(_on_task_end, service))
    stack.push_async_callback(_cancel, tasks)


def _on_task_end(service: Service, task: asyncio.Future[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        service.stop.set()


async def _cancel(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _stop_recording(service: Service, file: Path | None) -> None:
    if service.recorder.waiting and service.failure is None:
        service.announcer.note(f"{file} was not made: no sample came")
    await asyncio.to_thread(service.recorder.stop)


async def _stop_http(server: HttpServer, serving: asyncio.Future[None], stream: StreamEndpoint) -> None:
    await stream.close_all("the server is stopping")
    server.should_exit = True
    await asyncio.wait([serving])


async def _accepting(server: HttpServer, serving: asyncio.Future[None], stop: asyncio.Event) -> bool:
    """Wait until connections are accepted; False if the server ended before."""
    await _any(server.accepting.wait(), serving, stop.wait())
    return server.started


async def _any(*things: Awaitable[object]) -> None:
    """Until the first of these is done; a task goes on, what was only waited for does not."""
    waiters = [asyncio.ensure_future(thing) for thing in things]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter, thing in zip(waiters, things, strict=True):
            if waiter is not thing:
                waiter.cancel()


def stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(number, stop.set)


def open_writer(path: Path) -> Writer:
    from drivers.sessions.mcap.writer import SessionWriter

    return SessionWriter(path)
