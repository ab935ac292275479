"""`gforce:` with unmodified bleak, against a fake bluetoothd with an armband that follows OYMotion's protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from drivers import uri
from drivers.clock import Clock, now
from drivers.discovery import BLUETOOTH, FoundArmband, scan
from drivers.errors import DeviceLost, DriverError
from drivers.events import Battery, Frame, Notice, SourceInfo
from drivers.gforce.protocol import RATE_HZ, Bits
from drivers.gforce.source import GFORCE, GForceSource
from drivers.sample_clock import TooFast
from drivers.source import SupportsPresence
from drivers.transport.bleak_transport import BleakTransport
from tests.fakes.bluez import FakeBluez
from tests.fakes.hardware import PATIENCE_S, EventCollector, running
from tests.fakes.private_bus import NEEDS_DAEMON, close_bleak, dbus_daemon
from tests.support.signals import fast_clock, made_up

pytestmark = NEEDS_DAEMON

ONE: dict[str, Any] = {"address": "E6:05:04:03:02:01", "name": "gForcePro+(AB12)", "battery": 66, "gforce": {}}
MYO: dict[str, Any] = {"address": "C6:05:04:03:02:01"}
TIME_SCALE = 2.0
EMG = made_up(4000).emg


@pytest.fixture(scope="module")
def private_bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dbus_daemon(tmp_path_factory.mktemp("dbus")) as address:
        yield address


@pytest_asyncio.fixture(autouse=True)
async def bus(private_bus: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", private_bus)
    yield
    await close_bleak()


def source(bits: Bits = 8, wanted: str | None = None, *, clock: Clock = now, scan_s: float = 5.0) -> GForceSource:
    transport = BleakTransport(GFORCE, wanted, clock=clock, scan_s=scan_s)
    return GForceSource("gforce:", bits, RATE_HZ[bits], None, transport, clock=clock)


@pytest.mark.parametrize(("bits", "rate_hz", "rows"), [(8, 1000.0, 16), (12, 500.0, 8)])
async def test_emg_arrives_sample_for_sample(bits: Bits, rate_hz: float, rows: int) -> None:
    async with FakeBluez(ONE, time_scale=TIME_SCALE) as bluez:
        collector = EventCollector()
        live = source(bits, clock=fast_clock(TIME_SCALE))
        async with running(live, collector):
            await collector.until_samples(1600)
        await bluez.until(lambda state: not (state["connected"] or state["streams"]))
    assert np.array_equal(collector.emg[:1600], EMG[:1600])
    assert {len(frame.samples) for frame in collector.of(Frame)} == {rows}
    searched, connected = collector.of(SourceInfo)
    assert (searched.rate_hz, connected.rate_hz, connected.unit) == (rate_hz, rate_hz, "adc")
    assert (connected.name, connected.address) == ("gForcePro+(AB12)", ONE["address"])
    assert collector.of(Battery)[0].percent == 66
    assert [(each.kind, each.detail) for each in collector.of(Notice)] == [
        ("connect", "gForcePro+(AB12)"), ("firmware", "2.1.7.20230901-release"),
    ]  # fmt: skip


async def test_a_link_of_short_notifications_splits_packets() -> None:
    async with FakeBluez(ONE | {"gforce": {"mtu": 23}}) as bluez:
        collector = EventCollector()
        live = source(12)
        async with running(live, collector):
            await collector.until_samples(320)
            before = collector.samples
            played = (await bluez.do("lose", notifications=list(range(2000))))["sent"]
            await bluez.do("lose", notifications=[])
            await collector.until_samples(before + 80)
    assert np.array_equal(collector.emg[:320], EMG[:320])
    assert played > 0
    known = {EMG[start : start + 8].tobytes() for start in range(0, len(EMG), 8)}
    assert all(frame.samples.tobytes() in known for frame in collector.of(Frame)), "no part of one in another"
    assert (np.diff(collector.index) > 0).all()


async def test_a_lost_link_is_lost_at_once_and_the_next_run_goes_on() -> None:
    async with FakeBluez(ONE) as bluez:
        collector = EventCollector()
        live = source()
        assert isinstance(live, SupportsPresence)
        async with running(live, collector) as run:
            await collector.until_samples(320)
            await bluez.do("hide")
            assert isinstance(await run.ended(), DeviceLost)
        await bluez.do("show")
        await live.reachable()
        before = collector.samples
        async with running(live, collector):
            await collector.until_samples(before + 160)
    assert sum(frame.gap for frame in collector.of(Frame)) == 1
    assert (np.diff(collector.index) > 0).all()
    t = [frame.t for frame in collector.of(Frame)]
    assert t == sorted(t)


async def test_an_armband_that_sends_too_fast_is_lost_and_the_radio_is_left() -> None:
    """Its clock runs eight times as fast as ours."""
    async with FakeBluez(ONE, time_scale=8.0) as bluez:
        async with running(source(), EventCollector()) as run:
            error = await run.ended(60)
        assert isinstance(error, TooFast)
        await bluez.until(lambda state: not (state["connected"] or state["streams"]))


async def test_a_gforce_beside_a_myo() -> None:
    """Each source takes its own; a scan lists both, each with its battery."""
    async with FakeBluez(MYO, ONE):
        collector = EventCollector()
        live = source()
        async with running(live, collector):
            await collector.until_samples(160)
        assert live.info.address == ONE["address"]
        findings = await scan(0.3, battery=True, ports=lambda: [])
    assert sorted(findings.armbands, key=lambda each: each.uri) == [
        FoundArmband(f"gforce:{ONE['address']}", ONE["name"], ONE["address"], -56, BLUETOOTH, 66),
        FoundArmband(f"myo:{MYO['address']}", "Myo", MYO["address"], -56, BLUETOOTH, 87),
    ]


async def error_of_run(live: GForceSource) -> str:
    with pytest.raises(DriverError) as caught:
        await live.run(EventCollector())
    assert not isinstance(caught.value, DeviceLost)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_what_a_person_must_mend() -> None:
    async with FakeBluez(MYO):
        assert "no gForce armband was found; switch it on" in await error_of_run(source(scan_s=0.2))
        assert "is not a gForce armband" in await error_of_run(source(wanted=MYO["address"]))
    async with FakeBluez(ONE | {"gforce": {"resolutions": [8]}}):
        message = await error_of_run(source(12))
        assert "refuses EMG of 12 bits at 500 Hz: it does not know it; try ?bits=8" in message
        async with running(source(8), collector := EventCollector()):
            await collector.until_samples(16, PATIENCE_S)
    async with FakeBluez(ONE | {"address": "E6:00:00:00:00:02", "without": ["f000ffe2-0451-4000-b000-000000000000"]}):
        assert "has no characteristic f000ffe2" in await error_of_run(source())


def test_the_uri_says_how() -> None:
    live = uri.source_from_uri("gforce:E6:05:04:03:02:01?bits=12&hand=left")
    assert isinstance(live, GForceSource)
    assert (live.info.rate_hz, live.info.hand) == (500.0, "left")
    assert uri.source_from_uri("gforce:").info.rate_hz == 1000.0


@pytest.mark.parametrize(
    ("options", "bits", "rate_hz"),
    [("", 8, 1000), ("bits=12", 12, 500), ("rate=500", 12, 500), ("rate=650", 8, 650), ("bits=8&rate=500", 8, 500)],
)
def test_bits_and_rate(options: str, bits: int, rate_hz: float) -> None:
    live = uri.source_from_uri(f"gforce:?{options}")
    assert isinstance(live, GForceSource)
    assert (live._bits, live.info.rate_hz) == (bits, rate_hz)


@pytest.mark.parametrize(
    "text",
    ["gforce:?bits=12&rate=1000", "gforce:?rate=200", "gforce:?bits=16", "gforce:?mode=raw", "gforce:?hand=both"],
)
def test_a_wrong_option_is_refused(text: str) -> None:
    with pytest.raises(DriverError):
        uri.source_from_uri(text)
