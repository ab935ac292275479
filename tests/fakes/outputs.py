"""An output that remembers what it was given."""

from __future__ import annotations

from service.engine.pose import Pose
from service.events import DeviceEvent


class CollectingOutput:
    """Keeps every event, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[int, DeviceEvent]] = []

    @property
    def poses(self) -> list[Pose]:
        return [event for _, event in self.events if isinstance(event, Pose)]

    def on_event(self, device: int, event: DeviceEvent) -> None:
        self.events.append((device, event))
