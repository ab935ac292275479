"""Armbands on several machines: real servers around a real `nats-server`."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from drivers.events import Frame, ReceivedModel, ReceivedPose
from drivers.sessions import read_session
from drivers.source import Source
from drivers.uri import source_from_uri
from service.devices.status import DeviceStatus
from service.devices.supervisor import Backoff, Supervisor
from tests.fakes.hardware import EventCollector
from tests.fakes.nats_server import SERVER, Broker
from tests.support.console import TIMEOUT_S, Console, Server

pytest.importorskip("nats")
pytestmark = pytest.mark.skipif(SERVER is None, reason="nats-server is not installed")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker")
    made.start()
    yield made
    made.kill()


class Running:
    """A source that is supervised as a server does it, and what it emits."""

    def __init__(self, uri: str) -> None:
        self.source: Source = source_from_uri(uri)
        self.found = EventCollector()
        backoff = Backoff()
        backoff.next = lambda: 0.1  # type: ignore[method-assign]
        status = DeviceStatus(0, lambda: None)
        self._task = asyncio.ensure_future(Supervisor(self.source, self.found, status, backoff=backoff).run())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def gateway(console: Console, broker: Broker, *more: object) -> Server:
    """A server with a simulated armband that makes no poses itself."""
    return console.serve("synthetic:?seed=3", "--model", "none", "--publish", f"nats://{broker.address}/anna", *more)


async def test_emg_and_poses_come_as_they_were_sent(console: Console, broker: Broker, tiny_stream: Path) -> None:
    server = await asyncio.to_thread(
        console.serve, "synthetic:?seed=3", "--model", tiny_stream, "--publish", f"nats://{broker.address}/anna"
    )
    emg, poses = Running(f"nats://{broker.address}/anna"), Running(f"nats://{broker.address}/anna?of=pose")
    try:
        await emg.found.until(lambda found: found.samples >= 100)
        await poses.found.until(lambda found: len(found.of(ReceivedPose)) >= 10 and found.of(ReceivedModel))
    finally:
        await emg.close()
        await poses.close()
    info = emg.source.info
    assert (info.name, info.rate_hz, info.unit, info.address) == ("Synthetic armband", 200.0, "adc", "anna")
    assert (np.diff(emg.found.index) == 1).all()
    assert not any(frame.gap for frame in emg.found.of(Frame))
    seqs = [pose.seq for pose in poses.found.of(ReceivedPose)]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert server.process.stdout is not None
    assert server.process.stdout.readline() == f"NATS is ready: nats://{broker.address} (anna)\n"


async def test_free_servers_share_armbands_and_one_that_is_killed_is_replaced(
    console: Console, broker: Broker, tiny_stream: Path
) -> None:
    start = asyncio.to_thread
    address = f"nats://{broker.address}"
    await start(gateway, console, broker)
    workers = [
        await start(console.serve, f"{address}/*", "--model", tiny_stream, "--publish", address) for _ in range(2)
    ]
    relay, recorded = Running(f"{address}/anna?of=pose"), Running(f"{address}/anna")
    try:
        await relay.found.until(lambda found: len(found.of(ReceivedPose)) >= 20)
        serving = [worker for worker in workers if "a pose every" in worker.stderr()]
        assert len(serving) == 1
        serving[0].stop(signal.SIGKILL)
        before = len(relay.found.of(ReceivedPose))
        await relay.found.until(lambda found: len(found.of(ReceivedPose)) >= before + 40)
    finally:
        await relay.close()
        await recorded.close()
    t = [pose.t for pose in relay.found.of(ReceivedPose)]
    assert (np.diff(t) > 0).all()
    assert (np.diff(recorded.found.index) == 1).all()


async def test_a_broker_that_is_gone_for_a_while_loses_no_sample(console: Console, broker: Broker) -> None:
    await asyncio.to_thread(gateway, console, broker)
    emg = Running(f"nats://{broker.address}/anna")
    try:
        await emg.found.until(lambda found: found.samples >= 100)
        broker.kill()
        sent = emg.found.samples
        await asyncio.to_thread(broker.start)
        await emg.found.until(lambda found: found.samples >= sent + 300)
    finally:
        await emg.close()
    assert (np.diff(emg.found.index) == 1).all()


def test_a_recording_begins_with_what_the_broker_has_kept(console: Console, broker: Broker, tmp_path: Path) -> None:
    gateway(console, broker)
    first = console.run("record", f"nats://{broker.address}/anna", "a.mcap", "--seconds", 1)
    assert (first.returncode, first.stderr) == (0, "")
    later = console.run("record", f"nats://{broker.address}/anna?since=60", "b.mcap", "--seconds", 1)
    assert later.returncode == 0
    a, b = read_session(console.folder / "a.mcap"), read_session(console.folder / "b.mcap")
    assert b.t[0] < a.t[0]


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("nats://127.0.0.1:1/anna", 2, "no broker answers; start one with `nats-server -js`"),
        ("nats://127.0.0.1:1", 2, "names no device"),
        ("nats://127.0.0.1:1/*?of=pose", 2, "names no device"),
        ("nats://user:secret@127.0.0.1:1/an.na", 2, "one word of letters"),
        ("nats://127.0.0.1:1/anna?since=-1", 2, "expected a number from 0"),
    ],
)
def test_wrong_addresses_are_one_line(console: Console, source: str, code: int, words: str) -> None:
    done: subprocess.CompletedProcess[str] = console.run("serve", source, "--port", 0)
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert "secret" not in done.stderr


def test_a_broker_that_wants_a_password_gets_it_and_nobody_reads_it(console: Console, tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker", "--user", "lab", "--pass", "hush", keeps=False)
    broker.start()
    try:
        refused = console.run("serve", "demo:", "--publish", f"nats://lab:guess@{broker.address}/anna", "--port", 0)
        assert refused.returncode == 2
        assert "refuses user, password or token" in refused.stderr
        assert "guess" not in refused.stderr + refused.stdout
        server = console.serve("demo:", "--publish", f"nats://lab:hush@{broker.address}/anna")
        watcher = console.serve(f"nats://lab:hush@{broker.address}/anna?of=pose")
        server.stop()
        watcher.stop()
        told = server.stderr() + watcher.stderr()
        assert "keeps no EMG" in told
        assert "hush" not in told
    finally:
        broker.kill()


def test_the_users_of_the_guide_can_do_what_they_need(console: Console, tiny_stream: Path, tmp_path: Path) -> None:
    guide = Path(__file__).parents[3] / "docs" / "guides" / "machines.md"
    block = re.search(r"```text\n(jetstream \{\}\nauthorization \{.*?)```", guide.read_text(), re.DOTALL)
    assert block is not None
    users = tmp_path / "users.conf"
    users.write_text(block[1].replace('"…"', '"hush"'))
    broker = Broker(tmp_path / "broker", "-c", str(users))
    broker.start()
    try:
        at = f"hush@{broker.address}"
        console.serve("synthetic:", "--model", "none", "--publish", f"nats://gateway:{at}/anna")
        console.serve(f"nats://worker:{at}/*", "--model", tiny_stream, "--publish", f"nats://worker:{at}")
        relay = console.serve(f"nats://relay:{at}/anna?of=pose")
        with connect(relay.stream, subprotocols=[Subprotocol("myocast.v1.binary")]) as client:
            poses = 0
            while poses < 5:
                message = client.recv(timeout=TIMEOUT_S)
                poses += isinstance(message, bytes) and message[0] == 1
    finally:
        broker.kill()
