"""A Bluetooth LE link to an armband, over any radio.

The source of a device knows what is written to and read from it; a `GattTransport` only transfers values of
characteristics. The computer's own Bluetooth is `bleak_transport`; a Myo has another one, its USB dongle
(`drivers.myo.bled112_transport`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from drivers.errors import DeviceLost, DriverError

SCAN_S: Final = 10.0
"""Seconds that `find` scans for the armband."""


class Attribute(Protocol):
    """A characteristic of a kind of device: a member of its enumeration."""

    @property
    def uuid(self) -> str:
        """Its 128-bit UUID, in lower case."""
        ...


C = TypeVar("C", bound=Attribute)

OnValue = Callable[[C, bytes, float], None]
"""Called with a characteristic, its new value, and when the value arrived (Unix seconds)."""


@dataclass(frozen=True, slots=True)
class GattDevice(Generic[C]):
    """A kind of device: how it is recognised, and what is said of it to a person."""

    scheme: str
    """Of its source URI."""
    name: str
    """`Myo armband`."""
    services: tuple[str, ...]
    """UUIDs of which it advertises one, and offers one once it is connected."""
    characteristics: tuple[C, ...]
    wake: str
    """What to do where none is found."""


class NothingToConnect(DriverError):
    """No radio, dongle or armband was found. After an earlier connection a source reports it as a loss."""


class AttributeRefused(DeviceLost):
    """The armband refused to read or write an attribute."""


@dataclass(frozen=True, slots=True)
class Peripheral(Generic[C]):
    """The device at the other end of a link."""

    name: str
    """As it advertises; "" if it does not."""
    address: str
    characteristics: frozenset[C]
    """Those that it has or may have: a dongle finds out only when one is read or written."""


class GattTransport(Protocol[C]):
    """One armband's link, made anew by every `find`.

    All methods raise `DeviceLost` when the link is lost or does not answer in time.
    """

    async def find(self, on_radio: Callable[[], None]) -> Peripheral[C]:
        """Find the armband and connect to it.

        `on_radio` is called as soon as the radio or the dongle is known to work, maybe more than once.

        Raises:
            NothingToConnect: no radio, no dongle, or no such armband within `SCAN_S`.
            DriverError: the device found is of another kind.
        """
        ...

    async def read(self, characteristic: C) -> bytes:
        """Read a value. Raises AttributeRefused if the armband does not allow it."""
        ...

    async def write(self, characteristic: C, value: bytes) -> None:
        """Write a value and wait until the armband has confirmed it. Raises AttributeRefused as `read` does."""
        ...

    async def subscribe(self, characteristics: Sequence[C], on_value: OnValue[C]) -> asyncio.Future[None]:
        """Pass new values of these characteristics to `on_value`, on the thread of the event loop.

        Returns:
            A future that fails with DeviceLost when the link is lost, and with the DriverError that `on_value` raises;
            `close` ends it.

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


def shown_name(text: str) -> str:
    """A device's name without the zeros that pad it and without control characters."""
    return "".join(character for character in text if character.isprintable()).strip()


def not_found(device: GattDevice[C], wanted: str | None, others: Sequence[str]) -> str:
    """Say in one line which armband was not found, which others were, and what to do."""
    if wanted is None and not others:
        return f"no {device.name} was found; {device.wake}"
    if wanted is None:
        return (
            f"no free {device.name} was found, only {', '.join(others)}; close what uses it, "
            f"or name it: {device.scheme}:ADDRESS"
        )
    seen = f"found {', '.join(others)} instead" if others else "found no other either"
    return f"the armband {wanted} was not found ({seen}); {device.wake}"
