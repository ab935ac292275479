"""A Myo through its own dongle: `dongle:[PORT]?mode=raw&address=AA:BB:CC:DD:EE:FF`."""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Literal

from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError
from drivers.events import Emit, SourceInfo
from drivers.myo import protocol
from drivers.myo.bgapi import USB_ID, AttributeValue, ScanResponse, pack_address
from drivers.myo.bled112_transport import BAUD, AttributeProblem, DongleLink, is_myo, name_of
from drivers.myo.protocol import Characteristic
from drivers.myo.stream import OPTIONS, MyoOptions, MyoStream, check_firmware, emit_all, not_found, read_name
from drivers.transport.serial_port import Ports, SerialPort, list_ports, port_returns, usable
from drivers.uri import SourceUri

SCAN_S: Final = 10.0


def from_uri(uri: SourceUri) -> DongleSource:
    """Raises DriverError if an option is unknown or has no such value."""
    uri.allow((*OPTIONS, "address"))
    address = uri.options.get("address")
    if address is not None:
        try:
            pack_address(address)
        except ValueError:
            raise DriverError(f"`address={address}` in {uri.text!r}: expected six bytes, AA:BB:CC:DD:EE:FF") from None
    return DongleSource(uri.text, uri.target or None, address, MyoOptions.from_uri(uri))


def dongle_ports(ports: Ports) -> list[str]:
    """Paths of the ports that are BLED112 dongles."""
    return [port.path for port in ports() if port.usb_id == USB_ID]


class DongleSource:
    """An armband behind a BLED112.

    Args:
        uri: as the user gave it.
        path: the dongle's port, or None for the first dongle that is free.
        address: of the armband, or None for the first one that is heard.
        options: how it is asked to stream.
        ports: what serial ports there are.
        clock: Unix seconds.
        scan_s: how long to listen for an armband.
    """

    def __init__(
        self,
        uri: str,
        path: str | None,
        address: str | None,
        options: MyoOptions,
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
        self._stream = MyoStream(uri, options)
        self._link: DongleLink | None = None

    @property
    def info(self) -> SourceInfo:
        return self._stream.info

    @property
    def lost(self) -> int:
        """Samples lost so far, as estimated."""
        return self._stream.lost

    async def run(self, emit: Emit) -> None:
        """Connect and stream.

        Raises:
            DriverError: no dongle, no armband, or one that cannot be used.
            DeviceLost: the link or the dongle went away, or is not back yet.
        """
        port = await self._open()
        link = DongleLink(port, lambda value, arrival: self._hear(value, arrival, emit))
        try:
            await self._connect(link)
            await self._begin(link, emit)
            await link.listen()
        finally:
            self._link = None
            await _leave(link)
            await port.close()

    async def reachable(self) -> None:
        """Until the dongle is plugged in again or, where it never was unplugged, until the armband advertises."""
        await port_returns(lambda: [path for path in self._paths() if usable(path)], BAUD, self._clock, self._hear_of)

    async def _hear_of(self, port: SerialPort) -> None:
        link = DongleLink(port, lambda *_: None)
        await link.greet()
        await link.scan(lambda response: self._wanted(response) or None, None)

    async def vibrate(self, kind: Literal["short", "medium", "long"]) -> None:
        """Raises DeviceLost while no armband is connected."""
        self._command(protocol.vibrate(kind))

    async def light(self, logo: tuple[int, int, int], bar: tuple[int, int, int]) -> None:
        """Set the colours (red, green, blue) of the logo and the bar. Raises as `vibrate`, and ValueError."""
        self._command(protocol.led(logo, bar))

    def _command(self, command: bytes) -> None:
        if self._link is None:
            raise DeviceLost("the armband is not connected; try again when it is")
        self._link.post(Characteristic.COMMAND, command)

    def _hear(self, value: AttributeValue, arrival: float, emit: Emit) -> None:
        emit_all(self._stream.feed(value.handle, value.data, arrival), emit)

    def _paths(self) -> list[str]:
        return [self._path] if self._path else dongle_ports(self._ports)

    def _wanted(self, response: ScanResponse) -> bool:
        return response.address == self._address or (self._address is None and is_myo(response))

    async def _open(self) -> SerialPort:
        problem: DriverError | None = None
        for path in self._paths():
            try:
                return await SerialPort.open(path, BAUD, self._clock)
            except DriverError as error:
                problem = problem or error
        raise self._stream.problem(
            str(problem or "no Bluetooth dongle (BLED112) is plugged in; plug it in, or name its port: dongle:PORT")
        )

    async def _connect(self, link: DongleLink) -> None:
        """Find the armband and connect to it; from then on only this one will do."""
        try:
            await link.greet()
        except DeviceLost:
            raise
        except DriverError as error:
            raise self._stream.problem(str(error)) from None
        found = await self._find(link)
        await link.connect(found.address, found.address_type)
        self._address = found.address

    async def _find(self, link: DongleLink) -> ScanResponse:
        others: set[str] = set()

        def match(response: ScanResponse) -> ScanResponse | None:
            if self._wanted(response):
                return response
            if is_myo(response):
                others.add(f"{name_of(response)} {response.address}".strip())
            return None

        found = await link.scan(match, self._scan_s)
        if found is None:
            raise self._stream.problem(not_found(self._address, sorted(others)))
        if not is_myo(found) and not self._stream.connected_before:
            raise DriverError(
                f"{found.address} ({name_of(found) or 'no name'}) is not a Myo armband; see `myocast scan`"
            )
        return found

    async def _begin(self, link: DongleLink, emit: Emit) -> None:
        """Everything the armband must be told anew after each connect, in this order."""
        try:
            firmware = await link.read(Characteristic.FIRMWARE)
            check_firmware(firmware)
            name = read_name(await link.read(Characteristic.NAME))
            battery = await link.read(Characteristic.BATTERY)
            await link.write(Characteristic.COMMAND, protocol.NEVER_SLEEP)
            for characteristic in (*self._stream.options.emg, *self._stream.options.wanted):
                await link.write(characteristic.configuration, b"\x02\x00" if characteristic.indicates else b"\x01\x00")
            self._say_connected(name, firmware, battery, emit)
            await link.write(Characteristic.COMMAND, self._stream.options.start)
        except AttributeProblem as problem:
            raise self._stream.problem(
                f"{self._address} is not a Myo armband that streams {self._stream.options.mode} EMG: "
                f"{problem}; see `myocast scan`, or try ?mode=raw"
            ) from None
        self._link = link

    def _say_connected(self, name: str, firmware: bytes, battery: bytes, emit: Emit) -> None:
        arrival = self._clock()
        emit_all(self._stream.connected(name, self._address or "", arrival), emit)
        emit_all(self._stream.feed(Characteristic.FIRMWARE, firmware, arrival), emit)
        emit_all(self._stream.feed(Characteristic.BATTERY, battery, arrival), emit)


async def _leave(link: DongleLink) -> None:
    """Stop the stream and let the armband sleep again."""
    if link.connection is not None:
        with suppress(DeviceLost):
            link.post(Characteristic.COMMAND, protocol.STREAM_OFF)
            link.post(Characteristic.COMMAND, protocol.NORMAL_SLEEP)
        await link.hang_up()
