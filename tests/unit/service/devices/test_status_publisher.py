"""`hello` and `status` as one object over HTTP, and once for all changes of a moment."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from typing import Any

import pytest

from models.spec import ModelError
from service.broadcast.hub import Hub
from service.broadcast.messages import Subscription
from service.devices.device import Device
from service.devices.status_publisher import StatusPublisher
from service.engine.model_selection import ModelSelector
from tests.fakes.sources import INFO, Puppet, frame
from tests.fakes.virtual_time import VirtualLoop


class Server:
    def __init__(self, clock: Any = lambda: 5.0) -> None:
        self.fatal: list[ModelError] = []
        self.recording: dict[str, Any] | None = None
        self.hub = Hub(clock)
        self.status_publisher = StatusPublisher(self.hub, lambda: self.recording, self.fatal.append, clock)
        self.device = Device(0, Puppet(), ModelSelector(), self.hub, self.status_publisher, clock=clock)
        self.device._model_selector._shipped = []
        self.status_publisher.devices = [self.device]

    def taken(self, client: Any) -> list[dict[str, Any]]:
        found = []
        while (item := client.take()) is not None:
            found.append(json.loads(item[0]))
        return found


async def test_many_changes_of_one_moment_are_one_hello() -> None:
    server = Server()
    client = server.hub.connect(Subscription(), "json")
    for _ in range(3):
        server.status_publisher.hello_changed()
    server.device.on_event(INFO)
    await asyncio.sleep(0)
    hellos = server.taken(client)
    assert [h["type"] for h in hellos] == ["hello"]
    assert hellos[0]["device"]["rate_hz"] == 200.0
    assert hellos[0]["t"] == 5.0


async def test_every_client_gets_its_own_subscription_in_hello() -> None:
    server = Server()
    one = server.hub.connect(Subscription(("emg",)), "binary")
    two = server.hub.connect(Subscription(("pose", "status")), "json")
    server.status_publisher.hello_changed()
    await asyncio.sleep(0)
    first, second = server.taken(one)[0], server.taken(two)[0]
    assert (first["streams"], first["encoding"]) == (["emg"], "binary")
    assert (second["streams"], second["encoding"]) == (["pose", "status"], "json")
    assert first["session"] == second["session"]


async def test_a_status_names_the_clients_own_drops() -> None:
    server = Server()
    slow, quick = (server.hub.connect(Subscription(("status",)), "json") for _ in range(2))
    slow.dropped = 7
    server.status_publisher.status_changed(server.device)
    assert (server.taken(slow)[0]["dropped"], server.taken(quick)[0]["dropped"]) == (7, 0)
    assert server.status_publisher.overview()["dropped"] == 7
    assert server.status_publisher.overview()["clients"] == 2


def test_status_comes_once_a_second() -> None:
    with VirtualLoop() as loop:

        async def main() -> None:
            server = Server(loop.now)
            client = server.hub.connect(Subscription(("status",)), "json")
            running = asyncio.ensure_future(server.status_publisher.run())
            await asyncio.sleep(10.5)
            running.cancel()
            times = [m["t"] for m in server.taken(client)]
            assert [round(b - a, 6) for a, b in itertools.pairwise(times)] == [1.0] * 9
            assert len(times) == 10

        loop.run(main())


async def test_the_overview_has_a_part_for_every_device() -> None:
    server = Server()
    other = Device(1, Puppet(), ModelSelector(), server.hub, server.status_publisher)
    server.status_publisher.devices = [server.device, other]
    server.recording = {"name": "a", "seconds": 1.0, "bytes": 5}
    other.status.on_frame(frame(0))
    view = server.status_publisher.overview()
    assert [d["status"]["device"] for d in view["devices"]] == [0, 1]
    assert [d["status"]["state"] for d in view["devices"]] == ["connecting", "live"]
    assert view["recording"] == server.recording
    assert view["state"] == "connecting"


async def test_a_model_that_does_not_fit_is_fatal_and_reported() -> None:
    server = Server()
    error = ModelError("m.onnx does not fit")
    server.status_publisher.failed(server.device, error)
    assert server.fatal == [error]
    assert server.device.status.state == "failed"
    assert server.device.status.error == {"code": "model_does_not_fit", "message": "m.onnx does not fit"}


async def test_a_note_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "myocast"):
        Server().status_publisher.warn("no model fits")
    assert caplog.messages == ["no model fits"]


async def test_sessions_differ() -> None:
    assert Server().status_publisher.session != Server().status_publisher.session
