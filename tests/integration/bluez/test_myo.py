"""`myo:` with unmodified bleak, against a fake bluetoothd on a private D-Bus.

`MYOCAST_LIVE_SECONDS=60` makes the tests of plain streams, here and of serial devices, last a minute of real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from drivers import uri
from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError
from drivers.events import Battery, Frame, Imu, Notice, Raw, SourceInfo
from drivers.myo.gatt import MYO
from drivers.myo.protocol import Characteristic
from drivers.myo.source import MyoSource
from drivers.myo.stream import MyoConfig
from drivers.source import SupportsPresence, SupportsVibration
from drivers.transport import bleak_radio
from drivers.transport.bleak_transport import BleakTransport
from tests.fakes.bluez import FakeBluez
from tests.fakes.hardware import LIVE_S, PATIENCE_S, EventCollector, running, session
from tests.fakes.private_bus import NEEDS_DAEMON, close_bleak, dbus_daemon
from tests.support.signals import fast_clock, made_up

pytestmark = NEEDS_DAEMON

ONE: dict[str, Any] = {"address": "C6:05:04:03:02:01"}
TWO: dict[str, Any] = {"address": "D6:15:14:13:12:11", "name": "PiMyo", "hand": "left"}
TIME_SCALE = 10.0


@pytest.fixture(scope="module")
def private_bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dbus_daemon(tmp_path_factory.mktemp("dbus")) as address:
        yield address


@pytest_asyncio.fixture(autouse=True)
async def bus(private_bus: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The bus that bleak and the fake meet on; bleak's own connection to it is closed with the test."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", private_bus)
    yield
    await close_bleak()


def source(wanted: str | None = None, *, clock: Clock = now, scan_s: float = 5.0, **options: Any) -> MyoSource:
    transport = BleakTransport(MYO, wanted, clock=clock, scan_s=scan_s)
    return MyoSource("myo:", MyoConfig(**options), transport, clock=clock)


async def test_recorded_emg_arrives_sample_for_sample(tmp_path: Path) -> None:
    emg = session().emg
    np.save(tmp_path / "emg.npy", emg.astype(np.int8))
    async with FakeBluez(ONE | {"emg": str(tmp_path / "emg.npy")}, time_scale=TIME_SCALE):
        collector = EventCollector()
        live = source(clock=fast_clock(TIME_SCALE))
        async with running(live, collector):
            await collector.until_samples(5000)
    assert np.array_equal(collector.emg[:5000], emg[:5000])


@pytest.mark.alone
async def test_200_hz_in_real_time_without_a_loss() -> None:
    count = int(LIVE_S * 200)
    async with FakeBluez(ONE):
        collector = EventCollector()
        live = source()
        async with running(live, collector):
            await collector.until_samples(count, LIVE_S + PATIENCE_S)
    assert np.array_equal(collector.index[:count], np.arange(count))
    assert live.lost == 0
    frames = collector.of(Frame)
    assert all(a.t <= b.t for a, b in pairwise(frames))
    assert all(frame.t <= frame.arrival for frame in frames[10:])


async def test_everything_else_that_the_armband_sends_arrives_too() -> None:
    async with FakeBluez(TWO | {"battery": 42}, time_scale=TIME_SCALE):
        collector = EventCollector()
        live = source(clock=fast_clock(TIME_SCALE), mode="filtered", classifier=True)
        async with running(live, collector):
            await collector.until(
                lambda collector: collector.of(Imu) and collector.of(Frame) and len(collector.of(SourceInfo)) == 3
            )
    searched, connected, synced = collector.of(SourceInfo)
    assert (searched.uri, searched.rate_hz) == (connected.uri, connected.rate_hz)
    assert (connected.name, connected.address, connected.hand) == ("PiMyo", TWO["address"], None)
    assert (synced.hand, live.info) == ("left", synced)
    assert collector.of(Battery)[0].percent == 42
    assert collector.of(Imu)[0].acceleration_g == (0.0, 0.0, 1.0)
    assert [notice.kind for notice in collector.of(Notice)] == ["connect", "firmware", "synced"]
    assert {raw.port for raw in collector.of(Raw)} >= {"0017", "0011", "001c", "002b", "0023"}


async def test_the_envelope_comes_at_50_hz() -> None:
    async with FakeBluez(ONE, time_scale=TIME_SCALE):
        collector = EventCollector()
        async with running(source(clock=fast_clock(TIME_SCALE), mode="envelope"), collector):
            await collector.until_samples(100)
    assert {len(frame.samples) for frame in collector.of(Frame)} == {1}
    assert (collector.emg >= 0).all()


async def test_a_clean_stop_leaves_the_armband_silent_and_free_to_sleep() -> None:
    async with FakeBluez(ONE) as bluez:
        collector = EventCollector()
        async with running(source(), collector):
            await collector.until_samples(20)
            state = await bluez.do("state")
            assert (state["connected"], state["streams"], state["never_sleeps"]) == (True, True, True)
        await bluez.until(lambda state: not (state["connected"] or state["streams"] or state["never_sleeps"]))


@pytest.mark.alone
async def test_a_lost_link_is_lost_at_once_and_the_next_run_goes_on() -> None:
    async with FakeBluez(ONE) as bluez:
        collector = EventCollector()
        live = source()
        async with running(live, collector) as run:
            await collector.until_samples(100)
            await bluez.do("drop")
            assert isinstance(await run.ended(), DeviceLost)
        before = collector.samples
        async with running(live, collector):
            await collector.until_samples(before + 100)
    frames = collector.of(Frame)
    first = next(n for n, frame in enumerate(frames) if frame.gap)
    assert sum(len(frame.samples) for frame in frames[:first]) == before
    elapsed = frames[first].arrival - frames[first - 1].arrival
    assert frames[first].first_sample - frames[first - 1].first_sample == pytest.approx(200 * elapsed, rel=0.1, abs=10)
    assert (np.diff(collector.index) > 0).all()
    assert len(set(collector.of(SourceInfo)[1:])) == 1


async def test_silent_death_and_return() -> None:
    """bluetoothd dies: bleak says nothing. A watchdog ends the run; the next ones fail until it is back."""
    collector = EventCollector()
    live = source(scan_s=2.0)
    async with FakeBluez(ONE) as bluez:
        async with running(live, collector) as run:
            await collector.until_samples(100)
            await bluez.vanish()
            assert not run.task.done(), "nobody told"
        async with running(live, collector) as run:
            error = await run.ended()
            assert isinstance(error, DeviceLost)
            assert "bluetoothd does not run" in str(error)
    before = collector.samples
    async with FakeBluez(ONE), running(live, collector):
        await collector.until_samples(before + 100)
    assert sum(frame.gap for frame in collector.of(Frame)) == 1


async def test_a_band_that_falls_silent_can_be_left() -> None:
    async with FakeBluez(ONE) as bluez:
        collector = EventCollector()
        async with running(source(), collector) as run:
            await collector.until_samples(50)
            await bluez.do("silence")
            run.task.cancel()
            await asyncio.wait((run.task,), timeout=10)
            assert run.task.cancelled()
        await bluez.until(lambda state: not state["connected"])


async def test_a_band_that_does_not_come_back_is_lost_not_wrong() -> None:
    async with FakeBluez(ONE, TWO) as bluez:
        collector = EventCollector()
        live = source(ONE["address"], scan_s=0.5)
        async with running(live, collector) as run:
            await collector.until_samples(20)
            await bluez.do("hide")
            await run.ended()
        async with running(live, collector) as run:
            error = await run.ended()
        assert isinstance(error, DeviceLost)
        assert "found PiMyo D6:15:14:13:12:11 instead" in str(error)
        await bluez.do("show")
        before = collector.samples
        async with running(live, collector):
            await collector.until_samples(before + 20)


async def test_two_armbands_at_once() -> None:
    """Both are looked for at the same time, neither is named: each gets its own."""
    async with FakeBluez(ONE, TWO):
        collectors = EventCollector(), EventCollector()
        first, second = source(), source()
        async with running(first, collectors[0]), running(second, collectors[1]):
            for collector in collectors:
                await collector.until_samples(400)
    assert {first.info.address, second.info.address} == {ONE["address"], TWO["address"]}
    for collector in collectors:
        assert np.array_equal(collector.index[:400], np.arange(400))
        assert np.array_equal(collector.emg[:400], made_up().emg)


@pytest.mark.parametrize("wanted", ["d6:15:14:13:12:11", "pimyo"])
async def test_an_armband_is_named_by_address_or_name(wanted: str) -> None:
    async with FakeBluez(ONE, TWO):
        collector = EventCollector()
        live = source(wanted)
        async with running(live, collector):
            await collector.until_samples(10)
        assert live.info.address == TWO["address"]


async def test_it_vibrates_and_lights_up_while_it_streams() -> None:
    async with FakeBluez(ONE) as bluez:
        live = source()
        assert isinstance(live, SupportsVibration)
        with pytest.raises(DeviceLost, match="not connected"):
            await live.vibrate("short")
        collector = EventCollector()
        async with running(live, collector):
            await collector.until_samples(20)
            await collector.until(lambda _: live._streaming)
            await live.vibrate("medium")
            await live.light((1, 2, 3), (4, 5, 6))
            assert (await bluez.do("state"))["vibrations"] == [2]


async def test_an_armband_left_connected_by_a_dead_program_is_taken_over() -> None:
    async with FakeBluez(ONE) as bluez:
        collector = EventCollector()
        async with running(source(), collector) as run:
            await collector.until_samples(10)
            message = str(await error_of_run(source(scan_s=0.3)))
            assert f"Myo {ONE['address']}, already connected to this computer" in message
            other = EventCollector()
            async with running(source(ONE["address"], scan_s=0.3), other):
                await other.until_samples(10)
            await run.ended()
        await bluez.until(lambda state: not state["connected"])


async def test_an_armband_that_dropped_the_link_is_lost_before_the_watchdog_fires() -> None:
    """It advertises, which it does only without a link; the system has noticed nothing."""
    async with FakeBluez(ONE) as bluez:
        collector = EventCollector()
        live = source()
        async with running(live, collector) as run:
            await collector.until_samples(50)
            await bluez.do("restart")
            assert isinstance(await run.ended(), DeviceLost)
        before = collector.samples
        async with running(live, collector):
            await collector.until_samples(before + 50)


async def test_a_band_that_is_only_silent_is_looked_for_and_kept() -> None:
    async with FakeBluez(ONE) as bluez:
        collector = EventCollector()
        async with running(source(), collector) as run:
            await collector.until_samples(50)
            await bluez.do("silence")
            await bluez.until(lambda state: state["scanners"])
            await bluez.until(lambda state: not state["scanners"])
            assert not run.task.done()
        await bluez.until(lambda state: not state["connected"])


async def test_it_says_when_the_armband_is_there_again() -> None:
    async with FakeBluez(ONE, TWO) as bluez:
        collector = EventCollector()
        live = source(ONE["address"])
        assert isinstance(live, SupportsPresence)
        async with running(live, collector) as run:
            await collector.until_samples(20)
            await bluez.do("hide")
            await run.ended()
        watch = asyncio.ensure_future(live.reachable())
        await bluez.until(lambda state: state["scanners"])
        assert not watch.done(), "the other one does not count"
        await bluez.do("show")
        await asyncio.wait_for(watch, PATIENCE_S)
        assert (await bluez.do("state"))["scanners"] == 0
        before = collector.samples
        async with running(live, collector):
            await collector.until_samples(before + 20)


async def test_it_says_when_bluetoothd_is_there_again() -> None:
    live = source()
    watch = asyncio.ensure_future(live.reachable())
    async with FakeBluez(ONE, adapter={"powered": False}):
        pass
    assert not watch.done()
    async with FakeBluez(ONE):
        await asyncio.wait_for(watch, PATIENCE_S)


async def test_a_watch_that_is_cancelled_leaves_no_scan() -> None:
    async with FakeBluez(ONE | {"advertises": False}) as bluez:
        live = source()
        for steps in range(12):
            watch = asyncio.ensure_future(live.reachable())
            for _ in range(steps):
                await bluez.do("state")
            watch.cancel()
            await asyncio.wait((watch,))
            assert (await bluez.do("state"))["scanners"] == 0


async def test_who_waits_for_a_band_that_is_away_does_not_keep_the_radio() -> None:
    """One armband is away for good; the other one's link is made while the first is looked for."""
    async with FakeBluez(ONE, TWO | {"advertises": False}):
        missing, collector = source(TWO["address"], scan_s=60.0), EventCollector()
        async with running(missing, EventCollector()) as vain:
            waiting = asyncio.ensure_future(missing.reachable())
            async with running(source(ONE["address"]), collector):
                await collector.until_samples(20)
            assert not vain.task.done()
            waiting.cancel()


async def test_a_radio_stack_that_hangs_does_not_keep_anyone() -> None:
    async with FakeBluez(ONE) as bluez:
        collector = EventCollector()
        async with running(source(), collector) as run:
            await collector.until_samples(20)
            await bluez.do("mute")
            run.task.cancel()
            await asyncio.wait_for(asyncio.wait((run.task,)), PATIENCE_S)
        watch = asyncio.ensure_future(source().reachable())
        await asyncio.sleep(0)
        watch.cancel()
        await asyncio.wait_for(asyncio.wait((watch,)), PATIENCE_S)


# What a person must mend: one line, exit code 2.


async def error_of_run(live: MyoSource) -> DriverError:
    with pytest.raises(DriverError) as caught:
        await live.run(EventCollector())
    assert not isinstance(caught.value, DeviceLost)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return caught.value


async def test_no_armband_or_another_one() -> None:
    async with FakeBluez():
        assert "no Myo armband was found; wake it" in str(await error_of_run(source(scan_s=0.2)))
    async with FakeBluez(ONE):
        message = str(await error_of_run(source("AA:BB:CC:DD:EE:FF", scan_s=0.3)))
        assert "AA:BB:CC:DD:EE:FF was not found (found Myo C6:05:04:03:02:01 instead)" in message


async def test_a_device_that_is_no_armband() -> None:
    async with FakeBluez({"address": "11:22:33:44:55:66", "name": "Heart", "is_myo": False}):
        assert "no Myo armband was found" in str(await error_of_run(source(scan_s=0.3)))
        assert "(Heart) is not a Myo armband" in str(await error_of_run(source("Heart")))


async def test_firmware_that_is_too_old() -> None:
    async with FakeBluez(ONE | {"firmware": [0, 8, 18, 1]}) as bluez:
        assert "firmware 0.8.18.1; expected 1.0 or newer" in str(await error_of_run(source()))
        await bluez.until(lambda state: not state["connected"])


@pytest.mark.parametrize(("mode", "missing"), [("envelope", "ENVELOPE"), ("raw", "EMG2"), ("filtered", "COMMAND")])
async def test_a_missing_characteristic(mode: str, missing: str) -> None:
    characteristic = Characteristic[missing].uuid
    async with FakeBluez(ONE | {"without": [characteristic]}):
        message = str(await error_of_run(source(mode=mode)))
        assert f"has no characteristic {characteristic}, which mode {mode} needs" in message


async def test_what_a_system_hides_is_done_without() -> None:
    hidden = [Characteristic[name].uuid for name in ("NAME", "BATTERY", "FIRMWARE", "IMU")]
    async with FakeBluez(TWO | {"without": hidden}):
        collector = EventCollector()
        live = source()
        async with running(live, collector):
            await collector.until_samples(20)
        assert live.info.name == "PiMyo"
        assert collector.of(Battery) == []


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (None, "there is no Bluetooth adapter"),
        ({"powered": False}, "Bluetooth is off; switch it on"),
        ({"roles": ["peripheral"]}, "has no Low Energy"),
        ({"refuses": "org.bluez.Error.NotReady"}, "Bluetooth is off; switch it on"),
        ({"refuses": "org.freedesktop.DBus.Error.AccessDenied"}, "no permission to use Bluetooth"),
    ],
)
async def test_a_radio_that_cannot_scan(adapter: dict[str, Any] | None, message: str) -> None:
    async with FakeBluez(ONE, adapter=adapter):
        assert message in str(await error_of_run(source()))


async def test_no_daemon_and_no_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "bluetoothd does not run" in str(await error_of_run(source()))
    await close_bleak()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    assert "D-Bus cannot be reached" in str(await error_of_run(source()))


async def test_a_connection_that_fails_may_be_tried_again() -> None:
    async with FakeBluez(ONE) as bluez:
        await bluez.do("refuse", error="le-connection-refused")
        with pytest.raises(DeviceLost, match=r"connecting to C6:05:04:03:02:01: .*le-connection-refused"):
            await source().run(EventCollector())
        await bluez.do("refuse", error="")
        collector = EventCollector()
        async with running(source(), collector):
            await collector.until_samples(10)


async def test_one_lock_of_the_radio_per_loop() -> None:
    assert bleak_radio.radio_lock() is bleak_radio.radio_lock()


def test_the_uri_says_how() -> None:
    live = uri.source_from_uri("myo:C6:05:04:03:02:01?mode=envelope&hand=left&imu=0")
    assert isinstance(live, MyoSource)
    assert isinstance(live._transport, BleakTransport)
    assert (live._transport._wanted, live.info.rate_hz, live.info.hand) == ("C6:05:04:03:02:01", 50.0, "left")
    assert isinstance(uri.source_from_uri("myo:"), MyoSource)


@pytest.mark.parametrize("text", ["myo:?mode=fast", "myo:?speed=2", "myo:?imu=maybe"])
def test_a_wrong_option_is_refused(text: str) -> None:
    with pytest.raises(DriverError):
        uri.source_from_uri(text)
