"""The stream's messages as bytes, and clients' messages as values (docs/protocol.md#the-stream).

Pure functions and small values, without sockets or clocks. Text messages are UTF-8 JSON.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import numpy as np
import orjson

from drivers.events import Frame, Imu, SourceInfo
from models.arrays import Float32Array
from models.hand import ORDER, POINTS
from models.printable import printable
from models.spec import ModelSpec
from service.broadcast.labels import LabelError, LabelMessage, MarkerMessage, label_message, marker_message
from service.engine.output_stage import OutputStage
from service.engine.pose import Pose

PROTOCOL: Final = "myocast.v1"
Encoding = Literal["json", "binary"]
SUBPROTOCOLS: Final[Mapping[str, Encoding]] = {"myocast.v1.json": "json", "myocast.v1.binary": "binary"}
STREAMS: Final = ("pose", "emg", "imu", "status")
MAX_CLIENT_MESSAGE: Final = 4096
"""Bytes of a client's message at most; a longer one closes the connection with code 1009."""
BAD_LABEL: Final = "bad_label"
"""Code of the error that a label or marker gets which cannot be used."""
MAX_RATE_HZ: Final = 1000.0
"""Upper limit of `max_rate`, poses per second."""
JsonObject = dict[str, Any]
"""An object that only becomes JSON."""

_POSE: Final = struct.Struct("<BBHIQdffIB3x")
_CONFIDENCE: Final = struct.Struct("<f")
_EMG: Final = struct.Struct("<BBHB3xQdfI")
_LEFT, _HELD, _GAP, _TRUTH, _CONFIDENT = 1, 2, 4, 8, 16
_F4: Final = np.dtype("<f4")
_NUMPY: Final = orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client has subscribed to."""

    streams: tuple[str, ...] = ("pose",)
    max_rate: float | None = None
    """Poses per second at most; None = every pose."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A request for `pong`."""

    id: object
    """Any JSON value; it is echoed."""


@dataclass(frozen=True, slots=True)
class InvalidMessage:
    """A client's message that cannot be read: code and text of the error that it gets."""

    code: str
    message: str


class SubscriptionError(ValueError):
    """An unknown stream, or a `max_rate` outside (0, 1000]."""


def subscription(streams: object, max_rate: object) -> Subscription:
    """Check the fields of a subscription; None stands for an absent field.

    Raises:
        SubscriptionError: an unknown stream, or a `max_rate` outside (0, 1000].
    """
    names = ["pose"] if streams is None else streams
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n in STREAMS for n in names):
        raise SubscriptionError(f"unknown stream in {names!r}; expected some of {', '.join(STREAMS)}")
    if max_rate is not None:
        if isinstance(max_rate, bool) or not isinstance(max_rate, int | float) or not 0 < max_rate <= MAX_RATE_HZ:
            raise SubscriptionError(f"max_rate {max_rate!r} is not a number in (0, {MAX_RATE_HZ:g}]")
        max_rate = float(max_rate)
    return Subscription(tuple(n for n in STREAMS if n in names), max_rate)


ClientMessage = Ping | Subscription | LabelMessage | MarkerMessage | InvalidMessage


def parse_client(message: str | bytes) -> ClientMessage:
    """Read a client's message, whatever it is; this never raises."""
    if isinstance(message, bytes):
        return InvalidMessage("bad_message", "expected a text message with a JSON object, got a binary one")
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        return InvalidMessage("bad_message", "expected a JSON object, got no JSON")
    kind = value.get("type") if isinstance(value, dict) else None
    try:
        match kind:
            case "ping":
                return _ping(value.get("id"))
            case "subscribe":
                return subscription(value.get("streams"), value.get("max_rate"))
            case "label":
                return label_message(value)
            case "marker":
                return marker_message(value)
    except SubscriptionError as error:
        return InvalidMessage("bad_subscription", str(error))
    except LabelError as error:
        return InvalidMessage(BAD_LABEL, str(error))
    return InvalidMessage("bad_message", "expected `type` to be ping, subscribe, label or marker")


def _ping(id_: object) -> Ping | InvalidMessage:
    try:
        pong(id_, 0.0)
    except orjson.JSONEncodeError:
        return InvalidMessage("bad_message", "`id` is nested too deeply to be echoed")
    return Ping(id_)


def pose_json(pose: Pose, age_ms: float) -> bytes:
    """Encode a pose as JSON: 63 flat numbers in mm, rounded to 0.01 mm.

    Args:
        age_ms: milliseconds from the arrival of the newest sample until now.
    """
    message: JsonObject = {
        "type": "pose",
        "device": pose.device,
        "seq": pose.seq,
        "sample": pose.sample,
        "t": pose.t,
        "age_ms": round(age_ms, 3),
        "infer_ms": round(pose.infer_ms, 3),
        "skipped": pose.skipped,
        "state": pose.state,
        "hand": pose.hand,
        "joints": _rounded(pose.joints),
    }
    if pose.truth is not None:
        message["truth"] = _rounded(pose.truth)
    if pose.gap:
        message["gap"] = True
    if pose.held:
        message["held"] = True
    if pose.confidence is not None:
        message["confidence"] = round(pose.confidence, 3)
    return orjson.dumps(message, option=_NUMPY)


def pose_binary(pose: Pose, age_ms: float) -> bytes:
    """Encode a pose as one little-endian record of 296 bytes, 548 with truth.

    Args:
        age_ms: milliseconds from the arrival of the newest sample until now.
    """
    flags = (pose.hand == "left") * _LEFT | pose.gap * _GAP | (pose.truth is not None) * _TRUTH
    flags |= pose.held * _HELD | (pose.confidence is not None) * _CONFIDENT
    head = _POSE.pack(
        1, 1, flags, pose.seq & 0xFFFFFFFF, pose.sample, pose.t, age_ms, pose.infer_ms, pose.skipped, pose.device
    )
    tail = b"" if pose.truth is None else _little_endian(pose.truth)
    return head + _little_endian(pose.joints) + _CONFIDENCE.pack(pose.confidence or 0.0) + tail


def emg_json(device: int, frame: Frame, rate_hz: float) -> bytes:
    """Encode EMG (n, 8) as JSON; `sample` and `t` are those of the first row, `rate_hz` is per real second."""
    return orjson.dumps(
        {
            "type": "emg",
            "device": device,
            "sample": frame.first_sample,
            "t": frame.t,
            "rate_hz": rate_hz,
            "samples": np.ascontiguousarray(frame.samples),
        },
        option=_NUMPY,
    )


def emg_binary(device: int, frame: Frame, rate_hz: float) -> bytes:
    """Encode EMG (n, 8) as one little-endian record of 32 + 32 n bytes."""
    head = _EMG.pack(2, 1, len(frame.samples), device, frame.first_sample, frame.t, rate_hz, 0)
    return head + _little_endian(frame.samples)


def imu_json(device: int, imu: Imu) -> bytes:
    """Encode an inertial sample as JSON."""
    return orjson.dumps(
        {
            "type": "imu",
            "device": device,
            "t": imu.t,
            "quaternion": imu.quaternion,
            "acceleration_g": imu.acceleration_g,
            "gyro_dps": imu.gyro_dps,
        }
    )


def device_object(info: SourceInfo | None) -> JsonObject | None:
    """Return `hello.device`; None until the source has emitted its description."""
    if info is None:
        return None
    return {
        "uri": printable(info.uri),
        "name": printable(info.name),
        "channels": info.channels,
        "rate_hz": info.rate_hz,
        "unit": info.unit,
        "emg_mode": info.emg_mode,
        "hand": info.hand or "right",
    }


def model_object(
    spec: ModelSpec | None, sha256: str, hop: int, adapted: Mapping[str, object] | None = None
) -> JsonObject | None:
    """Return `hello.model`; None without a model. `adapted` tells how the signal is brought to the model's."""
    if spec is None:
        return None
    return {
        "name": spec.name,
        "sha256": sha256,
        "kind": spec.kind,
        "window": spec.window,
        "hop": hop,
        "rate_hz": spec.rate_hz,
        "parameters": spec.parameters,
        "adapted": adapted,
    }


def pose_object(rate_hz: float, stage: OutputStage) -> JsonObject:
    """Return `hello.pose`: the format of a pose, poses per real second, and what stands behind the model."""
    return {
        "points": POINTS,
        "order": ORDER,
        "unit": "mm",
        "frame": "hand",
        "rate_hz": rate_hz,
        "filter": None if stage.filter is None else stage.filter.as_object(),
        "lag_ms": stage.lag_ms,
    }


def hello(
    version: str, session: str, t: float, devices: Sequence[JsonObject], subscription: Subscription, encoding: Encoding
) -> bytes:
    """Encode `hello`, the first message, sent again whenever anything in it changes.

    Args:
        devices: at least one; the first one's fields stand in the message itself too.
    """
    return orjson.dumps(
        {
            "type": "hello",
            "protocol": PROTOCOL,
            "server": version,
            "session": session,
            "t": t,
            **devices[0],
            "devices": devices,
            "streams": subscription.streams,
            "encoding": encoding,
        }
    )


def status_json(status: Mapping[str, object]) -> bytes:
    """Encode the fields of a status message."""
    return orjson.dumps({"type": "status", **status})


def bye(reason: str) -> bytes:
    """Encode the message that precedes a close by the server."""
    return orjson.dumps({"type": "bye", "reason": reason})


def pong(id_: object, t: float) -> bytes:
    """Encode the answer to a ping; `t` is the server's time."""
    return orjson.dumps({"type": "pong", "id": id_, "t": t})


def error_message(invalid: InvalidMessage) -> bytes:
    """Encode the answer to a message that cannot be read."""
    return orjson.dumps({"type": "error", "code": invalid.code, "message": invalid.message})


def _little_endian(values: Float32Array) -> bytes:
    return values.astype(_F4, copy=False).tobytes()


def _rounded(joints: Float32Array) -> Float32Array:
    return cast(Float32Array, np.round(joints, 2))
