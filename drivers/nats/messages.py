"""The stream's messages as events (docs/protocol.md#binary-messages). No input or output here.

What another program publishes is not trusted: a message that is not as the contract says is `None`.
"""

from __future__ import annotations

import math
import struct
from typing import Any, Final

import numpy as np
import orjson

from drivers.events import EMG_MODES, UNITS, Frame, Imu, ReceivedModel, ReceivedPose, SourceInfo
from models.arrays import Float32Array
from models.hand import CHANNELS, VALUES

_EMG: Final = struct.Struct("<BBHB3xQdfI")
_POSE: Final = struct.Struct("<BBHIQdffI4x")
_CONFIDENCE_AT: Final = _POSE.size + 4 * VALUES
_TRUTH_AT: Final = _CONFIDENCE_AT + 4
_LEFT, _HELD, _GAP, _TRUTH, _CONFIDENT = 1, 2, 4, 8, 16
MOST_ROWS: Final = 10_000
_FASTEST_HZ: Final = 10_000.0
_LATEST_S: Final = 4e9
_LONGEST_TEXT: Final = 200


def decode_emg(data: bytes, arrival: float) -> Frame | None:
    """An EMG message as a frame: samples (n, 8) in the unit of `hello`."""
    if len(data) < _EMG.size:
        return None
    kind, version, rows, _, sample, t, _, _ = _EMG.unpack_from(data)
    if (kind, version) != (2, 1) or not 0 < rows <= MOST_ROWS or len(data) != _EMG.size + 4 * CHANNELS * rows:
        return None
    samples = np.frombuffer(data, "<f4", offset=_EMG.size).reshape(rows, CHANNELS)
    if not _plausible(t) or sample >= 1 << 62:
        return None
    return Frame(sample, t, np.array(samples, np.float32), arrival)


def decode_pose(data: bytes, arrival: float) -> ReceivedPose | None:
    """A binary pose."""
    if len(data) < _TRUTH_AT:
        return None
    kind, version, flags, seq, sample, t, age_ms, infer_ms, skipped = _POSE.unpack_from(data)
    expected = _TRUTH_AT + (4 * VALUES if flags & _TRUTH else 0)
    if (kind, version) != (1, 1) or len(data) != expected or not _plausible(t) or sample >= 1 << 62:
        return None
    joints = _points(data, _POSE.size)
    if not np.isfinite(joints).all() or not (math.isfinite(age_ms) and math.isfinite(infer_ms)):
        return None
    (confidence,) = struct.unpack_from("<f", data, _CONFIDENCE_AT)
    return ReceivedPose(
        seq=seq,
        sample=sample,
        t=t,
        joints=joints,
        hand="left" if flags & _LEFT else "right",
        skipped=skipped,
        gap=bool(flags & _GAP),
        held=bool(flags & _HELD),
        confidence=min(max(confidence, 0.0), 1.0) if flags & _CONFIDENT and math.isfinite(confidence) else None,
        truth=_points(data, _TRUTH_AT) if flags & _TRUTH else None,
        age_ms=age_ms,
        infer_ms=infer_ms,
        arrival=arrival,
    )


def decode_imu(data: bytes) -> Imu | None:
    """An inertial sample, which is text in both encodings."""
    value = _object(data)
    t = value.get("t")
    parts = [_numbers(value.get(name), n) for name, n in (("quaternion", 4), ("acceleration_g", 3), ("gyro_dps", 3))]
    if not isinstance(t, float) or not _plausible(t) or None in parts:
        return None
    quaternion, acceleration, gyro = parts
    return Imu(t, quaternion, acceleration, gyro)  # type: ignore[arg-type]


def decode_hello(data: bytes, uri: str, *, poses: bool = False) -> tuple[SourceInfo, ReceivedModel] | None:
    """What `hello` says of the armband and of the model.

    Args:
        uri: of the source here.
        poses: whether poses are taken from there, and not EMG.
    """
    value = _object(data)
    device = value.get("device")
    if not isinstance(device, dict):
        return None
    rate, unit, mode = device.get("rate_hz"), device.get("unit"), device.get("emg_mode")
    hand, name = device.get("hand"), device.get("name")
    if not isinstance(rate, int | float) or not 0.0 <= rate <= _FASTEST_HZ or device.get("channels") != CHANNELS:
        return None
    if unit not in UNITS or mode not in EMG_MODES or hand not in ("left", "right", None) or not isinstance(name, str):
        return None
    info = SourceInfo(
        uri, name[:_LONGEST_TEXT], float(rate), unit=unit, emg_mode=mode, hand=hand, emits="poses" if poses else "emg"
    )
    model, pose = value.get("model"), value.get("pose")
    return info, ReceivedModel(model if isinstance(model, dict) else None, pose if isinstance(pose, dict) else None)


def _points(data: bytes, offset: int) -> Float32Array:
    return np.array(np.frombuffer(data, "<f4", VALUES, offset), np.float32)


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _numbers(value: object, count: int) -> tuple[float, ...] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in value):
        return None
    return tuple(map(float, value))


def _plausible(t: float) -> bool:
    return math.isfinite(t) and 0.0 <= t < _LATEST_S
