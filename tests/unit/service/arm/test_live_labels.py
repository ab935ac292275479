"""Labels while they come: whether they do, what is said when they stop, and how late they are."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from drivers.events import Frame, Label, LabelLag, Notice
from models.hand import mirror
from models.kinematics import ANGLES, bones, points
from service.arm.label_feed import LabelFeed
from service.arm.live_labels import MISSING_S, LiveLabels
from service.labels.source import SeenHand
from tests.fakes.outputs import CollectingOutput
from tests.unit.models.test_label_lag import moving
from tests.unit.service.devices.test_device import Rig

HAND = points(np.zeros((1, 20)), bones())[0].astype(np.float64)


class Arm:
    """Labels of a device whose time a test sets."""

    def __init__(self) -> None:
        rig = Rig()
        self.device, self.now, self.changes = rig.device, 1000.0, 0
        self.device.on_event(self.device.source.info)
        self.labels = LiveLabels(self.device, self._changed, lambda: self.now)
        self.labels.on_info(self.device.source.info)
        self.output = CollectingOutput()
        self.device.outputs.append(self.output)

    def _changed(self) -> None:
        self.changes += 1

    def label(self, **more: Any) -> None:
        self.labels.on_label(Label(self.now, angles={"index_mcp_fe": 1.0}, **more))

    def signal(self, seconds: float) -> None:
        """So many seconds of EMG, in steps of a tenth."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.labels.on_frame(Frame(0, self.now, np.zeros((2, 8), np.float32), self.now))

    @property
    def events(self) -> list[Any]:
        return [event for _, event in self.output.events]

    @property
    def state(self) -> dict[str, Any]:
        state = self.labels.describe()
        assert state is not None
        return state

    def told(self) -> list[str]:
        return [event.detail for event in self.events if isinstance(event, Notice)]


async def test_nothing_is_said_where_nobody_asked_for_labels() -> None:
    assert Arm().labels.describe() is None


async def test_labels_of_a_client_come_and_stop() -> None:
    arm = Arm()
    for _ in range(20):
        arm.label(source="webcam", confidence=0.5)
        arm.signal(0.1)
    assert arm.state == {
        "source": "webcam", "state": "coming", "labels": 20, "rate_hz": pytest.approx(10.0, abs=1.0), "lag_ms": None,
        "message": "", "prompt": None,
    }  # fmt: skip
    arm.signal(MISSING_S + 0.2)
    assert (arm.state["state"], arm.state["message"]) == ("missing", "no label from webcam for 1 s")
    arm.label(source="webcam")
    assert (arm.state["state"], arm.state["message"]) == ("coming", "")
    # A hand that leaves the picture is no event of a recording that nobody asked for.
    assert arm.told() == []


async def test_labels_that_were_asked_for_are_missed_in_the_recording() -> None:
    arm = Arm()
    arm.labels.expect("leap", None)
    assert (arm.state["state"], arm.state["source"]) == ("waiting", "leap")
    arm.labels.lost("nothing answers")
    arm.labels.lost("nothing answers")
    assert (arm.state["state"], arm.state["message"]) == ("waiting", "nothing answers")
    assert arm.told() == []
    arm.label(source="leap")
    assert arm.state["state"] == "coming"
    arm.labels.lost("the connection was closed")
    assert (arm.state["state"], arm.state["message"]) == ("missing", "the connection was closed")
    arm.label(source="leap")
    arm.signal(MISSING_S + 0.2)
    assert arm.told() == ["the connection was closed", "coming again", "no label from leap for 1 s"]


async def test_the_lag_is_found_and_told() -> None:
    arm, data = Arm(), moving(60.0, 0.142 + 0.1)
    arm.labels.expect("leap", None)
    arm.label(source="leap")
    order = np.argsort(np.concatenate([data.emg_t[::20], data.label_t]), kind="stable")
    for at in order.tolist():
        if at < len(data.emg_t[::20]):
            row = 20 * at
            arm.now = float(data.emg_t[row])
            arm.labels.on_frame(Frame(row, arm.now, data.emg[row : row + 20], arm.now))
        else:
            arm.now = float(data.label_t[at - len(data.emg_t[::20])])
            angles = np.rad2deg(data.angles[at - len(data.emg_t[::20])]).tolist()
            arm.labels.on_label(Label(arm.now, angles=dict(zip(ANGLES, angles, strict=True)), source="leap"))
            if at % 500 == 0:
                await asyncio.sleep(0)
    await arm.labels.finish()
    assert arm.labels.lag_s is not None
    assert arm.labels.lag_s == pytest.approx(0.1, abs=0.02)
    assert arm.state["lag_ms"] == round(arm.labels.lag_s * 1000)
    told = [event.seconds for event in arm.events if isinstance(event, LabelLag)]
    assert told
    assert told[-1] == pytest.approx(arm.labels.lag_s, abs=0.005)
    assert arm.labels.rate_hz == pytest.approx(50.0, abs=0.1)
    arm.labels.close()


class Tracker:
    """Has seen hands already."""

    name, address = "leap", ""

    def __init__(self, *hands: SeenHand) -> None:
        self._hands = hands

    async def __aenter__(self) -> Tracker:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def describe(self) -> dict[str, Any] | None:
        return None

    async def run(self, emit: Any) -> None:
        for hand in self._hands:
            emit(hand)


async def test_only_the_hand_that_wears_the_band_gives_labels() -> None:
    arm = Arm()
    left = mirror(HAND.astype(np.float32)).astype(np.float64)
    tracker = Tracker(
        SeenHand(1.0, 1.1, "right", HAND + 100.0, confidence=0.5),
        SeenHand(2.0, 2.1, "left", left),
        SeenHand(3.0, 3.1, "right", HAND * 0.001),
        SeenHand(4.0, 4.1, "right", np.full((21, 3), np.nan)),
        SeenHand(5.0, 5.1, None, None, {"index_mcp_fe": 3.0}),
    )
    feed = LabelFeed(tracker, arm.device, arm.labels)
    await feed.run()
    first, second = [event for event in arm.events if isinstance(event, Label)]
    assert (first.t, first.arrival, first.source, first.confidence) == (1.0, 1.1, "leap", 0.5)
    assert first.joints is not None
    np.testing.assert_allclose(first.joints.reshape(21, 3), HAND, atol=1e-3)
    assert (second.t, second.joints, dict(second.angles)) == (5.0, None, {"index_mcp_fe": 3.0})
    assert feed.others == {"left": 1, "implausible": 2}
