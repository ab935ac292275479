"""Topics of a session file and the JSON Schemas of their messages (docs/protocol.md#mcap)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from drivers.sessions.report import JsonObject

METADATA: Final = "myocast"
LABEL_LAG: Final = "label_lag_ms"
"""Metadata key: ms by which labels with a `source` are later than what they show. Their `t` stays as it came."""
PROFILE: Final = "myocast"

EMG: Final = "/emg"
IMU: Final = "/imu"
LABEL: Final = "/label"
MARKER: Final = "/marker"
POSE: Final = "/pose"
RAW: Final = "/raw"
EVENT: Final = "/event"

CLASS: Final = "class"
"""`kind` of a marker whose label is the class (a whole number) of every sample up to the next of its kind."""

NO_FILTER: Final[Mapping[str, str | float]] = {}
DEVICE: Final = "device"
FILTER: Final = "filter"
"""Metadata keys of a channel of `/pose`: index of the armband, and the name of the filter behind the model or `none`.

Beside them stand the filter's settings and its `lag_ms`, as `hello.pose.filter` has them."""

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_DEVICE: Final = {"type": "integer", "minimum": 0, "default": 0, "description": "index of the armband"}
_TIME: Final = {"type": "number", "description": "seconds, Unix time where the recorder knew it"}
_SAMPLE: Final = {"type": "integer", "minimum": 0, "description": "index of the EMG sample, from 0"}
_JOINTS: Final = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 63,
    "maxItems": 63,
    "description": "21 points in MediaPipe's order, x y z in mm, frame `hand`",
}


def _numbers(count: int, text: str) -> JsonObject:
    items = {"type": ["number", "null"]} if count == 8 else {"type": "number"}
    return {"type": "array", "items": items, "minItems": count, "maxItems": count, "description": text}


def _schema(title: str, required: list[str], **properties: JsonObject) -> JsonObject:
    fields = {"device": _DEVICE, **properties}
    return {"$schema": _DRAFT, "title": title, "type": "object", "properties": fields, "required": required}


SCHEMAS: Final[dict[str, tuple[str, JsonObject]]] = {
    EMG: ("myocast.Emg", _schema(
        "Consecutive EMG samples that arrived together", ["sample", "t", "samples"],
        sample=_SAMPLE | {"description": "index of the first row, from 0; it jumps over lost samples"},
        t=_TIME | {"description": "seconds, time of the first row"},
        samples={"type": "array", "items": _numbers(8, "channels 1 to 8, in the unit of the metadata"), "minItems": 1},
    )),
    IMU: ("myocast.Imu", _schema(
        "One inertial sample", ["t", "quaternion", "acceleration_g", "gyro_dps"],
        t=_TIME,
        quaternion=_numbers(4, "w x y z"),
        acceleration_g=_numbers(3, "x y z in g"),
        gyro_dps=_numbers(3, "x y z in degrees per second"),
    )),
    LABEL: ("myocast.Label", {
        **_schema(
            "The hand's true pose: all points, or the angles of some joints", ["t"],
            t=_TIME,
            joints=_JOINTS,
            angles={
                "type": "object",
                "additionalProperties": {"type": "number"},
                "description": "degrees, by names like index_mcp_fe",
            },
            source={"type": "string", "description": "what saw it: webcam, leap"},
            confidence={"type": "number", "minimum": 0, "maximum": 1},
        ),
        "oneOf": [{"required": ["joints"]}, {"required": ["angles"]}],
    }),
    MARKER: ("myocast.Marker", _schema(
        "A class label or a note", ["t", "label"],
        t=_TIME,
        label={"type": "string"},
        kind={"const": CLASS, "description": "the label holds for every sample from here to the next of its kind"},
    )),
    POSE: ("myocast.Pose", _schema(
        "What a model said live", ["t", "sample", "joints"],
        t=_TIME, sample=_SAMPLE, seq={"type": "integer", "minimum": 0}, joints=_JOINTS,
        confidence={"type": "number", "minimum": 0, "maximum": 1},
    )),
    RAW: ("myocast.Raw", _schema(
        "Bytes as they came", ["t", "port", "data"],
        t=_TIME,
        port={"type": "string", "description": "characteristic or port that they came from"},
        data={"type": "string", "contentEncoding": "base64"},
    )),
    EVENT: ("myocast.Event", _schema(
        "Something that happened to the device", ["t", "kind"],
        t=_TIME,
        kind={"type": "string", "description": "connect, gap, battery, state or what the driver names"},
        detail={"type": "string"},
        percent={"type": "integer", "description": "battery charge"},
        sample=_SAMPLE | {"description": "gap: index of the first sample after it"},
    )),
}  # fmt: skip


def required(topic: str) -> list[str]:
    """The keys that every message of a topic has; [] for a topic that is not ours."""
    return list(SCHEMAS[topic][1]["required"]) if topic in SCHEMAS else []


def pose_metadata(device: int, filtered: Mapping[str, str]) -> dict[str, str]:
    """The metadata of a channel of poses; `filtered` as `hello.pose.filter` has it, empty for none."""
    settings = {key: value for key, value in filtered.items() if key != "name"}
    return {DEVICE: str(device), FILTER: filtered.get("name", "none"), **settings}
