"""The messages of `myocast.v1`, and their decoder: bytes in, values out."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

JOINTS: Final = (
    "wrist",
    "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
    "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
    "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
)  # fmt: skip
PARENTS: Final = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)

_POSE: Final = struct.Struct("<BBHIQdffIBxxx252sf")
_EMG: Final = struct.Struct("<BBHBxxxQdfxxxx")
_F4: Final = np.dtype("<f4")
_LEFT, _HELD, _GAP, _TRUTH, _CONFIDENT = 1, 2, 4, 8, 16
_POSE_BYTES, _TRUTH_BYTES = 296, 548


class DecodeError(ValueError):
    """A message that does not keep to docs/protocol.md#the-stream."""


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """One pose of one hand."""

    seq: int
    """Number of the pose since the server started; a jump = poses that this client did not get."""
    sample: int
    """Index of the newest EMG sample used."""
    t: float
    """Time of exactly that sample, Unix seconds on the server's clock."""
    age_ms: float
    """From that sample's arrival in the server to the encoding of this message."""
    infer_ms: float
    skipped: int
    """Windows skipped just before this one because a newer one was due."""
    joints: Float32Array
    """(21, 3) in mm; read-only."""
    truth: Float32Array | None
    """(21, 3) in mm: the hand's true pose, where the session has it."""
    hand: Literal["left", "right"]
    device: int
    gap: bool
    """The first pose after a gap or a seek."""
    held: bool
    confidence: float | None
    received: float
    """When this process read the message (`now`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Emg:
    """Consecutive EMG samples of one armband."""

    device: int
    sample: int
    """Index of the first row."""
    t: float
    """Time of the first row, Unix seconds on the server's clock."""
    rate_hz: float
    samples: Float32Array
    """(n, 8) in the unit that `Hello.device` names; read-only."""
    received: float


@dataclass(frozen=True, slots=True)
class Imu:
    """One inertial sample: quaternion w x y z, acceleration in g, angular rate in deg/s."""

    device: int
    t: float
    quaternion: tuple[float, ...]
    acceleration_g: tuple[float, ...]
    gyro_dps: tuple[float, ...]
    received: float


@dataclass(frozen=True, slots=True)
class Status:
    """How an armband and this client's connection are doing."""

    device: int
    t: float
    state: str
    rate_hz: float
    lost: int
    battery: int | None
    clients: int
    dropped: int
    recording: Mapping[str, Any] | None
    replay: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    received: float
    alignment: Mapping[str, Any] | None = None
    """How the band sits on the arm, and the cue that runs; None from a server that does not say."""
    personal: Mapping[str, Any] | None = None
    """What is learned from labels; None from a server that does not say."""
    signal: Mapping[str, Any] | None = None
    """The quality of each channel; None before a second of signal has come."""
    labels: Mapping[str, Any] | None = None
    """Labels of the hand while they come; None where none came and none are expected."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What the stream carries. It comes first, and again whenever something in it changes."""

    protocol: str
    server: str
    session: str
    """New at each start of the server; the same one after a reconnect: `seq` and `sample` go on."""
    t: float
    device: Mapping[str, Any] | None
    model: Mapping[str, Any] | None
    pose: Mapping[str, Any] | None
    """The format of poses; `filter`: what stands behind the model, or None; `lag_ms`: how late the hand is, or None."""
    devices: tuple[Mapping[str, Any], ...]
    streams: tuple[str, ...]
    encoding: str
    received: float


@dataclass(frozen=True, slots=True)
class Bye:
    """The server is about to close the connection."""

    reason: str
    received: float


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping; `t` is when the server read it."""

    id: object
    t: float
    received: float


@dataclass(frozen=True, slots=True)
class Fault:
    """The server could not use a message of ours."""

    code: str
    message: str
    received: float


Message = Pose | Emg | Imu | Status | Hello | Bye | Pong | Fault


def decode(message: bytes | str, received: float = 0.0) -> Message | None:
    """Decode one message of either encoding, or None for an unknown type.

    Raises:
        DecodeError: the message does not keep to the contract.
    """
    try:
        if isinstance(message, str):
            return _decode_text(json.loads(message), received)
        return _decode_binary(message, received)
    except (KeyError, TypeError, ValueError, IndexError, struct.error) as error:
        raise DecodeError(f"not a message of myocast.v1: {error!r}") from error


def _decode_binary(data: bytes, received: float) -> Message | None:
    if data[:2] == b"\x01\x01":
        return _binary_pose(data, received)
    if data[:2] == b"\x02\x01":
        return _binary_emg(data, received)
    if len(data) < 2:
        raise ValueError("a binary message has at least two bytes")
    return None


def _binary_pose(data: bytes, received: float) -> Pose:
    (_, _, flags, seq, sample, t, age_ms, infer_ms, skipped, device, _, confidence) = _POSE.unpack_from(data)
    if len(data) != (_TRUTH_BYTES if flags & _TRUTH else _POSE_BYTES):
        raise ValueError(f"a pose of {len(data)} bytes with flags {flags}")
    return Pose(
        seq=seq, sample=sample, t=t, age_ms=age_ms, infer_ms=infer_ms, skipped=skipped,
        joints=np.frombuffer(data, _F4, 63, 40).reshape(21, 3),
        truth=np.frombuffer(data, _F4, 63, 296).reshape(21, 3) if flags & _TRUTH else None,
        hand="left" if flags & _LEFT else "right", device=device, gap=bool(flags & _GAP), held=bool(flags & _HELD),
        confidence=confidence if flags & _CONFIDENT else None, received=received,
    )  # fmt: skip


def _binary_emg(data: bytes, received: float) -> Emg:
    _, _, rows, device, sample, t, rate_hz = _EMG.unpack_from(data)
    if len(data) != _EMG.size + 32 * rows:
        raise ValueError(f"{rows} rows of EMG in {len(data)} bytes")
    samples = np.frombuffer(data, _F4, rows * 8, _EMG.size).reshape(rows, 8)
    return Emg(device=device, sample=sample, t=t, rate_hz=rate_hz, samples=samples, received=received)


def _decode_text(m: dict[str, Any], received: float) -> Message | None:
    decoder = _TEXT.get(m["type"])
    return None if decoder is None else decoder(m, received)


def _text_pose(m: dict[str, Any], received: float) -> Pose:
    truth = m.get("truth")
    return Pose(
        seq=m["seq"], sample=m["sample"], t=m["t"], age_ms=m["age_ms"], infer_ms=m["infer_ms"], skipped=m["skipped"],
        joints=_points(m["joints"]), truth=None if truth is None else _points(truth),
        hand="left" if m["hand"] == "left" else "right", device=m["device"],
        gap=m.get("gap", False), held=m.get("held", False), confidence=m.get("confidence"), received=received,
    )  # fmt: skip


def _points(values: list[float]) -> Float32Array:
    points = np.array(values, dtype=np.float32).reshape(21, 3)
    points.flags.writeable = False
    return points


def _text_emg(m: dict[str, Any], received: float) -> Emg:
    samples = np.array(m["samples"], dtype=np.float32).reshape(-1, 8)
    samples.flags.writeable = False
    return Emg(m["device"], m["sample"], m["t"], m["rate_hz"], samples, received)


def _text_imu(m: dict[str, Any], received: float) -> Imu:
    return Imu(
        m["device"], m["t"], tuple(m["quaternion"]), tuple(m["acceleration_g"]), tuple(m["gyro_dps"]), received
    )  # fmt: skip


def _text_status(m: dict[str, Any], received: float) -> Status:
    return Status(
        m["device"], m["t"], m["state"], m["rate_hz"], m["lost"], m["battery"], m["clients"], m["dropped"],
        m["recording"], m["replay"], m["error"], received, m.get("alignment"), m.get("personal"),
        m.get("signal"),
        m.get("labels"),
    )  # fmt: skip


def _text_hello(m: dict[str, Any], received: float) -> Hello:
    return Hello(
        m["protocol"], m["server"], m["session"], m["t"], m["device"], m["model"], m["pose"], tuple(m["devices"]),
        tuple(m["streams"]), m["encoding"], received,
    )  # fmt: skip


_TEXT: Final[Mapping[str, Callable[[dict[str, Any], float], Message]]] = {
    "pose": _text_pose,
    "emg": _text_emg,
    "imu": _text_imu,
    "status": _text_status,
    "hello": _text_hello,
    "bye": lambda m, received: Bye(m["reason"], received),
    "pong": lambda m, received: Pong(m["id"], m["t"], received),
    "error": lambda m, received: Fault(m["code"], m["message"], received),
}
