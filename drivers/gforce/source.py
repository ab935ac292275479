"""A gForce armband: `gforce:[ADDRESS|NAME]?bits=8&rate=1000` (the default; 12 bits go up to 500 Hz)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Final

from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError, connection_error
from drivers.events import Battery, Emit, Frame, Notice, Raw, SourceInfo
from drivers.gforce import protocol
from drivers.gforce.protocol import (
    PAYLOAD,
    RATE_HZ,
    RATES_HZ,
    SERVICE_UUIDS,
    Answer,
    Bits,
    Characteristic,
    GForceDecoder,
)
from drivers.sample_clock import SampleClock
from drivers.transport.asyncio_utils import first_done
from drivers.transport.gatt import AttributeRefused, GattDevice, GattTransport, NothingToConnect, Peripheral, shown_name
from drivers.uri import SourceUri, hand_option
from models.hand import CHANNELS, Side

ANSWER_S: Final = 2.0
"""Seconds that the armband may take to answer a command."""
SETTLE_S: Final = 10.0
"""Seconds for all commands after a connect."""
LEAVE_S: Final = 0.4
"""Seconds for stopping the stream: a radio that hangs must not hold up the end of the program."""
BATTERY_S: Final = 60.0
"""Seconds between two looks at the battery."""
NAME: Final = "gForce"

GFORCE: Final = GattDevice(
    scheme="gforce",
    name="gForce armband",
    services=SERVICE_UUIDS,
    characteristics=tuple(Characteristic),
    wake="switch it on, bring it near, and quit the gForce app",
)


def from_uri(uri: SourceUri) -> GForceSource:
    """Make the source of a `gforce:` URI.

    Raises:
        DriverError: an option is unknown or has no such value.
        ModuleNotFoundError: bleak is not installed.
    """
    from drivers.transport.bleak_transport import BleakTransport

    uri.allow(("bits", "rate", "hand", "adapter"))
    rate = uri.given_choice("rate", RATES_HZ)
    bits: Bits = 12 if uri.choice("bits", "12" if rate == "500" else "8", ("8", "12")) == "12" else 8
    rate_hz = float(rate) if rate else RATE_HZ[bits]
    if rate_hz > RATE_HZ[bits]:
        raise uri.problem("rate", f"{bits} bits go up to {RATE_HZ[bits]:g} Hz; leave `bits` or `rate` out")
    transport = BleakTransport(GFORCE, uri.target or None, adapter=uri.options.get("adapter"))
    return GForceSource(uri.text, bits, rate_hz, hand_option(uri), transport)


class GForceSource:
    """A gForce over Bluetooth LE: eight channels in counts around zero.

    Args:
        uri: as the user gave it.
        bits: of a sample.
        rate_hz: samples per second.
        hand: the arm that wears it, if known.
        transport: the link to it.
        clock: Unix seconds.
    """

    def __init__(
        self,
        uri: str,
        bits: Bits,
        rate_hz: float,
        hand: Side | None,
        transport: GattTransport[Characteristic],
        *,
        clock: Clock = now,
    ) -> None:
        self.info = SourceInfo(uri, NAME, rate_hz, hand=hand)
        self._bits = bits
        self._transport = transport
        self._clock = clock
        self._decoder = GForceDecoder(bits)
        self._samples = SampleClock(rate_hz, loss_unit=PAYLOAD // (CHANNELS * (1 if bits == 8 else 2)))
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._connected_before = False

    @property
    def lost(self) -> int:
        """Samples lost so far, as estimated."""
        return self._samples.lost

    async def run(self, emit: Emit) -> None:
        """Find the armband, connect and stream until the link is lost.

        Raises:
            DriverError: no radio, no armband, or one that cannot be used.
            DeviceLost: the link went away, or is not back yet.
        """
        peripheral: Peripheral[Characteristic] | None = None
        try:
            peripheral = await self._transport.find(lambda: emit(self.info))
            async with asyncio.timeout(SETTLE_S):
                link_lost = await self._set_up(peripheral, emit)
            battery = asyncio.ensure_future(self._watch_battery(emit))
            await first_done(link_lost, battery)
            for each in (battery, link_lost):
                if not each.cancelled():
                    each.result()
        except NothingToConnect as error:
            raise self._problem(str(error)) from None
        except TimeoutError:
            address = peripheral.address if peripheral else "the armband"
            raise DeviceLost(f"{address}: no answer in time; bring it nearer, or switch it off and on") from None
        except AttributeRefused as refusal:
            raise self._problem(f"this is no {GFORCE.name} that streams EMG: {refusal}; see `myocast scan`") from None
        finally:
            await self._leave()

    async def reachable(self) -> None:
        """Wait until the armband can be connected to."""
        await self._transport.reachable()

    async def _set_up(self, peripheral: Peripheral[Characteristic], emit: Emit) -> asyncio.Future[None]:
        """Start the stream after a connect; the future fails when the link is lost."""
        for each in Characteristic:
            if each not in peripheral.characteristics:
                raise DriverError(f"{peripheral.address} has no characteristic {each.uuid}; it is no {GFORCE.name}")
        self._decoder.restart()
        self._samples.restart(self._clock())
        self.info = replace(self.info, name=shown_name(peripheral.name) or NAME, address=peripheral.address)
        emit(self.info)
        emit(Notice(self._clock(), "connect", self.info.name))

        def on_value(characteristic: Characteristic, value: bytes, arrival: float) -> None:
            self._take(characteristic, value, arrival, emit)

        link_lost = await self._transport.subscribe(tuple(Characteristic), on_value)
        firmware = await self._request(bytes((protocol.GET_FIRMWARE,)))
        if firmware is not None and firmware.code == 0:
            emit(Notice(self._clock(), "firmware", shown_name(firmware.payload.decode("utf-8", "replace"))))
        await self._ask_battery(emit)
        await self._command(
            protocol.set_emg(self._bits, self.info.rate_hz), f"EMG of {self._bits} bits at {self.info.rate_hz:g} Hz"
        )
        await self._command(protocol.set_streams(emg=True), "the start of the stream")
        self._connected_before = True
        return link_lost

    def _take(self, characteristic: Characteristic, value: bytes, arrival: float, emit: Emit) -> None:
        emit(Raw(arrival, characteristic.uuid[4:8], value))
        if characteristic is Characteristic.COMMAND:
            answer = self._decoder.answer(value)
            waiting = self._answers.get(answer.command) if answer else None
            if answer is not None and waiting is not None and not waiting.done():
                waiting.set_result(answer)
            return
        samples = self._decoder.emg(value)
        if samples is not None:
            stamp = self._samples.stamp(len(samples), arrival)
            emit(Frame(stamp.sample, stamp.t, samples, arrival, stamp.gap))

    async def _watch_battery(self, emit: Emit) -> None:
        while True:
            await asyncio.sleep(BATTERY_S)
            await self._ask_battery(emit)

    async def _ask_battery(self, emit: Emit) -> None:
        answer = await self._request(bytes((protocol.GET_BATTERY,)))
        if answer is not None and answer.code == 0 and len(answer.payload) == 1:
            emit(Battery(self._clock(), min(answer.payload[0], 100)))

    async def _command(self, command: bytes, what: str) -> None:
        """Give a command that must succeed."""
        answer = await self._request(command)
        if answer is None:
            raise TimeoutError
        if answer.code:
            reason = protocol.RESULTS.get(answer.code, f"code {answer.code}")
            advice = "try ?bits=8" if self._bits == 12 else "update its firmware"
            raise self._problem(f"{self.info.address} refuses {what}: {reason}; {advice}")

    async def _request(self, command: bytes) -> Answer | None:
        """Write a command and wait for its answer; None if there is none in time."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[command[0]] = answer
        await self._transport.write(Characteristic.COMMAND, command)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                return await answer
        return None

    async def _leave(self) -> None:
        """Stop the stream, close the link; failures no longer matter."""
        with suppress(DriverError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._transport.write(Characteristic.COMMAND, protocol.set_streams(emg=False))
        await self._transport.close()
        self._answers.clear()

    def _problem(self, text: str) -> DriverError:
        return connection_error(text, connected_before=self._connected_before)
