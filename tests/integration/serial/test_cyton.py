"""`cyton:` over pyserial, against a board on a pseudo-terminal."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from drivers import uri
from drivers.clock import Clock, now
from drivers.cyton.source import BAUD, CytonSource
from drivers.errors import DeviceLost, DriverError
from drivers.events import Frame, SourceInfo
from drivers.source import SupportsPresence
from drivers.transport.serial_port import SerialLink
from models.arrays import Float32Array
from tests.fakes.boards import SCALE, CytonBoard
from tests.fakes.hardware import LIVE_S, PATIENCE_S, EventCollector, running, session
from tests.support.signals import fast_clock, made_up

TIME_SCALE = 6.0


def board(counts: Float32Array | None = None, time_scale: float = TIME_SCALE) -> CytonBoard:
    counts = made_up(20_000).emg if counts is None else counts
    return CytonBoard(counts, fast_clock(time_scale), time_scale)


def source(path: str, clock: Clock | None = None, greeting_s: float = 2.0) -> CytonSource:
    clock = clock or fast_clock(TIME_SCALE)
    return CytonSource("cyton:PORT", SerialLink(path, BAUD, clock), clock=clock, greeting_s=greeting_s)


async def test_recorded_emg_arrives_sample_for_sample() -> None:
    emg = session().emg
    async with board(emg) as cyton:
        collector = EventCollector()
        live = source(cyton.path)
        async with running(live, collector):
            await collector.until_samples(3000)
        assert np.array_equal(collector.emg[:3000], (emg[:3000].astype(float) * SCALE).astype(np.float32))
    (info,) = collector.of(SourceInfo)
    assert (info.rate_hz, info.unit, info.emg_mode) == (250.0, "uV", "raw")


async def test_it_resets_starts_and_stops_the_board() -> None:
    async with board() as cyton:
        collector = EventCollector()
        async with running(source(cyton.path), collector):
            await collector.until_samples(100)
        await cyton.until_received(b"bs")
        assert cyton.received == b"svdbs"


async def test_250_hz_in_real_time_without_a_loss() -> None:
    count = int(LIVE_S * 250)
    async with board(time_scale=1.0) as cyton:
        collector = EventCollector()
        live = source(cyton.path, now)
        async with running(live, collector):
            await collector.until_samples(count, LIVE_S + PATIENCE_S)
    assert live.lost == 0
    assert np.array_equal(collector.index[:count], np.arange(count))


async def test_two_boards_at_once() -> None:
    one, two = made_up(4000).emg, -made_up(4000).emg
    async with board(one) as first, board(two) as second:
        collectors = EventCollector(), EventCollector()
        async with running(source(first.path), collectors[0]), running(source(second.path), collectors[1]):
            for collector in collectors:
                await collector.until_samples(300)
    for counts, collector in zip((one, two), collectors, strict=True):
        assert np.array_equal(collector.emg[:300], (counts[:300].astype(float) * SCALE).astype(np.float32))


async def test_it_says_when_the_board_is_on_again() -> None:
    async with board() as cyton:
        live = source(cyton.path)
        assert isinstance(live, SupportsPresence)
        cyton.on = False
        watch = asyncio.ensure_future(live.reachable())
        await cyton.until_received(b"sv")
        assert not watch.done()
        cyton.on = True
        await asyncio.wait_for(watch, PATIENCE_S)
        async with running(live, collector := EventCollector()):
            await collector.until_samples(50)


async def test_loss_is_exact() -> None:
    async with board(time_scale=1.0) as cyton:
        cyton.skip = {100, 200, 201, 202, *range(300, 400)}
        collector = EventCollector()
        live = source(cyton.path, now)
        async with running(live, collector):
            await collector.until_samples(500)
        assert live.lost == len(cyton.skip)
        kept = np.array([n for n in range(3000) if n not in cyton.skip])[:500]
        assert np.array_equal(collector.index[:500], kept)
        gaps = [frame.first_sample for frame in collector.of(Frame) if frame.gap]
        assert gaps == [101, 203, 400]


async def test_an_unplugged_board_is_lost_and_the_next_run_goes_on() -> None:
    collector = EventCollector()
    live = source("not yet")
    async with board() as first:
        live._link = SerialLink(first.path, BAUD, live._clock)
        async with running(live, collector) as run:
            await collector.until_samples(300)
            first.unplug()
            assert isinstance(await run.ended(), DeviceLost)
        async with running(live, collector) as run:
            assert isinstance(await run.ended(), DeviceLost), "it was there before"
    before = collector.samples
    async with board() as second:
        live._link = SerialLink(second.path, BAUD, live._clock)
        async with running(live, collector):
            await collector.until_samples(before + 300)
    frames = collector.of(Frame)
    assert [frame.first_sample > 0 for frame in frames if frame.gap] == [True]
    assert (np.diff(collector.index) > 0).all()
    assert live.lost > 0


async def test_a_board_that_still_streams_is_reset_first() -> None:
    async with board() as cyton:
        cyton.start()
        collector = EventCollector()
        async with running(source(cyton.path), collector):
            await collector.until_samples(100)
        assert np.array_equal(np.diff(collector.index), np.ones(len(collector.index) - 1))


async def error_of_run(live: CytonSource) -> str:
    with pytest.raises(DriverError) as caught:
        await live.run(EventCollector())
    assert type(caught.value) is DriverError
    return str(caught.value)


async def test_a_board_that_is_off_another_device_and_no_port() -> None:
    async with board() as cyton:
        cyton.on = False
        assert "switch the board on" in await error_of_run(source(cyton.path))
        cyton.deaf = True
        assert "no OpenBCI Cyton answers" in await error_of_run(source(cyton.path, greeting_s=0.2))
    assert "there is no port" in await error_of_run(source("/dev/ttyUSB99"))


def with_daisy(emg: Float32Array) -> CytonBoard:
    """Rows of sixteen as packets of eight: the odd ones first, as the board counts from 1 on."""
    halves = emg.reshape(-1, 8)
    packets = CytonBoard(np.concatenate((np.zeros((1, 8), np.float32), halves)), fast_clock(TIME_SCALE), TIME_SCALE)
    packets.daisy = True
    return packets


@pytest.mark.case("B12")
async def test_any_eight_of_a_cyton_with_a_daisy() -> None:
    emg = made_up(8000).emg.reshape(-1, 16)
    async with with_daisy(emg) as cyton:
        cyton.skip = {21, 22, 40, 61, *range(100, 110)}
        collector = EventCollector()
        clock = fast_clock(TIME_SCALE)
        chosen = [0, 2, 4, 6, 8, 10, 12, 14]
        live = CytonSource("cyton:PORT", SerialLink(cyton.path, BAUD, clock), None, chosen, clock=clock)
        async with running(live, collector):
            await collector.until_samples(300)
        assert cyton.received.startswith(b"svCdb")
    missing = {10, 19, 30, *range(49, 55)}
    kept = np.array([n for n in range(1000) if n not in missing])[:300]
    assert np.array_equal(collector.index[:300], kept)
    assert np.array_equal(collector.emg[:300], (emg[kept][:, chosen].astype(float) * SCALE).astype(np.float32))
    assert live.info.rate_hz == 125.0
    assert live.lost == len(missing)


@pytest.mark.case("B12")
async def test_a_daisy_that_is_not_asked_for_is_switched_off() -> None:
    async with board() as cyton:
        cyton.daisy = True
        async with running(source(cyton.path), collector := EventCollector()):
            await collector.until_samples(20)
        assert cyton.received.startswith(b"svcdb")


@pytest.mark.case("B12")
async def test_a_board_that_does_not_leave_its_daisy_out_is_not_mixed_with_it() -> None:
    emg = made_up(4000).emg.reshape(-1, 16)
    async with with_daisy(emg) as cyton:
        cyton.obeys = False
        live = source(cyton.path)
        async with running(live, collector := EventCollector()):
            await collector.until_samples(100)
    assert np.array_equal(collector.emg[:100], (emg[:100, :8].astype(float) * SCALE).astype(np.float32))
    assert (live.info.rate_hz, live.lost) == (125.0, 0)


@pytest.mark.case("B12")
async def test_channels_of_a_daisy_that_is_not_there() -> None:
    async with board() as cyton:
        live = CytonSource("cyton:PORT", SerialLink(cyton.path, BAUD, now), None, range(8, 16))
        assert "has no Daisy module, and so 8 channels; expected channel 16" in await error_of_run(live)


@pytest.mark.parametrize("text", ["cyton:", "cyton:?hand=left", "cyton:/dev/ttyUSB0?rate=500"])
def test_a_wrong_uri_is_refused(text: str) -> None:
    with pytest.raises(DriverError):
        uri.source_from_uri(text)


def test_the_uri_says_what_it_is() -> None:
    live = uri.source_from_uri("cyton:/dev/ttyUSB0?hand=left")
    assert (live.info.rate_hz, live.info.unit, live.info.hand) == (250.0, "uV", "left")
