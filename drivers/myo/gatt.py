"""A Bluetooth LE link to a Myo, over any radio.

`drivers.myo.source` knows what is written to and read from a Myo; a `GattTransport` only transfers values of
characteristics. There are two: the computer's own Bluetooth (`bleak_transport`) and the Myo's USB dongle
(`bled112_transport`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from drivers.errors import DeviceLost, DriverError
from drivers.myo.protocol import Characteristic

SCAN_S: Final = 10.0
"""Seconds that `find` scans for the armband."""

OnValue = Callable[[int, bytes, float], None]
"""Called with the handle of a characteristic, its new value, and when the value arrived (Unix seconds)."""


class NothingToConnect(DriverError):
    """No radio, dongle or armband was found. After an earlier connection `MyoSource` reports it as a loss."""


class AttributeRefused(DeviceLost):
    """The armband refused to read or write an attribute."""


@dataclass(frozen=True, slots=True)
class Peripheral:
    """The device at the other end of a link."""

    name: str
    """As it advertises; "" if it does not."""
    address: str
    characteristics: frozenset[Characteristic]
    """Those that it has or may have: a dongle finds out only when one is read or written."""


class GattTransport(Protocol):
    """One armband's link, made anew by every `find`.

    All methods raise `DeviceLost` when the link is lost or does not answer in time.
    """

    async def find(self, on_radio: Callable[[], None]) -> Peripheral:
        """Find the armband and connect to it.

        `on_radio` is called as soon as the radio or the dongle is known to work, maybe more than once.

        Raises:
            NothingToConnect: no radio, no dongle, or no such armband within `SCAN_S`.
            DriverError: the device found is not a Myo.
        """
        ...

    async def read(self, characteristic: Characteristic) -> bytes:
        """Read a value. Raises AttributeRefused if the armband does not allow it."""
        ...

    async def write(self, characteristic: Characteristic, value: bytes) -> None:
        """Write a value and wait until the armband has confirmed it. Raises AttributeRefused as `read` does."""
        ...

    async def subscribe(self, characteristics: Sequence[Characteristic], on_value: OnValue) -> asyncio.Future[None]:
        """Pass new values of these characteristics to `on_value`, on the thread of the event loop.

        Returns:
            A future that fails with DeviceLost when the link is lost; `close` ends it.

        Raises:
            AttributeRefused: the armband lacks one of them.
        """
        ...

    async def close(self) -> None:
        """Close the link within a second. Raises nothing; without a link it does nothing."""
        ...

    async def reachable(self) -> None:
        """Wait, between two links, until the armband or its dongle is reachable; see `SupportsPresence`."""
        ...


def not_found(wanted: str | None, others: Sequence[str]) -> str:
    """Say in one line which armband was not found, which others were, and what to do."""
    advice = "wake it (wear it, or plug in its USB cable for a moment), bring it near, and quit Myo Connect"
    if wanted is None and not others:
        return f"no Myo armband was found; {advice}"
    if wanted is None:
        return f"no free Myo armband was found, only {', '.join(others)}; close what uses it, or name it: myo:ADDRESS"
    seen = f"found {', '.join(others)} instead" if others else "found no other either"
    return f"the armband {wanted} was not found ({seen}); {advice}"
