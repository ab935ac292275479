"""The interface by which outputs receive the events of every armband."""

from __future__ import annotations

from typing import Protocol

from drivers.events import Event
from service.engine.pose import Pose

DeviceEvent = Event | Pose
"""What a device publishes: the events of its source, and the poses made of them."""


class Output(Protocol):
    """Receives the events of every device: the hub, the recorder, Leap, UDP, LSL.

    `on_event` is called on the event loop's thread for every frame, so it must return at once. Events of one device
    come in the order in which they happened; a pose comes after the frame that holds its newest sample.
    """

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Take one event of the device with this index."""
        ...
