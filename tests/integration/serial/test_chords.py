"""`chords:` over pyserial, against a board with the firmware on a pseudo-terminal."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from drivers import uri
from drivers.chords.source import ChordsSource
from drivers.errors import DeviceLost, DriverError
from drivers.events import Frame, SourceInfo
from drivers.source import SupportsPresence
from drivers.transport.serial_port import SerialLink
from tests.fakes.boards import ChordsFirmware
from tests.fakes.hardware import PATIENCE_S, EventCollector, running
from tests.support.signals import fast_clock, made_up

TIME_SCALE = 4.0
EMG = made_up(8000).emg


def board(**more: object) -> ChordsFirmware:
    return ChordsFirmware(EMG, fast_clock(TIME_SCALE), TIME_SCALE, **more)  # type: ignore[arg-type]


def links(path: str) -> list[SerialLink]:
    return [SerialLink(path, baud, fast_clock(TIME_SCALE)) for baud in (230400, 115200)]


def source(path: str, channels: range = range(8), greeting_s: float = 2.0) -> ChordsSource:
    info = SourceInfo("chords:PORT", "Chords board", 0.0)
    clock = fast_clock(TIME_SCALE)
    return ChordsSource(info, [*links(path)], list(channels), clock=clock, greeting_s=greeting_s, ask_s=0.1)


async def test_emg_arrives_sample_for_sample() -> None:
    async with board() as chords:
        collector = EventCollector()
        async with running(source(chords.path), collector):
            await collector.until_samples(1500)
        await chords.until_received(b"START\nSTOP\n")
    assert np.array_equal(collector.emg[:1500], EMG[:1500])
    assert np.array_equal(collector.index[:1500], np.arange(1500))
    (info,) = collector.of(SourceInfo)
    assert (info.name, info.rate_hz, info.unit) == ("Chords STM32F4-BLACK-PILL", 500.0, "adc")


async def test_loss_is_exact() -> None:
    async with board() as chords:
        chords.skip = {100, 200, 201, 202, *range(300, 400)}
        collector = EventCollector()
        live = source(chords.path)
        async with running(live, collector):
            await collector.until_samples(500)
    kept = np.array([n for n in range(3000) if n not in chords.skip])[:500]
    assert np.array_equal(collector.index[:500], kept)
    assert live.lost == len(chords.skip)


async def test_a_board_that_still_streams_is_found() -> None:
    async with board() as chords:
        chords.start()
        collector = EventCollector()
        async with running(source(chords.path), collector):
            await collector.until_samples(200)
    assert np.array_equal(np.diff(collector.index), np.ones(len(collector.index) - 1))


async def test_an_unplugged_board_is_lost_and_the_next_run_goes_on() -> None:
    collector = EventCollector()
    async with board() as first:
        live = source(first.path)
        async with running(live, collector) as run:
            await collector.until_samples(300)
            first.unplug()
            assert isinstance(await run.ended(), DeviceLost)
        async with running(live, collector) as run:
            assert isinstance(await run.ended(), DeviceLost), "it was there before"
    before = collector.samples
    async with board() as second:
        live._links = [*links(second.path)]
        async with running(live, collector):
            await collector.until_samples(before + 300)
    assert sum(frame.gap for frame in collector.of(Frame)) == 1
    assert (np.diff(collector.index) > 0).all()


async def test_it_says_when_the_board_is_on_again() -> None:
    async with board() as chords:
        live = source(chords.path)
        assert isinstance(live, SupportsPresence)
        chords.on = False
        watch = asyncio.ensure_future(live.reachable())
        await chords.until_received(b"WHORU\nSTOP\n")
        assert not watch.done()
        chords.on = True
        await asyncio.wait_for(watch, PATIENCE_S)


async def error_of_run(live: ChordsSource) -> str:
    with pytest.raises(DriverError) as caught:
        await live.run(EventCollector())
    assert type(caught.value) is DriverError
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_what_is_no_board_of_eight_channels_is_refused() -> None:
    async with board(name="UNO-R4") as chords:
        assert "has 6 channels; expected 8 at least: use a board with eight" in await error_of_run(source(chords.path))
    async with board() as chords:
        message = await error_of_run(source(chords.path, range(8, 16)))
        assert "has 8 channels; expected 16 at least" in message
        chords.name = "TEENSY-41"
        assert "calls itself 'TEENSY-41'; known are: NANO-CLASSIC" in await error_of_run(source(chords.path))
        chords.on = False
        assert "no Chords board answers" in await error_of_run(source(chords.path, greeting_s=0.15))
    assert "there is no port" in await error_of_run(source("/dev/ttyUSB99"))


def test_the_uri_says_how() -> None:
    live = uri.source_from_uri("chords:/dev/ttyUSB0?channels=9-16&hand=left")
    assert isinstance(live, ChordsSource)
    assert (live.info.hand, live._channels, len(live._links)) == ("left", list(range(8, 16)), 2)


@pytest.mark.parametrize("text", ["chords:", "chords:COM3?rate=500", "chords:COM3?channels=1-6", "chords:COM3?baud=x"])
def test_a_wrong_uri_is_refused(text: str) -> None:
    with pytest.raises(DriverError):
        uri.source_from_uri(text)
