"""The stream's messages, field by field and byte by byte as in docs/protocol.md#the-stream."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.events import Frame, Imu, SourceInfo
from service.broadcast import messages
from service.broadcast.labels import LabelMessage, MarkerMessage
from service.broadcast.messages import InvalidMessage, Ping, Subscription
from service.engine.output_stage import AUTO, OFF, OutputStage
from service.engine.pose import Pose
from tests.fakes.models_onnx import spec_of

GOLDEN = Path(__file__).parents[3] / "golden"


def pose(**changes: Any) -> Pose:
    joints = np.linspace(-99.987, 123.456, 63, dtype=np.float32)
    made = Pose(
        device=0,
        seq=812,
        sample=3279,
        t=1763900016.518,
        joints=joints,
        hand="right",
        state="live",
        skipped=0,
        gap=False,
        truth=None,
        arrival=10.0,
        due=10.001,
        started=10.002,
        finished=10.0036,
    )
    return replace(made, **changes)


def golden_json(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return value


def golden_pose(name: str) -> tuple[Pose, float]:
    """The values of a golden pose, and its age."""
    g = golden_json(name)
    truth = np.array(g["truth"], dtype=np.float32) if "truth" in g else None
    made = Pose(
        device=g["device"],
        seq=g["seq"],
        sample=g["sample"],
        t=g["t"],
        joints=np.array(g["joints"], dtype=np.float32),
        hand=g["hand"],
        state=g["state"],
        skipped=g["skipped"],
        gap=g.get("gap", False),
        truth=truth,
        arrival=0.0,
        due=0.0,
        started=0.0,
        finished=g["infer_ms"] / 1e3,
        confidence=g.get("confidence"),
        held=g.get("held", False),
    )
    return made, g["age_ms"]


def test_pose_has_the_fields_of_the_contract_in_its_order() -> None:
    message = json.loads(messages.pose_json(pose(), 3.4))
    assert list(message) == [
        "type", "device", "seq", "sample", "t", "age_ms", "infer_ms", "skipped", "state", "hand", "joints",
    ]  # fmt: skip
    assert message | {"joints": []} == {
        "type": "pose", "device": 0, "seq": 812, "sample": 3279, "t": 1763900016.518, "age_ms": 3.4, "infer_ms": 1.6,
        "skipped": 0, "state": "live", "hand": "right", "joints": [],
    }  # fmt: skip


def test_joints_are_flat_and_rounded_to_a_hundredth_of_a_millimetre() -> None:
    text = messages.pose_json(pose(), 3.4).decode()
    joints = json.loads(text)["joints"]
    assert len(joints) == 63
    assert joints == np.round(pose().joints.astype(float), 2).tolist()
    assert all(len(number.partition(".")[2]) <= 2 for number in text.split("[")[1].rstrip("]}").split(","))


def test_truth_and_gap_are_there_only_where_they_are_true() -> None:
    truth = np.full(63, 1.237, dtype=np.float32)
    message = json.loads(messages.pose_json(pose(truth=truth, gap=True), 0.0))
    assert message["truth"] == [1.24] * 63
    assert message["gap"] is True
    assert not {"truth", "gap", "held"} & set(json.loads(messages.pose_json(pose(), 0.0)))


def test_a_binary_pose_has_every_field_at_the_offset_of_the_contract() -> None:
    data = messages.pose_binary(pose(device=3, skipped=5), 3.4)
    assert len(data) == 296

    def at(kind: str, offset: int) -> Any:
        return struct.unpack_from("<" + kind, data, offset)[0]

    assert (at("B", 0), at("B", 1), at("H", 2), at("I", 4), at("Q", 8)) == (1, 1, 0, 812, 3279)
    assert at("d", 16) == 1763900016.518
    assert at("f", 24) == np.float32(3.4)
    assert at("f", 28) == pytest.approx(1.6)
    assert (at("I", 32), at("B", 36), data[37:40]) == (5, 3, b"\0\0\0")
    np.testing.assert_array_equal(np.frombuffer(data, "<f4", 63, 40), pose().joints)
    assert at("f", 292) == 0.0


def test_the_flags_of_a_binary_pose() -> None:
    def encoded_flags(**changes: Any) -> int:
        value: int = struct.unpack_from("<H", messages.pose_binary(pose(**changes), 0.0), 2)[0]
        return value

    truth = np.zeros(63, dtype=np.float32)
    assert (encoded_flags(hand="left"), encoded_flags(gap=True), encoded_flags(truth=truth)) == (1, 4, 8)
    assert encoded_flags(held=True) == 2
    assert encoded_flags(hand="left", gap=True, truth=truth) == 13


def test_truth_follows_at_296() -> None:
    truth = np.linspace(5, 6, 63, dtype=np.float32)
    data = messages.pose_binary(pose(truth=truth), 0.0)
    assert len(data) == 548
    np.testing.assert_array_equal(np.frombuffer(data, "<f4", 63, 296), truth)


def test_seq_and_sample_pass_their_limits() -> None:
    data = messages.pose_binary(pose(seq=2**32 + 5, sample=2**40), 0.0)
    assert struct.unpack_from("<IQ", data, 4) == (5, 2**40)


@pytest.mark.parametrize("name", ["pose", "pose_truth"])
def test_golden_pose(name: str) -> None:
    made, age_ms = golden_pose(name)
    assert json.loads(messages.pose_json(made, age_ms)) == golden_json(name)
    assert messages.pose_binary(made, age_ms) == (GOLDEN / f"{name}.bin").read_bytes()


def test_golden_emg() -> None:
    g = golden_json("emg")
    frame = Frame(g["sample"], g["t"], np.array(g["samples"], dtype=np.float32), 0.0)
    assert messages.emg_json(0, frame, g["rate_hz"]) == (GOLDEN / "emg.json").read_bytes()
    assert messages.emg_binary(0, frame, g["rate_hz"]) == (GOLDEN / "emg.bin").read_bytes()


def test_a_binary_emg_has_every_field_at_the_offset_of_the_contract() -> None:
    samples = np.arange(24, dtype=np.float32).reshape(3, 8)
    data = messages.emg_binary(2, Frame(77, 5.5, samples, 0.0), 200.0)
    assert len(data) == 32 + 32 * 3
    assert struct.unpack_from("<BBHB", data) == (2, 1, 3, 2)
    assert data[5:8] == b"\0\0\0"
    assert struct.unpack_from("<QdfI", data, 8) == (77, 5.5, 200.0, 0)
    np.testing.assert_array_equal(np.frombuffer(data, "<f4", 24, 32).reshape(3, 8), samples)


def test_emg_of_a_view_with_gaps_between_its_rows() -> None:
    wide = np.arange(64, dtype=np.float32).reshape(4, 16)[::2, :8]
    frame = Frame(0, 0.0, wide, 0.0)
    assert json.loads(messages.emg_json(0, frame, 200.0))["samples"] == wide.tolist()
    assert np.frombuffer(messages.emg_binary(0, frame, 200.0), "<f4", 16, 32).tolist() == wide.flatten().tolist()


def test_golden_imu() -> None:
    g = golden_json("imu")
    imu = Imu(g["t"], tuple(g["quaternion"]), tuple(g["acceleration_g"]), tuple(g["gyro_dps"]))
    assert messages.imu_json(0, imu) == (GOLDEN / "imu.json").read_bytes()


def test_golden_small_messages() -> None:
    for name, made in (
        ("bye", messages.bye("the server stops")),
        ("pong", messages.pong(7, 1763900002.5)),
        ("error", messages.error_message(InvalidMessage("bad_subscription", golden_json("error")["message"]))),
    ):
        assert made == (GOLDEN / f"{name}.json").read_bytes()


def test_golden_hello() -> None:
    g = golden_json("hello")
    right = SourceInfo("replay:demo", "Demo armband é", 200.0, hand=None)
    left = SourceInfo("cyton:/dev/ttyUSB0", "Cyton", 250.0, "uV", hand="left")
    filtered = {"min_cutoff_hz": 7.0, "beta": 0.01, "stages": 3, "lag_ms": 52.5}
    spec = spec_of(name="lstm_fc", window=32, hop=8, parameters=69427, smoothing=filtered, lag_ms=60.0)
    adapted = {"rate_hz": 250.0, "gain": 0.125, "from": "running level"}
    other = spec_of("stream", name="lstm_fc", rate_hz=250.0, parameters=69427)
    devices = [
        {
            "device": messages.device_object(right),
            "model": messages.model_object(spec, g["model"]["sha256"], 4),
            "pose": messages.pose_object(50.0, OutputStage(AUTO, spec)),
        },
        {
            "device": messages.device_object(left),
            "model": messages.model_object(other, g["model"]["sha256"], 5, adapted),
            "pose": messages.pose_object(50.0, OutputStage(OFF, other)),
        },
    ]
    made = messages.hello("0.1.0", g["session"], g["t"], devices, Subscription(messages.STREAMS), "json")
    assert json.loads(made) == g
    assert list(json.loads(made)) == list(g)


def test_what_is_not_known_yet_is_null_in_hello() -> None:
    devices = [{"device": messages.device_object(None), "model": None, "pose": None}]
    message = json.loads(messages.hello("0", "s", 1.0, devices, Subscription(), "binary"))
    assert message == {
        "type": "hello",
        "protocol": "myocast.v1",
        "server": "0",
        "session": "s",
        "t": 1.0,
        "device": None,
        "model": None,
        "pose": None,
        "devices": devices,
        "streams": ["pose"],
        "encoding": "binary",
    }


def test_the_window_of_a_stream_is_0_in_hello() -> None:
    made = messages.model_object(spec_of("stream"), "ab", 3)
    assert made == {
        "name": "tiny", "sha256": "ab", "kind": "stream", "window": 0, "hop": 3, "rate_hz": 200.0, "parameters": 1000,
        "adapted": None,
    }  # fmt: skip


@pytest.mark.parametrize("id_", [7, "x", None, 1.5, True, [1, {"a": "é"}], {"deep": [[[]]]}])
def test_a_ping_of_any_json_is_echoed(id_: Any) -> None:
    parsed = messages.parse_client(json.dumps({"type": "ping", "id": id_}))
    assert parsed == Ping(id_)
    assert json.loads(messages.pong(parsed.id, 2.5)) == {"type": "pong", "id": id_, "t": 2.5}


def test_a_ping_without_id() -> None:
    assert messages.parse_client('{"type":"ping"}') == Ping(None)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({}, Subscription(("pose",), None)),
        ({"streams": ["emg", "pose", "emg"], "max_rate": 60}, Subscription(("pose", "emg"), 60.0)),
        ({"streams": ["status", "imu"]}, Subscription(("imu", "status"), None)),
        ({"streams": None, "max_rate": None}, Subscription(("pose",), None)),
        ({"max_rate": 1000}, Subscription(("pose",), 1000.0)),
        ({"max_rate": 1e-9}, Subscription(("pose",), 1e-9)),
    ],
)
def test_a_subscription(message: dict[str, Any], expected: Subscription) -> None:
    assert messages.parse_client(json.dumps({"type": "subscribe", **message})) == expected


@pytest.mark.parametrize(
    "message",
    [
        {"streams": ["poses"]},
        {"streams": "pose"},
        {"streams": [1]},
        {"streams": {"pose": 1}},
        {"streams": [["pose"]]},
        {"max_rate": 0},
        {"max_rate": -1},
        {"max_rate": 1000.5},
        {"max_rate": "60"},
        {"max_rate": True},
        {"max_rate": [60]},
    ],
)
def test_a_bad_subscription(message: dict[str, Any]) -> None:
    parsed = messages.parse_client(json.dumps({"type": "subscribe", **message}))
    assert isinstance(parsed, InvalidMessage)
    assert parsed.code == "bad_subscription"
    assert "\n" not in parsed.message


@pytest.mark.parametrize(
    "message",
    [
        b"\x01\x02",
        b'{"type":"ping"}',
        "",
        "{",
        "[]",
        "1",
        "null",
        '"ping"',
        "{}",
        '{"type":"hello"}',
        '{"type":["ping"]}',
        '{"type":null}',
        "NaN",
        "[" * 4000,
        '{"type":"ping","id":' + "[" * 1000,
    ],
)
def test_a_bad_message(message: str | bytes) -> None:
    parsed = messages.parse_client(message)
    assert isinstance(parsed, InvalidMessage)
    assert parsed.code == "bad_message"


@pytest.mark.parametrize("depth", [200, 253, 254, 255, 300, 1000, 1020, 1500])
def test_a_deeply_nested_id_is_answered_or_a_bad_message(depth: int) -> None:
    text = '{"type":"ping","id":' + "[" * depth + "]" * depth + "}"
    parsed = messages.parse_client(text)
    if isinstance(parsed, Ping):
        assert json.loads(messages.pong(parsed.id, 1.0))["type"] == "pong"
    else:
        assert isinstance(parsed, InvalidMessage)
        assert parsed.code == "bad_message"


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_parsing_never_raises(message: str | bytes) -> None:
    assert isinstance(messages.parse_client(message), messages.ClientMessage)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(st.sampled_from(["ping", "subscribe", "label", "marker", "x"]), _JSON, _JSON, _JSON)
def test_every_json_gets_an_answer(kind: str, id_: Any, streams: Any, rate: Any) -> None:
    text = json.dumps(
        {"type": kind, "id": id_, "streams": streams, "max_rate": rate, "t": rate, "angles": streams, "label": id_},
        ensure_ascii=False,
    )
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    parsed = messages.parse_client(text)
    if isinstance(parsed, Ping):
        messages.pong(parsed.id, 1.0)
    elif isinstance(parsed, InvalidMessage):
        messages.error_message(parsed)
    else:
        assert isinstance(parsed, Subscription | LabelMessage | MarkerMessage)


def test_confidence_is_told_only_by_models_that_have_it() -> None:
    for told, expected in ((None, (0, 0.0)), (0.0, (16, 0.0)), (0.123456, (16, 0.123456))):
        data = messages.pose_binary(pose(confidence=told), 0.0)
        flags, value = struct.unpack_from("<H", data, 2)[0], struct.unpack_from("<f", data, 292)[0]
        assert (flags, value) == (expected[0], pytest.approx(expected[1]))
        message = json.loads(messages.pose_json(pose(confidence=told), 0.0))
        assert message.get("confidence") == (None if told is None else round(told, 3))
        assert ("confidence" in message) == (told is not None)
