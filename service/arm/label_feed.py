"""Labels from a tracker to an armband: the hand that wears the band, in frame `hand`; connecting again after a loss."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from drivers.errors import DeviceLost
from drivers.events import Label
from models.arrays import Float32Array
from models.hand import VALUES, to_hand_frame
from service.arm.live_labels import LiveLabels
from service.broadcast.labels import LabelError, check_points
from service.devices.device import Device
from service.labels.source import LabelSource, SeenHand

RETRY_S: Final = 0.5
"""Seconds between two attempts to connect."""


class LabelFeed:
    """One label source of one armband."""

    def __init__(self, source: LabelSource, device: Device, labels: LiveLabels) -> None:
        self._source, self._device, self._labels = source, device, labels
        self.others: Counter[str] = Counter()
        """Hands that were seen and gave no label: `left`, `right` of the arm without a band, `implausible`."""

    async def run(self) -> None:
        """Hand labels on until cancelled, or until the source has no more.

        Raises:
            DriverError: the source cannot be used.
        """
        while True:
            try:
                await self._source.run(self._on_hand)
                return
            except DeviceLost as error:
                self._labels.lost(str(error))
            await asyncio.sleep(RETRY_S)

    def _on_hand(self, seen: SeenHand) -> None:
        worn = self._device.hand
        if seen.hand not in (None, worn):
            self.others[str(seen.hand)] += 1
            return
        joints: Float32Array | None = None
        if seen.joints is not None:
            try:
                check_points(seen.joints)
            except LabelError:
                self.others["implausible"] += 1
                return
            joints = to_hand_frame(seen.joints, worn).reshape(VALUES)
        label = Label(seen.t, joints, seen.angles, self._source.name, seen.confidence, arrival=seen.arrival)
        self._device.on_client_event(label)
