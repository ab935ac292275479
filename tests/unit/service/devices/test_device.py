"""One armband in the service: its events reach whoever needs them, and its state is the contract's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drivers.events import Event, Playback
from drivers.replay.source import ReplaySource
from models.recording import Recording
from models.spec import ModelError
from service.broadcast.client import Client
from service.broadcast.hub import Hub
from service.broadcast.messages import Subscription
from service.devices.device import Device
from service.engine.model_selection import ModelSelector
from tests.fakes.models_onnx import WINDOW, spec_of, window_model
from tests.fakes.outputs import CollectingOutput
from tests.fakes.sources import INFO, Puppet, frame, frames, ramp
from tests.fakes.virtual_time import VirtualLoop

UNFIT = replace(INFO, rate_hz=60.0, unit="uV")


class Changes:
    """A listener that keeps what it was told."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.hellos = 0
        self.errors: list[ModelError] = []
        self.warnings: list[str] = []

    def hello_changed(self) -> None:
        self.hellos += 1

    def status_changed(self, device: Device) -> None:
        self.states.append(device.status.state)

    def failed(self, device: Device, error: ModelError) -> None:
        self.errors.append(error)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


class Rig:
    """A device without a server."""

    def __init__(self, model: Path | None = None, source: Any = None, **how: Any) -> None:
        self.changes = Changes()
        self.hub = Hub()
        self.device = Device(0, source or Puppet(), ModelSelector(model), self.hub, self.changes, **how)

    def client(self, *streams: str) -> Client:
        return self.hub.connect(Subscription(streams), "json")

    @property
    def state(self) -> str:
        return self.device.status.state

    async def feed(self, *events: Event) -> None:
        for event in events:
            self.device.on_event(event)
            engine = self.device.engine
            async with asyncio.timeout(30):
                while engine is not None and engine.poses + engine.skipped + engine.invalid < engine.due:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)


def messages(client: Client) -> list[dict[str, Any]]:
    found = []
    while (item := client.take()) is not None:
        found.append(json.loads(item[0]))
    return found


def in_virtual_time(main: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    with VirtualLoop() as loop:
        loop.run(main(loop))


async def test_what_it_is_and_when_it_becomes_known(tiny_window: Path) -> None:
    rig = Rig(tiny_window)
    assert rig.device.describe() == {"device": None, "model": None, "pose": None}
    rig.device.on_event(replace(INFO, rate_hz=0.0))
    described = rig.device.describe()
    assert (described["device"]["rate_hz"], described["model"]) == (0.0, None)
    rig.device.on_event(INFO)
    assert rig.device.describe()["pose"]["rate_hz"] == 50.0
    assert rig.changes.hellos == 2
    rig.device.on_event(INFO)
    assert rig.changes.hellos == 2
    await rig.device.close()


async def test_a_model_that_is_worse_than_a_still_hand_is_told_once(tmp_path: Path) -> None:
    figures = {"mpjpe_mm": 19.2, "mean_pose_mpjpe_mm": 16.4, "split": "held out by block"}
    rig = Rig(window_model(tmp_path / "bad.onnx", spec_of(validation=figures)))
    for _ in range(2):
        rig.device.on_event(INFO)
    assert len(rig.changes.warnings) == 1
    assert "tiny is worse than a still hand: 19.2 mm off" in rig.changes.warnings[0]
    assert "held out by block" in rig.changes.warnings[0]
    await rig.device.close()


async def test_another_hop_changes_the_rate_of_poses(tiny_window: Path) -> None:
    rig = Rig(tiny_window, hop=10)
    rig.device.on_event(INFO)
    described = rig.device.describe()
    assert (described["model"]["hop"], described["pose"]["rate_hz"]) == (10, 20.0)
    await rig.device.close()


async def test_a_model_that_does_not_fit_is_reported(tiny_window: Path) -> None:
    rig = Rig(tiny_window)
    rig.device.on_event(UNFIT)
    assert "`uV`" in str(rig.changes.errors[0])
    assert rig.device.engine is None


async def test_without_a_fitting_model_it_says_why_and_gives_emg() -> None:
    rig = Rig()
    client = rig.client("pose", "emg")
    rig.device.on_event(UNFIT)
    assert len(rig.changes.warnings) == 1
    assert "without poses" in rig.changes.warnings[0]
    await rig.feed(*frames(0, 10))
    assert {m["type"] for m in messages(client)} == {"emg"}


async def test_a_device_that_turns_out_different_gets_another_model(tmp_path: Path) -> None:
    path = window_model(tmp_path / "m.onnx", spec_of(emg_mode="any"))
    rig = Rig(path)
    rig.device.on_event(INFO)
    first = rig.device.engine
    rig.device.on_event(replace(INFO, hand="left"))
    assert rig.device.engine is first
    rig.device.on_event(replace(INFO, emg_mode="filtered"))
    assert rig.device.engine is not first
    assert rig.device.engine is not None
    await rig.feed(frame(0, WINDOW))
    assert rig.device.engine.poses == 1
    await rig.device.close()


async def test_every_event_and_pose_reaches_the_outputs_in_order(tiny_window: Path) -> None:
    rig = Rig(tiny_window)
    taken = CollectingOutput()
    rig.device.outputs.append(taken)
    events: list[Event] = [INFO, frame(0, WINDOW), Playback(0.0, 1.0, 1.0, False)]
    await rig.feed(*events)
    assert [device for device, _ in taken.events] == [0] * 4
    assert [event for _, event in taken.events] == [*events[:2], *taken.poses, *events[2:]]
    assert [(pose.seq, pose.state) for pose in taken.poses] == [(0, "live")]
    await rig.device.close()


def test_half_a_second_without_a_sample_is_a_stall() -> None:
    async def main(loop: VirtualLoop) -> None:
        rig = Rig(clock=loop.now)
        rig.device.on_event(UNFIT)
        for number in range(50):
            await asyncio.sleep(0.01)
            rig.device.on_event(frame(2 * number, arrival=loop.now()))
        assert rig.changes.states == ["live"]
        await asyncio.sleep(0.49)
        assert rig.state == "live"
        await asyncio.sleep(0.03)
        assert rig.state == "stalled"
        await asyncio.sleep(100.0)
        rig.device.on_event(frame(100, arrival=loop.now()))
        assert rig.changes.states == ["live", "stalled", "live"]
        await asyncio.sleep(0.6)
        assert rig.state == "stalled"
        await rig.device.close()

    in_virtual_time(main)


def test_a_paused_replay_does_not_stall() -> None:
    async def main(loop: VirtualLoop) -> None:
        rig = Rig(clock=loop.now)
        rig.device.on_event(replace(UNFIT, nature="replay"))
        rig.device.on_event(frame(0, arrival=loop.now()))
        rig.device.on_event(Playback(0.0, 9.0, 1.0, False, paused=True))
        await asyncio.sleep(10.0)
        assert rig.state == "paused"
        await rig.device.close()

    in_virtual_time(main)


async def test_speed_changes_the_rates_that_are_reported(tiny_window: Path) -> None:
    rig = Rig(tiny_window)
    client = rig.client("emg")
    await rig.feed(replace(INFO, nature="replay"), Playback(0.0, 9.0, 4.0, False))
    assert (rig.device.real_rate_hz, rig.device.describe()["pose"]["rate_hz"]) == (800.0, 200.0)
    assert rig.device.describe()["device"]["rate_hz"] == 200.0
    await rig.feed(frame(0, 16))
    assert [(m["rate_hz"], len(m["samples"])) for m in messages(client)] == [(800.0, 16)]
    assert rig.changes.hellos == 2
    await rig.device.close()


async def test_emg_without_a_subscriber_is_not_sent_later() -> None:
    rig = Rig()
    rig.device.on_event(UNFIT)
    first = rig.client("emg")
    rig.device.on_event(frame(0, 1))
    rig.hub.disconnect(first)
    rig.device.on_event(frame(1, 1))
    second = rig.client("emg")
    rig.device.on_event(frame(100, 10))
    assert [m["sample"] for m in messages(second)] == [100]


def replay(**how: Any) -> ReplaySource:
    index = np.arange(400, dtype=np.int64)
    return ReplaySource(Recording(ramp(0, 400), index / 200.0, index, 200.0), **how)


async def test_an_ended_replay_waits_to_be_steered() -> None:
    source = replay()
    rig = Rig(source=source)
    source.seek(2.0)
    waiting = asyncio.ensure_future(rig.device.wait_to_play_again())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    source.seek(1.0)
    rig.device.play_again()
    await asyncio.wait_for(waiting, 30)
    await asyncio.wait_for(rig.device.wait_to_play_again(), 30)


async def test_preloading_opens_the_model_before_anything_runs(tiny_window: Path) -> None:
    rig = Rig(tiny_window, replay())
    rig.device.preload()
    assert rig.device.engine is not None
    assert rig.device.describe()["model"]["name"] == "tiny"
    await rig.device.close()
    late = Rig(tiny_window, Puppet(replace(INFO, rate_hz=0.0)))
    late.device.preload()
    assert late.device.engine is None
