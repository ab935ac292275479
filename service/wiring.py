"""Construct the parts of one server and connect them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from drivers.clock import Clock, now
from drivers.events import Event, Frame
from drivers.source import Source
from models.errors import MyocastError
from models.installation import install_command
from service.arm.alignment_file import aligned_by, read_alignment
from service.arm.arm import Arm
from service.broadcast.client import Observer
from service.broadcast.hub import Hub
from service.devices.device import Device
from service.devices.status_publisher import StatusPublisher
from service.devices.supervisor import Supervisor
from service.engine.model_library import ModelLibrary
from service.engine.model_selection import ModelSelector
from service.engine.predictor import AS_IN_FILE
from service.engine.workers import Workers
from service.events import DeviceEvent, Output
from service.guard import Guard, PartFailed
from service.limits import fitting
from service.recording.errors import RecordingFailed
from service.recording.library import RecordingLibrary
from service.recording.recorder import Recorder
from service.recording.writer import open_writer
from service.settings import ServiceConfig
from service.web.app import create_app
from service.web.connections import ConnectionTable
from service.web.context import AppContext
from service.web.listener import most_connections
from service.web.stream import StreamEndpoint


class Service:
    """Devices, hub, recorder and application of one process, not yet running."""

    def __init__(
        self, config: ServiceConfig, sources: list[Source], model_selector: ModelSelector, clock: Clock = now
    ) -> None:
        self.stop = asyncio.Event()
        self.failure: MyocastError | None = None
        self.jobs: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """Make coroutines that run beside the sources."""
        self.finishers: list[Callable[[], Awaitable[None]]] = []
        """Are called when the service stops, while everything still runs."""
        self.guard = Guard(self._report_fault)
        self._labelled = config.labelled
        self.hub = Hub(clock)
        self.recorder = Recorder(
            config.recordings,
            partial(open_writer, about=config.about),
            self._recording_failed,
            self._known,
            clock,
            config.limits.recording_buffer_bytes,
        )
        self.status_publisher = StatusPublisher(self.hub, self.recorder.describe, self.fail, clock)
        self.library = ModelLibrary(config.models, model_selector)
        aligned = None if config.align is None else read_alignment(config.align)
        workers = Workers()
        self.devices = [
            Device(
                index,
                source,
                model_selector,
                self.hub,
                self.status_publisher,
                hop=config.hop,
                run_s=config.limits.pose_s,
                guard=self.guard,
                fitted=aligned_by(aligned) if index == 0 else AS_IN_FILE,
                smoothing=config.smoothing,
                hold_s=config.hold_s,
                clock=clock,
                workers=workers,
            )
            for index, source in enumerate(sources)
        ]
        self.status_publisher.devices = self.devices
        self.arms = [
            Arm(
                device,
                self.library,
                partial(self.status_publisher.status_changed, device),
                aligned if device.index == 0 else None,
            )
            for device in self.devices
        ]
        for device, arm in zip(self.devices, self.arms, strict=True):
            device.describe_arm = arm.describe
            device.outputs.append(arm)
        self.limits = fitting(config.limits, most_connections())
        self.connections = ConnectionTable(self.limits.unfinished_per_address, most_connections())
        self.stream = StreamEndpoint(self.hub, self.status_publisher, limits=self.limits, clock=clock)
        context = AppContext(
            devices=self.devices,
            arms=self.arms,
            hub=self.hub,
            status_publisher=self.status_publisher,
            recorder=self.recorder,
            recordings=RecordingLibrary(config.recordings, lambda: self.recorder.path),
            stream=self.stream,
            library=self.library,
            policy=config.policy,
            limits=self.limits,
            guard=self.guard,
            connections=self.connections,
            clock=clock,
        )
        self.app = create_app(context)
        self._loop = asyncio.get_running_loop()
        self.add_output(WithoutTruth(self.recorder) if config.labelled else self.recorder)

    def add_output(self, output: Output) -> None:
        """Give an output every event of every device, after the outputs that were added before it."""
        for device in self.devices:
            device.outputs.append(output)

    def observe(self, observer: Observer) -> None:
        """Let an observer watch every event before any output gets it, and the poses on their way to clients.

        Call this before the service starts.
        """
        self.hub.observer = observer
        for device in self.devices:
            device.outputs.insert(0, observer)

    def fail(self, error: MyocastError) -> None:
        """Stop the server because of an error, which `run` raises at the end. The first error counts."""
        self.failure = self.failure or error
        self.stop.set()

    def _report_fault(self, code: str, message: str) -> None:
        """Show what failed in every device's status; called on any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            self._loop.call_soon_threadsafe(self._report, code, message)

    def _report(self, code: str, message: str) -> None:
        for device in self.devices:
            device.status.report(code, message)

    def fail_from_thread(self, error: MyocastError) -> None:
        """`fail`, called on any thread."""
        self._loop.call_soon_threadsafe(self.fail, error)

    async def supervise(self, device: Device) -> None:
        """Run a device's source until the service stops; a replay that ended waits to be played again."""
        supervisor = Supervisor(device.source, device.on_event, device.status)
        try:
            while True:
                await supervisor.run()
                if self._labelled:
                    self.stop.set()
                await device.wait_to_play_again()
        except MyocastError as error:
            self.fail(error)
        except Exception as error:
            part = f"the supervisor of device {device.index}"
            self.fail(PartFailed(self.guard.fault(part, error, "the server ends")))

    def _known(self) -> list[tuple[int, Event]]:
        return [(device.index, device.info) for device in self.devices if device.info is not None]

    def _recording_failed(self, code: str, message: str) -> None:
        """Report a closed recording in every device's status and in the log; called on any thread."""
        if self._labelled:
            self._loop.call_soon_threadsafe(self.fail, RecordingFailed(message))
        self._loop.call_soon_threadsafe(self.status_publisher.warn, message)
        for device in self.devices:
            self._loop.call_soon_threadsafe(device.status.report, code, message)


class WithoutTruth:
    """Passes events on without what a source itself knows of the hand: a recording has labels of another source."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def on_event(self, device: int, event: DeviceEvent) -> None:
        if isinstance(event, Frame) and event.truth is not None:
            event = replace(event, truth=None)
        self._output.on_event(device, event)


@dataclass(frozen=True)
class OutputAddress:
    """What an output is called on the command line, and where it sends or listens."""

    name: str
    address: str


class OutputMissing(MyocastError):
    """An output whose package is not installed."""


async def open_outputs(service: Service, config: ServiceConfig, stack: AsyncExitStack) -> list[OutputAddress]:
    """Open the outputs that are configured and connect them to the service.

    An output's module is imported only if it is configured. `stack` closes what was opened.

    Raises:
        MyocastError: an output cannot be opened.
    """
    opened = []
    if config.leap is not None:
        from service.outputs.leap import LeapOutput

        leap = await stack.enter_async_context(LeapOutput(config.leap, config.policy.origins, service.limits))
        service.add_output(leap)
        opened.append(OutputAddress("Leap", leap.address))
    if config.udp is not None:
        from service.outputs.udp import UdpOutput

        udp = await stack.enter_async_context(UdpOutput(config.udp))
        service.add_output(udp)
        opened.append(OutputAddress("UDP", udp.address))
    if config.publish is not None:
        try:
            from service.outputs.nats import NatsOutput
        except ModuleNotFoundError:
            raise OutputMissing(
                f"--publish needs the package `nats-py`, which is not installed; run: {install_command('nats')}"
            ) from None
        publisher = NatsOutput(config.publish, service.devices, service.status_publisher.describe)
        service.add_output(await stack.enter_async_context(publisher))
        opened.append(OutputAddress("NATS", publisher.address))
    if config.lsl:
        from service.outputs.lsl import LslOutput

        service.add_output(await stack.enter_async_context(LslOutput()))
    return opened
