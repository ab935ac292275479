"""The hand as Foxglove's 3-D panel shows it: `foxglove.SceneUpdate` beside `/pose` and `/label`, in metres.

Schemas and encoding are those of the package foxglove-sdk (https://docs.foxglove.dev/docs/sdk/schemas/scene-update).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

import orjson
from mcap.writer import Writer

from drivers.sessions.libraries import library
from drivers.sessions.mcap import topics
from models.hand import PARENTS, POINTS, VALUES

SCENES: Final = {topics.POSE: "/hand/scene", topics.LABEL: "/hand/truth"}
"""Topic of the scene for each topic that has joints."""
FRAME: Final = "hand"
_COLORS: Final = {topics.POSE: (0.2, 0.6, 1.0, 1.0), topics.LABEL: (0.6, 0.6, 0.6, 0.7)}
_METRES: Final = 0.001
_JOINT_M: Final = 0.008
_BONE_M: Final = 0.004
_BEYOND_MM: Final = 1e6


class SceneWriter:
    """Writes a scene for every message with joints.

    Args:
        writer: of the file that is being written.
        path: of that file, for messages.

    Raises:
        SessionError: foxglove-sdk is not installed.
    """

    def __init__(self, writer: Writer, path: Path) -> None:
        self._messages: ModuleType = library("foxglove.messages", f"{path}: a scene for Foxglove")
        self._writer = writer
        self._channels: dict[str, int] = {}
        self._schema: int | None = None
        self.written = 0

    def write(self, topic: str, data: bytes, log_time: int, publish_time: int) -> None:
        """Write the scene of a message of ours; one without joints has none."""
        if topic not in SCENES:
            return
        try:
            message = orjson.loads(data)
            joints = [float(value) for value in message["joints"]]
            device = int(message.get("device", 0))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return
        if len(joints) != VALUES or not all(abs(value) < _BEYOND_MM for value in joints):
            return
        scene = self._scene(topic, joints, f"{SCENES[topic]}/{device}", publish_time)
        self._writer.add_message(self._channel(topic), log_time, scene, publish_time)
        self.written += 1

    def _channel(self, topic: str) -> int:
        if topic not in self._channels:
            if self._schema is None:
                schema = self._messages.SceneUpdate.get_schema()
                self._schema = self._writer.register_schema(schema.name, schema.encoding, schema.data)
            self._channels[topic] = self._writer.register_channel(SCENES[topic], "protobuf", self._schema)
        return self._channels[topic]

    def _scene(self, topic: str, joints: Sequence[float], name: str, time_ns: int) -> bytes:
        kinds = self._messages
        r, g, b, a = _COLORS[topic]
        color = kinds.Color(r=r, g=g, b=b, a=a)
        turn = kinds.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0)
        points = [
            kinds.Point3(x=joints[3 * k] * _METRES, y=joints[3 * k + 1] * _METRES, z=joints[3 * k + 2] * _METRES)
            for k in range(POINTS)
        ]
        places = [
            kinds.Vector3(x=joints[3 * k] * _METRES, y=joints[3 * k + 1] * _METRES, z=joints[3 * k + 2] * _METRES)
            for k in range(POINTS)
        ]
        size = kinds.Vector3(x=_JOINT_M, y=_JOINT_M, z=_JOINT_M)
        spheres = [
            kinds.SpherePrimitive(pose=kinds.Pose(position=place, orientation=turn), size=size, color=color)
            for place in places
        ]
        bones = [points[end] for k, parent in enumerate(PARENTS) if parent >= 0 for end in (parent, k)]
        lines = [
            kinds.LinePrimitive(
                type=kinds.LinePrimitiveLineType.LineList,
                pose=kinds.Pose(position=kinds.Vector3(x=0.0, y=0.0, z=0.0), orientation=turn),
                thickness=_BONE_M,
                points=bones,
                color=color,
            )
        ]
        entity = kinds.SceneEntity(
            timestamp=kinds.Timestamp(sec=time_ns // 1_000_000_000 % (1 << 32), nsec=time_ns % 1_000_000_000),
            frame_id=FRAME,
            id=name,
            spheres=spheres,
            lines=lines,
        )
        return bytes(kinds.SceneUpdate(entities=[entity]).encode())
