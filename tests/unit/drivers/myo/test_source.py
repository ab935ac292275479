"""A Myo over a transport that lists its calls: their order, and the errors that failures become."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence

import pytest

from drivers.errors import DeviceLost, DriverError
from drivers.events import Battery, Event, Frame, Notice, SourceInfo
from drivers.myo import protocol
from drivers.myo.protocol import Characteristic
from drivers.myo.source import MyoSource
from drivers.myo.stream import MyoConfig
from drivers.transport.gatt import AttributeRefused, NothingToConnect, OnValue, Peripheral

ADDRESS = "C6:05:04:03:02:01"
EVERY = frozenset(Characteristic)
VALUES = {
    Characteristic.FIRMWARE: struct.pack("<4H", 1, 5, 1970, 2),
    Characteristic.NAME: b"PiMyo",
    Characteristic.BATTERY: b"\x2a",
}


class ListedTransport:
    """A link to an armband that has these characteristics and these values."""

    def __init__(self, characteristics: frozenset[Characteristic] = EVERY) -> None:
        self.calls: list[object] = []
        self.failures: dict[str, Exception] = {}
        self.link_lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_value: OnValue[Characteristic] = lambda *_: None
        self.subscribed = asyncio.Event()
        self._characteristics = characteristics

    async def find(self, on_radio: Callable[[], None]) -> Peripheral[Characteristic]:
        self._call("find")
        on_radio()
        return Peripheral("advertised", ADDRESS, self._characteristics)

    async def read(self, characteristic: Characteristic) -> bytes:
        self._call(f"read {characteristic.name}")
        return VALUES[characteristic]

    async def write(self, characteristic: Characteristic, value: bytes) -> None:
        self._call(f"write {characteristic.name} {value.hex()}")
        if value == MyoConfig().start:
            self.subscribed.set()

    async def subscribe(
        self, characteristics: Sequence[Characteristic], on_value: OnValue[Characteristic]
    ) -> asyncio.Future[None]:
        self._call(f"subscribe {' '.join(one.name for one in characteristics)}")
        self.on_value = on_value
        return self.link_lost

    async def close(self) -> None:
        self._call("close")

    async def reachable(self) -> None:
        self._call("reachable")

    def _call(self, call: str) -> None:
        self.calls.append(call)
        if failure := self.failures.get(call.partition(" ")[0]):
            raise failure


def hexed(command: bytes) -> str:
    return f"write COMMAND {command.hex()}"


LEAVE = [hexed(protocol.STREAM_OFF), hexed(protocol.NORMAL_SLEEP), "close"]


async def test_a_link_is_set_up_in_order_and_left_in_order() -> None:
    transport, events = ListedTransport(), list[Event]()
    source = MyoSource("myo:", MyoConfig(), transport)
    run = asyncio.ensure_future(source.run(events.append))
    await transport.subscribed.wait()
    transport.on_value(Characteristic.EMG0, bytes(16), 1.0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert transport.calls == [
        "find",
        "read FIRMWARE",
        "read NAME",
        "read BATTERY",
        hexed(protocol.NEVER_SLEEP),
        "subscribe EMG0 EMG1 EMG2 EMG3 BATTERY IMU",
        hexed(protocol.set_mode("raw")),
        *LEAVE,
    ]
    kinds = [type(event) for event in events if isinstance(event, SourceInfo | Notice | Battery | Frame)]
    assert kinds == [SourceInfo, SourceInfo, Notice, Notice, Battery, Frame]
    assert (source.info.name, source.info.address) == ("PiMyo", ADDRESS)


async def test_what_the_armband_lacks_is_not_read_and_not_subscribed_to() -> None:
    transport = ListedTransport(frozenset({Characteristic.COMMAND, *protocol.EMG}))
    source = MyoSource("myo:", MyoConfig(), transport)
    run = asyncio.ensure_future(source.run(lambda _: None))
    await transport.subscribed.wait()
    assert "subscribe EMG0 EMG1 EMG2 EMG3" in transport.calls
    assert not any(str(call).startswith("read") for call in transport.calls)
    assert source.info.name == "advertised"
    transport.link_lost.set_exception(DeviceLost("the link is lost"))
    with pytest.raises(DeviceLost, match="the link is lost"):
        await run
    assert transport.calls[-3:] == LEAVE


async def test_an_armband_without_what_the_mode_needs_is_refused() -> None:
    transport = ListedTransport(EVERY - {Characteristic.ENVELOPE})
    with pytest.raises(DriverError, match="which mode envelope needs") as caught:
        await MyoSource("myo:", MyoConfig("envelope"), transport).run(lambda _: None)
    assert not isinstance(caught.value, DeviceLost)
    assert transport.calls == ["find", *LEAVE]


@pytest.mark.parametrize(
    ("call", "failure", "message"),
    [
        ("find", NothingToConnect("no radio"), "no radio"),
        ("read", AttributeRefused("not permitted"), f"{ADDRESS} is not a Myo armband that streams raw EMG: not perm"),
        ("subscribe", AttributeRefused("invalid handle"), "streams raw EMG: invalid handle; see `myocast scan`"),
    ],
)
async def test_a_failure_is_final_at_first_and_a_loss_once_it_was_connected(
    call: str, failure: Exception, message: str
) -> None:
    transport = ListedTransport()
    source = MyoSource("myo:", MyoConfig(), transport)
    transport.failures = {call: failure}
    with pytest.raises(DriverError, match=message) as first:
        await source.run(lambda _: None)
    assert type(first.value) is DriverError
    assert transport.calls[-1] == "close"
    transport.failures = {}
    run = asyncio.ensure_future(source.run(lambda _: None))
    await transport.subscribed.wait()
    transport.link_lost.set_exception(DeviceLost("gone"))
    with pytest.raises(DeviceLost, match="gone"):
        await run
    transport.failures = {call: failure}
    with pytest.raises(DeviceLost, match=message):
        await source.run(lambda _: None)


async def test_a_failure_while_leaving_still_closes_the_link() -> None:
    transport = ListedTransport()
    source = MyoSource("myo:", MyoConfig(), transport)
    run = asyncio.ensure_future(source.run(lambda _: None))
    await transport.subscribed.wait()
    transport.failures = {"write": DeviceLost("the link is gone already")}
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert transport.calls[-2:] == [hexed(protocol.STREAM_OFF), "close"]


async def test_it_vibrates_only_while_it_streams() -> None:
    transport = ListedTransport()
    source = MyoSource("myo:", MyoConfig(), transport)
    with pytest.raises(DeviceLost, match="not connected"):
        await source.vibrate("short")
    run = asyncio.ensure_future(source.run(lambda _: None))
    await transport.subscribed.wait()
    await source.vibrate("short")
    assert transport.calls[-1] == hexed(protocol.vibrate("short"))
    run.cancel()
    await asyncio.wait((run,))
    with pytest.raises(DeviceLost, match="not connected"):
        await source.vibrate("short")
