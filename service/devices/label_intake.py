"""Labels and markers on their way from a client's message to an armband's outputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from drivers.clock import Clock, now
from drivers.events import Label, Marker
from models.arrays import Float32Array
from models.hand import VALUES, Side, mirror, to_hand_frame
from service.broadcast.labels import LabelError, LabelMessage, MarkerMessage
from service.devices.device import Device

LABELS_PER_SECOND: Final = 120
"""Labels and markers that an armband takes within one second; those beyond are refused."""


class LabelIntake:
    """Turns labels into frame `hand` and gives them to their armband, so many a second.

    Args:
        devices: returns the armbands.
    """

    def __init__(self, devices: Callable[[], Sequence[Device]], clock: Clock = now) -> None:
        self._devices, self._clock = devices, clock
        self._taken: dict[int, deque[float]] = {}

    def take(self, message: LabelMessage | MarkerMessage) -> None:
        """Give a label or marker to its armband.

        Raises:
            LabelError: there is no such armband, or too many came within a second.
        """
        devices = self._devices()
        if message.device >= len(devices):
            raise LabelError(f"there is no armband {message.device}; expected 0 to {len(devices) - 1}")
        self._count(message.device)
        device = devices[message.device]
        device.on_client_event(self._event(message, device.hand))

    def _event(self, message: LabelMessage | MarkerMessage, worn: Side) -> Label | Marker:
        arrival = self._clock()
        if isinstance(message, MarkerMessage):
            return Marker(arrival if message.t is None else message.t, message.label, arrival)
        joints = None if message.joints is None else _joints_of(message, message.hand or worn, worn)
        return Label(message.t, joints, message.angles, message.source, message.confidence, arrival)

    def _count(self, device: int) -> None:
        time = self._clock()
        taken = self._taken.setdefault(device, deque())
        while taken and time - taken[0] >= 1.0:
            taken.popleft()
        if len(taken) >= LABELS_PER_SECOND:
            raise LabelError(f"more than {LABELS_PER_SECOND} labels within a second; send fewer")
        taken.append(time)


def _joints_of(message: LabelMessage, seen: Side, worn: Side) -> Float32Array:
    """(63,) mm, frame `hand`: the points of the hand that was seen, mirrored where the other one wears the band."""
    points = np.asarray(message.joints)
    joints: Float32Array = to_hand_frame(points, seen).reshape(VALUES)
    return joints if seen == worn else mirror(joints)
