"""The stream's messages as they come over a broker: what the server encodes is read back, whatever else is refused."""

from __future__ import annotations

import struct

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.events import Frame, Imu, SourceInfo
from drivers.nats.messages import decode_emg, decode_hello, decode_imu, decode_pose
from models.hand import Side
from service.broadcast import messages
from service.engine.pose import Pose

T = 1_763_900_000.5


def a_pose(hand: Side = "right", truth: bool = False) -> Pose:
    joints = np.arange(63, dtype=np.float32)
    return Pose(
        device=1, seq=7, sample=29, t=T, joints=joints, hand=hand, state="live", skipped=2, gap=True,
        truth=joints + 1 if truth else None, arrival=T, due=T, started=T, finished=T, confidence=0.25, held=True,
    )  # fmt: skip


def frame() -> Frame:
    return Frame(41, T, np.arange(24, dtype=np.float32).reshape(3, 8), T + 0.01)


def test_emg() -> None:
    found = decode_emg(messages.emg_binary(3, frame(), 200.0), T + 1.0)
    assert found is not None
    assert (found.first_sample, found.t, found.arrival, found.gap) == (41, T, T + 1.0, False)
    np.testing.assert_array_equal(found.samples, frame().samples)
    found.samples[0, 0] = 1.0


@pytest.mark.parametrize("truth", [False, True])
@pytest.mark.parametrize("hand", ["left", "right"])
def test_poses(hand: Side, truth: bool) -> None:
    pose = a_pose(hand=hand, truth=truth)
    found = decode_pose(messages.pose_binary(pose, 3.5), T)
    assert found is not None
    assert (found.seq, found.sample, found.t, found.hand) == (pose.seq, pose.sample, pose.t, pose.hand)
    assert (found.gap, found.held, found.skipped, found.age_ms) == (pose.gap, pose.held, pose.skipped, 3.5)
    assert found.confidence == pytest.approx(pose.confidence)
    np.testing.assert_array_equal(found.joints, pose.joints)
    assert (found.truth is not None) == truth


def test_inertial_samples() -> None:
    imu = Imu(T, (1.0, 0.0, 0.0, 0.0), (0.0, 0.5, 1.0), (10.0, -20.0, 30.0))
    assert decode_imu(messages.imu_json(0, imu)) == imu
    assert decode_imu(b'{"t":1.0,"quaternion":[1,2,3],"acceleration_g":[0,0,0],"gyro_dps":[0,0,0]}') is None
    assert decode_imu(b'{"t":1.0,"quaternion":[1,2,3,"4"],"acceleration_g":[0,0,0],"gyro_dps":[0,0,0]}') is None


def hello(**changes: object) -> bytes:
    info = SourceInfo("myo:", "A band", 200.0, hand="left")
    device = {**(messages.device_object(info) or {}), **changes}
    described = {"device": device, "model": {"name": "a"}, "pose": {"rate_hz": 50.0}}
    return messages.hello("1", "s", T, [described], messages.Subscription(), "binary")


def test_hello() -> None:
    found = decode_hello(hello(), "nats://broker/anna")
    assert found is not None
    assert found[0] == SourceInfo("nats://broker/anna", "A band", 200.0, hand="left")
    assert found[1].model == {"name": "a"}
    poses = decode_hello(hello(), "nats://broker/anna", poses=True)
    assert poses is not None
    assert poses[0].emits == "poses"


@pytest.mark.parametrize(
    "changes",
    [{"rate_hz": -1.0}, {"rate_hz": "fast"}, {"rate_hz": 1e9}, {"unit": "V"}, {"emg_mode": 3}, {"hand": "third"},
     {"name": None}, {"channels": 16}],
)  # fmt: skip
def test_a_hello_that_says_what_cannot_be_is_none(changes: dict[str, object]) -> None:
    assert decode_hello(hello(**changes), "nats://broker/anna") is None


def test_values_that_cannot_be_are_refused() -> None:
    emg = bytearray(messages.emg_binary(0, frame(), 200.0))
    struct.pack_into("<d", emg, 16, float("nan"))
    assert decode_emg(bytes(emg), T) is None
    pose = bytearray(messages.pose_binary(a_pose(), 0.0))
    struct.pack_into("<f", pose, 40, float("inf"))
    assert decode_pose(bytes(pose), T) is None


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    for decoded in (decode_emg(data, T), decode_pose(data, T), decode_imu(data), decode_hello(data, "nats://b/a")):
        assert decoded is None or decoded is not None


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=5))
def test_no_json_raises(value: object) -> None:
    for wrapped in (value, {"device": value}, {"t": value, "quaternion": value}):
        data = orjson.dumps(wrapped)
        assert decode_imu(data) is None
        assert decode_hello(data, "nats://b/a") is None


def test_a_pose_of_the_server_has_every_field() -> None:
    """A field that is added to poses and not carried over a broker should be thought of here."""
    carried = {
        "device", "seq", "sample", "t", "joints", "hand", "state", "skipped", "gap", "truth", "arrival", "due",
        "started", "finished", "hidden", "confidence", "held", "filter",
    }  # fmt: skip
    assert set(Pose.__dataclass_fields__) == carried
