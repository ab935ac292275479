"""`dongle:` over pyserial, against an emulated dongle on a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers import uri
from drivers.clock import Clock, now
from drivers.emulation import dongle
from drivers.emulation.dongle import EmulatedDongle, FaultConfig
from drivers.emulation.myo import ADDRESS, EmulatedMyo
from drivers.emulation.pseudo_terminal import PseudoTerminal, open_pty
from drivers.errors import DeviceLost, DriverError
from drivers.events import Battery, Frame, Imu, Notice, Raw, SourceInfo
from drivers.myo import bgapi, bled112_transport
from drivers.myo.bgapi import USB_ID
from drivers.myo.bled112_link import Bled112Link
from drivers.myo.bled112_transport import Bled112Transport
from drivers.myo.protocol import Characteristic
from drivers.myo.source import MyoSource
from drivers.myo.stream import MyoConfig
from drivers.source import SupportsPresence, SupportsVibration
from drivers.transport.serial_port import PortInfo, SerialPort
from models.recording import Recording
from tests.fakes.hardware import LIVE_S, PATIENCE_S, EventCollector, running, session
from tests.support.signals import fast_clock, made_up

TIME_SCALE = 8.0


def plugged(
    recording: Recording | None = None,
    faults: FaultConfig | None = None,
    time_scale: float = TIME_SCALE,
    **armband: Any,
) -> PseudoTerminal:
    armband_ = EmulatedMyo(recording or made_up(), **armband)
    return PseudoTerminal(EmulatedDongle(armband_, faults), clock=fast_clock(time_scale), time_scale=time_scale)


def source(
    path: str | None,
    *,
    address: str | None = None,
    clock: Clock | None = None,
    ports: Callable[[], list[PortInfo]] = list,
    scan_s: float = 5.0,
    **options: Any,
) -> MyoSource:
    clock = clock or fast_clock(TIME_SCALE)
    transport = Bled112Transport(path, address, ports=ports, clock=clock, scan_s=scan_s)
    return MyoSource("dongle:", MyoConfig(**options), transport, clock=clock)


async def test_recorded_emg_arrives_sample_for_sample() -> None:
    recording = session()
    async with plugged(recording, loop=False) as terminal:
        collector = EventCollector()
        async with running(source(terminal.path), collector):
            await collector.until_samples(4000)
        assert np.array_equal(collector.emg[:4000], recording.emg[:4000])
        assert terminal.overrun == 0
    assert collector.of(Frame)[0].gap is False


async def test_everything_else_that_the_armband_sends_arrives_too() -> None:
    async with plugged(made_up(hand="left"), battery=42, name="PiMyo") as terminal:
        collector = EventCollector()
        live = source(terminal.path, mode="filtered", classifier=True)
        async with running(live, collector):
            await collector.until(
                lambda collector: collector.of(Imu) and collector.of(Frame) and len(collector.of(SourceInfo)) == 3
            )
        searched, connected, synced = collector.of(SourceInfo)
        assert (searched.uri, searched.rate_hz) == (connected.uri, connected.rate_hz)
        assert (connected.name, connected.address, connected.hand) == ("PiMyo", ADDRESS, None)
        assert (connected.rate_hz, connected.unit, connected.emg_mode) == (200.0, "adc", "filtered")
        assert synced.hand == "left"
        assert live.info == synced
        assert collector.of(Battery)[0].percent == 42
        assert collector.of(Imu)[0].acceleration_g == (0.0, 0.0, 1.0)
        assert [(n.kind, n.detail) for n in collector.of(Notice)] == [
            ("connect", "PiMyo"),
            ("firmware", "1.5.1970.2"),
            ("synced", "left arm, toward the wrist"),
        ]
        assert {raw.port for raw in collector.of(Raw)} >= {"0017", "0011", "001c", "002b"}
        frame = collector.of(Frame)[0]
        assert frame.samples.shape == (2, 8)
        assert frame.arrival >= frame.t


async def test_the_envelope_has_its_own_rate() -> None:
    async with plugged() as terminal:
        collector = EventCollector()
        live = source(terminal.path, mode="envelope")
        async with running(live, collector):
            await collector.until_samples(100)
        assert live.info.rate_hz == 50.0
        assert (collector.emg >= 0).all()


async def test_a_given_hand_is_not_overruled_by_the_sync() -> None:
    async with plugged(made_up(hand="left")) as terminal:
        collector = EventCollector()
        live = source(terminal.path, mode="filtered", classifier=True, hand="right")
        async with running(live, collector):
            await collector.until(lambda collector: any(notice.kind == "synced" for notice in collector.of(Notice)))
        assert live.info.hand == "right"


@pytest.mark.alone
async def test_200_hz_in_real_time_without_a_loss() -> None:
    count = int(LIVE_S * 200)
    async with plugged(time_scale=1.0) as terminal:
        collector = EventCollector()
        live = source(terminal.path, clock=now)
        async with running(live, collector):
            await collector.until_samples(count, LIVE_S + PATIENCE_S)
        assert live.lost == 0
        assert np.array_equal(collector.index[:count], np.arange(count))


async def test_a_clean_stop_leaves_the_armband_silent_and_free_to_sleep() -> None:
    async with plugged() as terminal:
        collector = EventCollector()
        async with running(source(terminal.path), collector):
            await collector.until_samples(100)
            assert (terminal.dongle.connected, terminal.dongle.armband.never_sleeps) == (True, True)
        armband = terminal.dongle.armband
        assert (terminal.dongle.connected, armband.streams, armband.never_sleeps) == (False, False, False)
        again = await SerialPort.open(terminal.path, 115200, now)
        await again.close()


@pytest.mark.alone
async def test_a_lost_link_is_lost_at_once_and_the_next_run_goes_on() -> None:
    async with plugged() as terminal:
        collector = EventCollector()
        live = source(terminal.path)
        async with running(live, collector) as run:
            await collector.until_samples(400)
            terminal.lose_link()
            error = await run.ended()
            assert isinstance(error, DeviceLost)
            assert "connection timeout" in str(error)
        before = collector.samples
        async with running(live, collector):
            await collector.until_samples(before + 200)
        frames = collector.of(Frame)
        first = next(n for n, frame in enumerate(frames) if frame.gap)
        assert sum(len(frame.samples) for frame in frames[:first]) == before
        assert frames[first].first_sample > frames[first - 1].first_sample + 2, "the index jumps by what was missed"
        assert (np.diff(collector.index) > 0).all()
        t = [frame.t for frame in frames]
        assert t == sorted(t)
        elapsed = frames[first].arrival - frames[first - 1].arrival
        counted = frames[first].first_sample - frames[first - 1].first_sample
        assert counted == pytest.approx(200 * elapsed, rel=0.1, abs=10)


async def test_an_unplugged_dongle_is_lost_and_comes_back_on_another_port() -> None:
    ports: list[PortInfo] = []
    live = source(None, ports=lambda: ports)
    collector = EventCollector()
    async with plugged() as first:
        ports[:] = [PortInfo("/dev/null"), PortInfo(first.path, usb_id=USB_ID)]
        async with running(live, collector) as run:
            await collector.until_samples(100)
            first.unplug()
            assert isinstance(await run.ended(), DeviceLost)
    ports.clear()
    async with running(live, collector) as run:
        error = await run.ended()
    assert isinstance(error, DeviceLost), "it was there before, so it may come back"
    assert "plug it in" in str(error)
    before = collector.samples
    async with plugged() as second:
        ports[:] = [PortInfo(second.path, usb_id=USB_ID)]
        async with running(live, collector):
            await collector.until_samples(before + 100)
    assert sum(frame.gap for frame in collector.of(Frame)) == 1


async def test_an_armband_that_does_not_come_back_is_lost_not_wrong() -> None:
    async with plugged() as terminal:
        collector = EventCollector()
        live = source(terminal.path, scan_s=0.3)
        async with running(live, collector) as run:
            await collector.until_samples(50)
            terminal.dongle.armband.address = "AA:BB:CC:DD:EE:FF"
            terminal.lose_link()
            await run.ended()
        async with running(live, collector) as run:
            error = await run.ended()
        assert isinstance(error, DeviceLost)
        assert f"{ADDRESS} was not found (found Myo AA:BB:CC:DD:EE:FF instead)" in str(error)


async def test_noise_on_the_wire_costs_little_and_is_counted() -> None:
    async with plugged(session(), FaultConfig(drop=0.01, corrupt=0.002, seed=5)) as terminal:
        collector = EventCollector()
        live = source(terminal.path)
        for _ in range(20):
            with suppress(DeviceLost, AssertionError):
                async with running(live, collector):
                    await collector.until_samples(2000)
            if collector.samples >= 2000:
                break
        assert (np.diff(collector.index) > 0).all()
        assert live.lost > 0


async def test_two_armbands_on_two_dongles_at_once() -> None:
    one, two = made_up(), made_up()
    two.emg[:] = -np.sign(two.emg) * (np.abs(two.emg) - 1)
    async with plugged(one) as left, plugged(two, address="11:22:33:44:55:66") as right:
        ports = [PortInfo(left.path, usb_id=USB_ID), PortInfo(right.path, usb_id=USB_ID)]
        first, second = source(None, ports=lambda: ports), source(None, ports=lambda: ports)
        one_collector, two_collector = EventCollector(), EventCollector()
        async with running(first, one_collector):
            await one_collector.until_samples(50)
            async with running(second, two_collector):
                await two_collector.until_samples(300)
                await one_collector.until_samples(300)
        assert np.array_equal(one_collector.emg[:300], one.emg[:300])
        assert np.array_equal(two_collector.emg[:300], two.emg[:300])
        assert (first.info.address, second.info.address) == (ADDRESS, "11:22:33:44:55:66")


async def test_it_vibrates_and_lights_up_while_it_streams() -> None:
    async with plugged() as terminal:
        live = source(terminal.path)
        assert isinstance(live, SupportsVibration)
        with pytest.raises(DeviceLost, match="not connected"):
            await live.vibrate("short")
        collector = EventCollector()
        async with running(live, collector):
            await collector.until_samples(50)
            await live.vibrate("long")
            await live.light((1, 2, 3), (4, 5, 6))
            await collector.until(lambda collector: terminal.dongle.armband.vibrations)
        assert terminal.dongle.armband.vibrations == [3]


def hidden(terminal: PseudoTerminal) -> Callable[[], None]:
    """Nobody advertises any more; gives what ends that."""
    armband = terminal.dongle.armband
    armband.address, shown = "AA:BB:CC:DD:EE:FF", armband.address
    terminal.lose_link()
    return lambda: setattr(armband, "address", shown)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_it_says_when_the_armband_is_there_again() -> None:
    async with plugged() as terminal:
        collector = EventCollector()
        live = source(terminal.path)
        assert isinstance(live, SupportsPresence)
        async with running(live, collector) as run:
            await collector.until_samples(50)
            show = hidden(terminal)
            await run.ended()
        watch = asyncio.ensure_future(live.reachable())
        await until(lambda: terminal.dongle._advertise_at is not None)
        assert not watch.done(), "the other one does not count"
        show()
        await asyncio.wait_for(watch, PATIENCE_S)
        before = collector.samples
        async with running(live, collector):
            await collector.until_samples(before + 50)


async def test_it_says_when_the_dongle_is_there_again() -> None:
    ports: list[PortInfo] = [PortInfo("/dev/ttyS0")]
    live = source(None, ports=lambda: ports)
    watch = asyncio.ensure_future(live.reachable())
    async with plugged() as terminal:
        ports.append(PortInfo(terminal.path, usb_id=USB_ID))
        await asyncio.wait_for(watch, PATIENCE_S)
        async with running(live, collector := EventCollector()):
            await collector.until_samples(50)


async def test_a_watch_that_is_cancelled_leaves_no_scan_and_no_open_port() -> None:
    async with plugged() as terminal:
        hidden(terminal)
        live = source(terminal.path, address=ADDRESS)
        for steps in (0, 1, 5, 20, 100, 500):
            watch = asyncio.ensure_future(live.reachable())
            for _ in range(steps):
                await asyncio.sleep(0)
            watch.cancel()
            await asyncio.wait((watch,))
            await until(lambda: terminal.dongle._advertise_at is None)
            again = await SerialPort.open(terminal.path, 115200, now)
            await again.close()


async def test_stopped_while_it_connects_it_does_not_connect_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dongle, "CONNECT_S", 1e6)
    async with plugged() as terminal:
        async with running(source(terminal.path), EventCollector()):
            await until(lambda: terminal.dongle._connect_at is not None)
        await until(lambda: terminal.dongle._connect_at is None)


async def test_a_dongle_that_hangs_does_not_keep_anyone() -> None:
    async with plugged() as terminal:
        async with running(source(terminal.path), collector := EventCollector()) as run:
            await collector.until_samples(50)
            asyncio.get_running_loop().remove_reader(terminal._master)
            run.task.cancel()
            await asyncio.wait_for(asyncio.wait((run.task,)), PATIENCE_S)
        again = await SerialPort.open(terminal.path, 115200, now)
        await again.close()


async def connected_link(terminal: PseudoTerminal) -> Bled112Link:
    link = await Bled112Link.open(terminal.path, clock=fast_clock(TIME_SCALE))
    await link.greet()
    found = await link.scan(lambda response: response, 5.0)
    assert found is not None
    await link.connect(found.address, found.address_type)
    return link


async def test_commands_given_at_the_same_time_get_their_own_answers() -> None:
    async with plugged(name="PiMyo", battery=42) as terminal:
        link = await connected_link(terminal)
        name, battery, firmware = await asyncio.gather(
            link.read(Characteristic.NAME), link.read(Characteristic.BATTERY), link.read(Characteristic.FIRMWARE)
        )
        assert (name, battery, len(firmware)) == (b"PiMyo", b"\x2a", 8)
        await link.close()


async def test_a_command_under_way_when_the_link_is_lost_fails_and_the_dongle_connects_again() -> None:
    async with plugged(battery=42) as terminal:
        link = await connected_link(terminal)
        terminal.lose_link()
        with pytest.raises(DeviceLost, match="link is lost"):
            await link.read(Characteristic.BATTERY)
        await link.connect(ADDRESS, 0)
        assert await link.read(Characteristic.BATTERY) == b"\x2a"
        await link.close()


# What a person must mend: one line, exit code 2.


async def error_of_run(live: MyoSource) -> DriverError:
    with pytest.raises(DriverError) as caught:
        await live.run(EventCollector())
    assert type(caught.value) is DriverError
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return caught.value


async def test_no_dongle_no_port_no_permission_no_serial_port(tmp_path: Path) -> None:
    assert "no Bluetooth dongle" in str(await error_of_run(source(None)))
    assert "there is no port /dev/ttyACM99" in str(await error_of_run(source("/dev/ttyACM99")))
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert "is not a serial port" in str(await error_of_run(source(str(file))))


async def test_a_port_in_use() -> None:
    async with plugged() as terminal:
        other = await SerialPort.open(terminal.path, 115200, now)
        assert "in use by another program" in str(await error_of_run(source(terminal.path)))
        await other.close()


async def test_a_port_that_is_no_dongle() -> None:
    master, slave = open_pty()
    try:
        assert "does not answer as a BLED112" in str(await error_of_run(source(os.ttyname(slave))))
    finally:
        os.close(master)
        os.close(slave)


async def test_no_armband_or_another_one() -> None:
    async with plugged() as terminal:
        wanted = source(terminal.path, address="aa:bb:cc:dd:ee:ff", scan_s=0.3)
        assert f"found Myo {ADDRESS} instead" in str(await error_of_run(wanted))
        terminal.dongle.armband.advertisement = lambda: b"\x02\x01\x06"  # type: ignore[method-assign]
        assert "no Myo armband was found" in str(await error_of_run(source(terminal.path, scan_s=0.3)))
        assert "is not a Myo armband" in str(await error_of_run(source(terminal.path, address=ADDRESS)))


async def test_firmware_that_is_too_old() -> None:
    async with plugged(firmware=(0, 8, 18, 1)) as terminal:
        assert "firmware 0.8.18.1; expected 1.0 or newer" in str(await error_of_run(source(terminal.path)))


async def test_an_armband_without_the_characteristic() -> None:
    async with plugged() as terminal:
        armband = terminal.dongle.armband
        write = armband.write

        def refuse(handle: int, data: bytes, now: float) -> int:
            return 0x0401 if handle == 0x28 else write(handle, data, now)

        armband.write = refuse  # type: ignore[method-assign]
        message = str(await error_of_run(source(terminal.path, mode="envelope")))
        assert "streams envelope EMG" in message
        assert "invalid handle" in message


async def test_an_old_stream_is_ended_before_anything_else() -> None:
    """A client that died left the dongle connected and streaming."""
    async with plugged() as terminal:
        dead = await SerialPort.open(terminal.path, 115200, now)
        for command in (
            bgapi.connect_direct(ADDRESS),
            *(bgapi.attribute_write(0, handle, b"\x01\x00") for handle in (0x2C, 0x2F, 0x32, 0x35)),
            bgapi.attribute_write(0, 0x19, b"\x01\x03\x03\x01\x00"),
        ):
            dead.write(command)
            await dead.read()
            while not terminal.dongle.connected:
                await dead.read()
        await dead.close()
        collector = EventCollector()
        async with running(source(terminal.path), collector):
            await collector.until_samples(100)
        assert np.array_equal(np.diff(collector.index), np.ones(len(collector.index) - 1))


def test_the_uri_says_how() -> None:
    live = uri.source_from_uri("dongle:/dev/ttyACM3?mode=envelope&address=aa:bb:cc:dd:ee:ff&hand=left")
    assert isinstance(live, MyoSource)
    assert isinstance(live._transport, Bled112Transport)
    assert (live.info.rate_hz, live.info.emg_mode, live.info.hand) == (50.0, "envelope", "left")
    assert isinstance(uri.source_from_uri("dongle:"), MyoSource)


@pytest.mark.parametrize("text", ["dongle:?mode=fast", "dongle:?speed=2", "dongle:?address=AA", "dongle:?hand=both"])
def test_a_wrong_option_is_refused(text: str) -> None:
    with pytest.raises(DriverError):
        uri.source_from_uri(text)


def test_dongles_are_known_by_their_usb_id() -> None:
    ports = [PortInfo("/dev/ttyUSB0", usb_id=(0x0403, 0x6015)), PortInfo("/dev/ttyACM1", usb_id=USB_ID)]
    assert bled112_transport.dongle_ports(lambda: ports) == ["/dev/ttyACM1"]
