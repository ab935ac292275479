"""A Myo's link through its own USB dongle, a Bluegiga BLED112."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError
from drivers.myo.bgapi import USB_ID, ScanResponse
from drivers.myo.bled112_link import BAUD, Bled112Link, is_myo, name_of
from drivers.myo.gatt import MYO
from drivers.myo.protocol import Characteristic
from drivers.transport.gatt import SCAN_S, NothingToConnect, OnValue, Peripheral, not_found
from drivers.transport.serial_port import Ports, SerialPort, list_ports, port_returns, usable

_NOTIFY = b"\x01\x00"
_INDICATE = b"\x02\x00"
_HANDLES = frozenset(Characteristic)


def dongle_ports(ports: Ports) -> list[str]:
    """Paths of the ports that are BLED112 dongles."""
    return [port.path for port in ports() if port.usb_id == USB_ID]


class Bled112Transport:
    """A `GattTransport` over a BLED112, which addresses characteristics by their handles.

    Args:
        path: the dongle's port, or None for the first dongle that is free.
        address: of the armband, or None for the first one that advertises.
        ports: what serial ports there are.
        clock: Unix seconds.
        scan_s: seconds for which the armband is listened for.
    """

    def __init__(
        self,
        path: str | None = None,
        address: str | None = None,
        *,
        ports: Ports = list_ports,
        clock: Clock = now,
        scan_s: float = SCAN_S,
    ) -> None:
        self._path = path
        self._address = address.upper() if address else None
        self._ports = ports
        self._clock = clock
        self._scan_s = scan_s
        self._link: Bled112Link | None = None
        self._on_value: OnValue[Characteristic] | None = None
        self._known_to_be_myo = False

    async def find(self, on_radio: Callable[[], None]) -> Peripheral[Characteristic]:
        """Scan for the armband and connect to it; see `GattTransport`."""
        link = self._link = await self._open()
        await link.greet()
        on_radio()
        found = await self._scan(link)
        await link.connect(found.address, found.address_type)
        # From now on only this armband will do.
        self._address = found.address
        self._known_to_be_myo = True
        return Peripheral(name_of(found), found.address, frozenset(Characteristic))

    async def read(self, characteristic: Characteristic) -> bytes:
        """Read a value."""
        return await self._connected().read(characteristic)

    async def write(self, characteristic: Characteristic, value: bytes) -> None:
        """Write a value and wait until the armband has confirmed it."""
        await self._connected().write(characteristic, value)

    async def subscribe(
        self, characteristics: Sequence[Characteristic], on_value: OnValue[Characteristic]
    ) -> asyncio.Future[None]:
        """Pass new values to `on_value`; the future fails with DeviceLost when the link is lost."""
        link = self._connected()
        self._on_value = on_value
        for characteristic in characteristics:
            await link.write(characteristic.configuration, _INDICATE if characteristic.indicates else _NOTIFY)
        return link.reader()

    async def close(self) -> None:
        """Close the link, if there is one."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()
        self._on_value = None

    async def reachable(self) -> None:
        """Wait until the dongle is plugged in again or, where it never was unplugged, until the armband advertises."""
        await port_returns(
            lambda: [path for path in self._paths() if usable(path)], BAUD, self._clock, self._advertises
        )

    async def _advertises(self, port: SerialPort) -> None:
        link = Bled112Link(port, self._take)
        try:
            await link.greet()
            await link.scan(lambda response: self._matches(response) or None, None)
        finally:
            await link.close()

    def _connected(self) -> Bled112Link:
        if self._link is None:
            raise DeviceLost("the armband is not connected")
        return self._link

    def _take(self, handle: int, value: bytes, arrival: float) -> None:
        # Only characteristics that were subscribed to send values.
        if self._on_value is not None and handle in _HANDLES:
            self._on_value(Characteristic(handle), value, arrival)

    def _paths(self) -> list[str]:
        return [self._path] if self._path else dongle_ports(self._ports)

    def _matches(self, response: ScanResponse) -> bool:
        return response.address == self._address or (self._address is None and is_myo(response))

    async def _open(self) -> Bled112Link:
        problem: DriverError | None = None
        for path in self._paths():
            try:
                return await Bled112Link.open(path, clock=self._clock, on_value=self._take)
            except DriverError as error:
                problem = problem or error
        raise NothingToConnect(
            str(problem or "no Bluetooth dongle (BLED112) is plugged in; plug it in, or name its port: dongle:PORT")
        )

    async def _scan(self, link: Bled112Link) -> ScanResponse:
        others: set[str] = set()

        def match(response: ScanResponse) -> ScanResponse | None:
            if self._matches(response):
                return response
            if is_myo(response):
                others.add(f"{name_of(response)} {response.address}".strip())
            return None

        found = await link.scan(match, self._scan_s)
        if found is None:
            raise NothingToConnect(not_found(MYO, self._address, sorted(others)))
        if not is_myo(found) and not self._known_to_be_myo:
            raise DriverError(
                f"{found.address} ({name_of(found) or 'no name'}) is not a Myo armband; see `myocast scan`"
            )
        return found
