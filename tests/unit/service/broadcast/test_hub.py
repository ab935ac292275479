"""Fan-out: one slot for the newest pose, a short backlog for the rest, and nobody waits for anybody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from drivers.events import Frame, Imu
from service.broadcast import messages
from service.broadcast.client import BACKLOG, Client, Message, pump
from service.broadcast.hub import Hub, grid_rate
from service.broadcast.messages import Encoding, Subscription
from service.engine.pose import Pose
from service.events import DeviceEvent
from tests.fakes.virtual_time import VirtualLoop


def pose(seq: int, device: int = 0, arrival: float = 0.0) -> Pose:
    return Pose(
        device=device, seq=seq, sample=4 * seq, t=float(seq), joints=np.zeros(63, dtype=np.float32), hand="right",
        state="live", skipped=0, gap=False, truth=None, arrival=arrival, due=0.0, started=0.0, finished=0.0,
    )  # fmt: skip


def frame(sample: int) -> Frame:
    return Frame(sample, 0.0, np.zeros((4, 8), dtype=np.float32), 0.0)


def publish(hub: Hub, made: Pose) -> None:
    hub.on_event(made.device, made)


class Watching:
    """An observer that remembers."""

    def __init__(self, hub: Hub) -> None:
        self.encoded: list[int] = []
        self.sent: list[tuple[int, int]] = []
        hub.observer = self

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """The hub passes no events on."""
        raise AssertionError

    def on_encoded(self, pose: Pose) -> None:
        self.encoded.append(pose.seq)

    def on_sent(self, client: Client, seq: int) -> None:
        self.sent.append((client.number, seq))


def waiting(client: Client) -> list[Any]:
    """Everything that lies in a client's slots: texts as objects, binary messages as (kind, first number)."""
    found: list[Any] = []
    while (item := client.take()) is not None:
        message = item[0]
        found.append(json.loads(message) if isinstance(message, str) else int.from_bytes(message[4:8], "little"))
    return found


def seqs(client: Client) -> list[int]:
    return [m["seq"] for m in waiting(client) if m["type"] == "pose"]


async def test_a_client_gets_the_newest_pose_and_what_it_missed_is_counted() -> None:
    hub = Hub()
    client = hub.connect(Subscription(), "json")
    for seq in range(5):
        publish(hub, pose(seq))
    assert seqs(client) == [4]
    assert (client.dropped, hub.dropped) == (4, 4)
    publish(hub, pose(5))
    assert seqs(client) == [5]
    assert client.dropped == 4


async def test_every_device_has_a_slot_of_its_own() -> None:
    hub = Hub()
    client = hub.connect(Subscription(), "json")
    for seq in range(3):
        publish(hub, pose(seq, device=0))
        publish(hub, pose(10 + seq, device=1))
    assert sorted(seqs(client)) == [2, 12]


async def test_at_most_64_of_the_rest_wait_and_the_oldest_go_first() -> None:
    hub = Hub()
    client = hub.connect(Subscription(("emg", "pose")), "json")
    for number in range(BACKLOG + 10):
        hub.on_event(0, frame(4 * number))
    publish(hub, pose(1))
    messages = waiting(client)
    assert BACKLOG == 64
    assert [m["sample"] for m in messages if m["type"] == "emg"] == [4 * n for n in range(10, BACKLOG + 10)]
    assert [m["type"] for m in messages].count("pose") == 1
    assert client.dropped == 10


async def test_every_client_gets_its_subscription_and_nothing_else() -> None:
    hub = Hub()
    poses = hub.connect(Subscription(), "json")
    emg = hub.connect(Subscription(("emg", "imu")), "json")
    status = hub.connect(Subscription(("status",)), "json")
    publish(hub, pose(0))
    hub.on_event(0, frame(0))
    hub.on_event(0, Imu(0.0, (1, 0, 0, 0), (0, 0, 1), (0, 0, 0)))
    hub.publish_status(lambda client: messages.status_json({"dropped": client.dropped}).decode())
    assert [m["type"] for m in waiting(poses)] == ["pose"]
    assert [m["type"] for m in waiting(emg)] == ["emg", "imu"]
    assert [m["type"] for m in waiting(status)] == ["status"]


async def test_encodings_are_mixed_and_each_message_is_encoded_once() -> None:
    hub = Hub(clock=lambda: 10.0)
    encodings: tuple[Encoding, ...] = ("json", "binary", "json", "binary")
    clients = [hub.connect(Subscription(("pose", "emg")), encoding) for encoding in encodings]
    publish(hub, pose(7, arrival=9.99))
    hub.on_event(1, frame(0))
    taken: list[list[Message]] = [[item[0] for _ in range(2) if (item := c.take())] for c in clients]
    for one, other in ((0, 2), (1, 3)):
        assert all(a is b for a, b in zip(taken[one], taken[other], strict=True))
    assert sorted(len(m) for m in taken[1]) == [32 + 32 * 4, 296]
    assert json.loads(taken[0][1])["age_ms"] == pytest.approx(10.0)


async def test_nothing_is_encoded_without_subscribers(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError

    hub = Hub()
    hub.connect(Subscription(("status",)), "json")
    for name in ("pose_json", "pose_binary", "emg_json", "emg_binary", "imu_json"):
        monkeypatch.setattr(messages, name, never)
    publish(hub, pose(0))
    hub.on_event(0, frame(0))
    hub.on_event(0, Imu(0.0, (1, 0, 0, 0), (0, 0, 1), (0, 0, 0)))
    assert not hub.has_subscribers("emg")


async def test_a_new_subscription_replaces_the_old_one() -> None:
    hub = Hub()
    client = hub.connect(Subscription(), "json")
    publish(hub, pose(0))
    hub.resubscribe(client, Subscription(("emg",)))
    assert waiting(client) == []
    publish(hub, pose(1))
    hub.on_event(0, frame(0))
    assert [m["type"] for m in waiting(client)] == ["emg"]


async def test_what_a_client_dropped_is_counted_after_it_left() -> None:
    hub = Hub()
    client = hub.connect(Subscription(), "json")
    for seq in range(4):
        publish(hub, pose(seq))
    hub.disconnect(client)
    hub.disconnect(client)
    publish(hub, pose(4))
    assert (hub.dropped, len(hub.clients)) == (3, 0)


async def test_a_client_that_does_not_read_delays_nobody() -> None:
    """Its sender waits for ever; every other client still gets every pose at once."""
    hub = Hub()
    stuck, quick = hub.connect(Subscription(), "json"), hub.connect(Subscription(), "json")
    got: list[int] = []
    arrived = asyncio.Event()

    async def never(_: Message) -> None:
        await asyncio.Event().wait()

    async def take(message: Message) -> None:
        got.append(json.loads(message)["seq"])
        arrived.set()

    pumps = [asyncio.ensure_future(pump(stuck, never)), asyncio.ensure_future(pump(quick, take))]
    for seq in range(500):
        publish(hub, pose(seq))
        arrived.clear()
        await asyncio.wait_for(arrived.wait(), 30)
    for task in pumps:
        task.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)
    assert got == list(range(500))
    assert quick.dropped == 0
    assert stuck.dropped == 498


def rate_of(
    max_rate: float | None, pose_rate: float, seconds: float = 10.0, jitter: float = 0.0
) -> tuple[float, Client, list[int]]:
    """Poses per second that a client gets, in virtual time; each was the newest when it went out."""
    got: list[int] = []

    async def run(loop: VirtualLoop) -> Client:
        hub = Hub(clock=loop.now)
        client = hub.connect(Subscription(max_rate=max_rate), "json")
        newest = -1

        def write(message: Message) -> bool:
            got.append(json.loads(message)["seq"])
            assert got[-1] == newest
            return True

        client.write = write
        rng = np.random.default_rng(1)
        for seq in range(int(seconds * pose_rate)):
            due = (seq + 1 + jitter * rng.uniform(-0.5, 0.5)) / pose_rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            newest = seq
            publish(hub, pose(seq))
        await asyncio.sleep(1.02 / (max_rate or pose_rate))
        hub.disconnect(client)
        return client

    with VirtualLoop() as loop:
        client = loop.run(run(loop))
    return len(got) / seconds, client, got


@pytest.mark.parametrize("max_rate", [5.0, 29.97, 30.0, 45.0, 49.0, 50.0, 51.0, 60.0, 144.0, 1000.0])
@pytest.mark.parametrize("jitter", [0.0, 0.9], ids=["even", "in bursts"])
def test_max_rate_is_kept_within_five_percent_over_ten_seconds(max_rate: float, jitter: float) -> None:
    rate, client, got = rate_of(max_rate, 50.0, jitter=jitter)
    assert rate == pytest.approx(min(max_rate, 50.0), rel=0.05)
    assert got == sorted(set(got))
    assert client.dropped == 0


def test_without_max_rate_every_pose_comes() -> None:
    _, _, got = rate_of(None, 50.0)
    assert got == list(range(500))


def test_a_rate_slower_than_any_pose_sends_the_first_one() -> None:
    _, _, got = rate_of(1e-3, 50.0, seconds=2.0)
    assert got[0] == 0
    assert len(got) == 2


def test_what_slowness_costs_at_max_rate_are_the_poses_of_the_grid() -> None:
    """A client that stops reading for two seconds at 10 a second out of 50 misses about twenty, not a hundred."""
    dropped: list[int] = []

    async def run(loop: VirtualLoop) -> None:
        hub = Hub(clock=loop.now)
        client = hub.connect(Subscription(max_rate=10.0), "json")
        for seq in range(100):
            await asyncio.sleep(0.02)
            publish(hub, pose(seq))
        dropped.append(client.dropped)
        hub.disconnect(client)

    with VirtualLoop() as loop:
        loop.run(run(loop))
    assert 17 <= dropped[0] <= 20


async def test_who_keeps_up_gets_messages_at_once_and_in_order() -> None:
    """A transport that is full sends what follows through the slots, and nothing overtakes what waits there."""
    hub = Hub()
    watching = Watching(hub)
    client = hub.connect(Subscription(("pose", "emg")), "json")
    written: list[int] = []
    open_ = True

    def write(message: Message) -> bool:
        if open_:
            written.append(json.loads(message).get("seq", -1))
        return open_

    client.write = write
    publish(hub, pose(0))
    hub.on_event(0, frame(0))
    assert (written, watching.sent) == ([0, -1], [(0, 0)])
    open_ = False
    publish(hub, pose(1))
    open_ = True
    publish(hub, pose(2))
    assert written == [0, -1]
    assert seqs(client) == [2]
    assert client.dropped == 1
    publish(hub, pose(3))
    assert written == [0, -1, 3]


async def test_clients_of_one_rate_share_a_grid_but_nobody_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    real = messages.pose_json

    def pose_json(p: Pose, age_ms: float) -> bytes:
        encoded.append(p.seq)
        return real(p, age_ms)

    monkeypatch.setattr(messages, "pose_json", pose_json)
    hub = Hub()
    early = [hub.connect(Subscription(max_rate=0.5), "json") for _ in range(3)]
    publish(hub, pose(0))
    assert encoded == [0]
    assert [seqs(client) for client in early] == [[0]] * 3
    late = hub.connect(Subscription(max_rate=0.5), "json")
    publish(hub, pose(1))
    assert [seqs(client) for client in early] == [[]] * 3
    assert seqs(late) == [1]
    for client in (*early, late):
        hub.disconnect(client)


@pytest.mark.case("W4")
def test_a_thousand_rates_share_grids_and_encodings(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    real = messages.pose_binary

    def pose_binary(p: Pose, age_ms: float) -> bytes:
        encoded.append(p.seq)
        return real(p, age_ms)

    monkeypatch.setattr(messages, "pose_binary", pose_binary)
    got: dict[float, int] = {}

    async def run(loop: VirtualLoop) -> int:
        hub = Hub(clock=loop.now)
        rates = [5.0 + 0.055 * number for number in range(1000)]
        for rate in rates:
            client = hub.connect(Subscription(max_rate=rate), "binary")

            def write(_: Message, rate: float = rate) -> bool:
                got[rate] = got.get(rate, 0) + 1
                return True

            client.write = write
        for seq in range(200):
            await asyncio.sleep(0.02)
            publish(hub, pose(seq))
        grids = sum(len(groups) for groups in hub._groups.values())
        for client in list(hub.clients):
            hub.disconnect(client)
        assert not hub._groups
        return grids

    with VirtualLoop() as loop:
        grids = loop.run(run(loop))
    assert grids < 300
    assert len(encoded) <= 200 * 5
    assert all(got[rate] / 4.0 == pytest.approx(min(rate, 50.0), rel=0.05, abs=0.5) for rate in got)


@pytest.mark.parametrize("rate", [5e-324, 1e-9, 0.3, 1.0, 7.7, 30.0, 59.94, 60.0, 999.9, 1000.0])
def test_a_grid_is_never_faster_and_hardly_slower(rate: float) -> None:
    assert 0.989 * rate <= grid_rate(rate) <= rate
    assert grid_rate(rate) > 0.0


@pytest.mark.case("F2")
async def test_a_subscription_looks_at_no_other_client() -> None:
    """Its cost is that of what it touches: none of the hub's collections is rebuilt."""
    hub = Hub()
    for _ in range(100):
        hub.connect(Subscription(("pose", "emg"), 30.0), "json")
    before = {id(part) for part in (hub._unlimited, hub._groups, *hub._subscribers.values(), *hub._groups.values())}
    client = hub.connect(Subscription(), "json")
    for subscription in (Subscription(("emg",)), Subscription(("pose",), 30.0), Subscription()):
        hub.resubscribe(client, subscription)
    after = {id(part) for part in (hub._unlimited, hub._groups, *hub._subscribers.values(), *hub._groups.values())}
    assert after == before
    assert list(hub._unlimited) == [client]


async def test_held_back_by_max_rate_is_not_dropped() -> None:
    hub = Hub()
    client = hub.connect(Subscription(max_rate=1.0), "json")
    for seq in range(20):
        publish(hub, pose(seq))
        client.take()
    assert client.dropped == 0
    hub.disconnect(client)


@pytest.mark.parametrize("max_rate", [5e-324, 1e-300, 1e-12])
async def test_a_tiny_max_rate_works(max_rate: float) -> None:
    hub = Hub()
    client = hub.connect(Subscription(max_rate=max_rate), "json")
    for seq in range(3):
        publish(hub, pose(seq))
        client.take()
    hub.disconnect(client)


def test_max_rate_can_change_while_it_runs() -> None:
    def run(first: float | None, then: float | None) -> list[int]:
        got: list[int] = []

        async def main(loop: VirtualLoop) -> None:
            hub = Hub(clock=loop.now)
            client = hub.connect(Subscription(max_rate=first), "json")

            async def take(message: Message) -> None:
                got.append(json.loads(message)["seq"])

            pumping = asyncio.ensure_future(pump(client, take))
            for seq in range(100):
                if seq == 50:
                    hub.resubscribe(client, Subscription(max_rate=then))
                await asyncio.sleep(0.02)
                publish(hub, pose(seq))
            await asyncio.sleep(0.01)
            pumping.cancel()
            hub.disconnect(client)

        with VirtualLoop() as loop:
            loop.run(main(loop))
        return got

    assert [seq for seq in run(1.0, None) if seq >= 50] == list(range(50, 100))
    assert [seq for seq in run(None, 5.0) if seq < 50] == list(range(50))
    assert len([seq for seq in run(None, 5.0) if seq >= 50]) in (5, 6)


async def test_the_pump_says_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    watching = Watching(hub)
    hub.connect(Subscription(("status",)), "json")
    client = hub.connect(Subscription(), "json")
    done = asyncio.Event()

    async def take(message: Message) -> None:
        if isinstance(message, str) and json.loads(message).get("seq") == 1:
            done.set()

    pumping = asyncio.ensure_future(pump(client, take))
    client.put('{"type":"pong"}')
    publish(hub, pose(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    publish(hub, pose(1))
    await asyncio.wait_for(done.wait(), 30)
    await asyncio.sleep(0)
    pumping.cancel()
    assert watching.sent == [(1, 0), (1, 1)]
    assert watching.encoded == [0, 1]


@pytest.mark.parametrize("leave", [lambda hub, client: hub.disconnect(client), lambda hub, client: None])
async def test_the_context_manager_disconnects_once(leave: Callable[[Hub, Client], None]) -> None:
    hub = Hub()
    with hub.connected(Subscription(), "json") as client:
        assert hub.clients == {client}
        leave(hub, client)
    assert not hub.clients
