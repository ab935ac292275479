"""Labels on their way to an armband: frame `hand`, the hand that wears the band, and so many a second."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from drivers.events import Label, Marker
from models.arrays import Float64Array
from models.hand import mirror, to_hand_frame
from models.kinematics import bones, points
from service.broadcast.hub import Hub
from service.broadcast.labels import LabelError, LabelMessage, MarkerMessage
from service.devices.device import Device
from service.devices.label_intake import LABELS_PER_SECOND, LabelIntake
from service.engine.model_selection import ModelSelector
from service.events import DeviceEvent
from tests.fakes.sources import INFO, Puppet
from tests.unit.service.devices.test_device import Changes

HAND = points(np.zeros((1, 20)), bones())[0].astype(np.float64)


class Collector:
    def __init__(self) -> None:
        self.events: list[DeviceEvent] = []

    def on_event(self, device: int, event: DeviceEvent) -> None:
        self.events.append(event)


class Rig:
    def __init__(self, hand: Any = None) -> None:
        self.now = 100.0
        self.device = Device(0, Puppet(), ModelSelector(), Hub(), Changes())
        self.device.info = replace(INFO, hand=hand)
        self.collector = Collector()
        self.device.outputs.append(self.collector)
        self.intake = LabelIntake(lambda: [self.device], lambda: self.now)


def label(joints: Float64Array | None = HAND, hand: Any = None, **angles: float) -> LabelMessage:
    return LabelMessage(0, 5.0, hand, joints, angles, "webcam", 0.5)


def turned(joints: Float64Array) -> Float64Array:
    """The same hand somewhere else in the room."""
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    moved: Float64Array = joints @ turn + np.array([300.0, -20.0, 700.0])
    return moved


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_points_of_any_right_handed_frame_come_out_in_frame_hand(rig: Rig) -> None:
    rig.intake.take(label(turned(HAND), "right"))
    (event,) = rig.collector.events
    assert isinstance(event, Label)
    assert event.joints is not None
    np.testing.assert_allclose(event.joints.reshape(21, 3), to_hand_frame(HAND, "right"), atol=1e-3)
    assert (event.t, event.source, event.confidence) == (5.0, "webcam", 0.5)


@pytest.mark.parametrize(("worn", "seen"), [("left", "left"), ("left", None), ("right", "left"), ("left", "right")])
async def test_the_points_are_those_of_the_hand_that_wears_the_band(worn: str, seen: str | None) -> None:
    rig = Rig(worn)
    left = mirror(HAND.astype(np.float32)).astype(np.float64)
    hands = {"right": HAND, "left": left}
    rig.intake.take(label(turned(hands[seen or worn]), seen))
    (event,) = rig.collector.events
    assert isinstance(event, Label)
    np.testing.assert_allclose(event.joints.reshape(21, 3), hands[worn], atol=1e-3)  # type: ignore[union-attr]


async def test_angles_and_markers(rig: Rig) -> None:
    rig.intake.take(label(None, index_mcp_fe=42.0))
    rig.intake.take(MarkerMessage(0, None, "here"))
    rig.intake.take(MarkerMessage(0, 7.0, "there"))
    angles, here, there = rig.collector.events
    assert isinstance(angles, Label)
    assert (angles.joints, angles.angles) == (None, {"index_mcp_fe": 42.0})
    assert (here, there) == (Marker(100.0, "here"), Marker(7.0, "there"))
    assert [event.arrival for event in (angles, here, there) if isinstance(event, Label | Marker)] == [100.0] * 3


async def test_120_a_second_and_no_more(rig: Rig) -> None:
    for _ in range(LABELS_PER_SECOND):
        rig.intake.take(label())
        rig.now += 0.5 / LABELS_PER_SECOND
    with pytest.raises(LabelError, match="120 labels"):
        rig.intake.take(label())
    assert len(rig.collector.events) == LABELS_PER_SECOND
    rig.now = 101.0
    rig.intake.take(label())
    assert len(rig.collector.events) == LABELS_PER_SECOND + 1


async def test_an_armband_that_does_not_exist(rig: Rig) -> None:
    with pytest.raises(LabelError, match="no armband 1; expected 0 to 0"):
        rig.intake.take(MarkerMessage(1, None, "x"))
