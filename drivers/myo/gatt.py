"""A Myo among the devices of Bluetooth LE."""

from __future__ import annotations

from typing import Final

from drivers.myo.protocol import SERVICE_UUID, Characteristic
from drivers.transport.gatt import GattDevice

MYO: Final = GattDevice(
    scheme="myo",
    name="Myo armband",
    services=(SERVICE_UUID,),
    characteristics=tuple(Characteristic),
    wake="wake it (wear it, or plug in its USB cable for a moment), bring it near, and quit Myo Connect",
)
