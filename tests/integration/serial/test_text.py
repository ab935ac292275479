"""`serial:` over pyserial, against boards on pseudo-terminals."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import numpy as np
import pytest

from drivers import uri
from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError
from drivers.events import Frame, Notice, Raw, SourceInfo
from drivers.source import SupportsPresence
from drivers.text import rate
from drivers.text.parser import parse_numbers
from drivers.text.rate import RateWatch, measured_rate
from drivers.text.source import TextSource, sample_clock
from drivers.transport.serial_port import SerialLink
from models.arrays import Float32Array
from tests.fakes.boards import TextBoard, text_lines
from tests.fakes.hardware import LIVE_S, PATIENCE_S, EventCollector, running, session
from tests.support.signals import fast_clock, made_up

TIME_SCALE = 6.0


def board(samples: Float32Array | None = None, rate_hz: float = 200.0, time_scale: float = TIME_SCALE) -> TextBoard:
    samples = made_up(20_000).emg if samples is None else samples
    return TextBoard(text_lines(samples), rate_hz, fast_clock(time_scale), time_scale)


def source(path: str, rate_hz: float = 200.0, first_line_s: float = 5.0, clock: Clock | None = None) -> TextSource:
    info = SourceInfo("serial:PORT", "board", rate_hz)
    clock = clock or fast_clock(TIME_SCALE)
    return TextSource(info, SerialLink(path, 115200, clock), clock=clock, first_line_s=first_line_s)


async def test_recorded_emg_arrives_sample_for_sample() -> None:
    emg = session().emg
    async with board(emg) as printer:
        collector = EventCollector()
        async with running(source(printer.path), collector):
            await collector.until_samples(3000)
    # What the board printed before the port was opened is gone, as on a real one.
    first = next(n for n in range(len(emg)) if np.array_equal(emg[n : n + 50], collector.emg[:50]))
    assert np.array_equal(collector.emg[:3000], emg[first : first + 3000])


async def test_200_hz_in_real_time_without_a_loss() -> None:
    count = int(LIVE_S * 200)
    async with board(time_scale=1.0) as printer:
        collector = EventCollector()
        live = source(printer.path, clock=now)
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
    for emg, collector in zip((one, two), collectors, strict=True):
        start = next(n for n in range(len(emg)) if np.array_equal(emg[n : n + 50], collector.emg[:50]))
        assert np.array_equal(collector.emg[:300], emg[start : start + 300])


async def test_it_reports_when_the_board_sends_again() -> None:
    async with board() as printer:
        live = source(printer.path)
        assert isinstance(live, SupportsPresence)
        printer.stop()
        watch = asyncio.ensure_future(live.reachable())
        printer.start()
        await asyncio.wait_for(watch, PATIENCE_S)
        async with running(live, collector := EventCollector()):
            await collector.until_samples(50)


@pytest.mark.alone
async def test_the_rate_is_measured_where_it_is_not_given() -> None:
    rate_hz = 437.0
    async with board(rate_hz=rate_hz, time_scale=1.0) as printer:
        collector = EventCollector()
        live = source(printer.path, 0.0, clock=now)
        async with running(live, collector):
            await collector.until_samples(int(2.5 * rate_hz))
    unknown, known = collector.of(SourceInfo)
    assert unknown.rate_hz == 0.0
    assert known.rate_hz == pytest.approx(rate_hz, rel=0.04)
    assert live.info == known
    assert collector.events.index(known) < collector.events.index(collector.of(Frame)[0])
    assert np.array_equal(collector.index, np.arange(len(collector.index))), "nothing held back is lost"
    t = [frame.t for frame in collector.of(Frame)]
    assert t == sorted(t)


@pytest.mark.alone
async def test_a_run_that_ends_before_the_rate_is_known_lets_out_what_it_holds() -> None:
    """Stopped, or unplugged: every line that was heard comes out as a sample."""
    for ends in ("stopped", "unplugged"):
        async with board(time_scale=1.0) as printer:
            collector = EventCollector()
            live = source(printer.path, 0.0, clock=now)
            async with running(live, collector) as run:
                await collector.until(lambda collector: len(raw_lines(collector)) > 150)
                assert collector.samples == 0
                if ends == "unplugged":
                    printer.unplug()
                    await run.ended()
        assert np.array_equal(collector.emg, np.array(raw_lines(collector), np.float32))
        assert np.array_equal(collector.index, np.arange(len(collector.index)))
        assert live.info.rate_hz == pytest.approx(200.0, rel=0.1)


@pytest.mark.alone
async def test_a_board_that_falls_silent_before_its_rate_is_known_is_lost() -> None:
    """Else its silence would be taken into the rate, and its samples held for ever."""
    async with board(time_scale=1.0) as printer:
        collector = EventCollector()
        live = source(printer.path, 0.0, clock=now)
        async with running(live, collector) as run:
            await collector.until(lambda collector: len(raw_lines(collector)) > 150)
            printer.stop()
            error = await run.ended()
    assert isinstance(error, DeviceLost)
    assert "fell silent" in str(error)
    assert collector.samples > 150
    assert live.info.rate_hz == pytest.approx(200.0, rel=0.1)


async def test_bytes_that_waited_in_the_port_do_not_spoil_the_rate() -> None:
    """A second of lines waits when the port is opened, and more than fits into it."""
    async with board(rate_hz=500.0) as printer:
        for line in printer.packets[:1500]:
            printer.send(line)
        collector = EventCollector()
        live = source(printer.path, 0.0)
        live._link = SerialLink(printer.path, 115200, live._clock, discard_s=0.1)
        async with running(live, collector):
            await collector.until_samples(1200)
    assert live.info.rate_hz == pytest.approx(500.0, rel=0.03)


@pytest.mark.case("F11")
async def test_a_board_that_floods_is_told_of_and_read_again_when_it_has_stopped() -> None:
    async with board() as printer:
        collector = EventCollector()
        live = source(printer.path)
        async with running(live, collector) as run:
            await collector.until_samples(200)
            printer.packets *= 20
            printer._period /= 20
            printer.stop()
            printer.start()
            error = await run.ended()
        assert isinstance(error, DeviceLost)
        assert re.search(r"sends \d+ lines a second, not 200; mend the board, or say its rate", str(error))
        before = collector.samples
        async with running(live, collector):
            await collector.until(lambda collector: len(collector.of(Notice)) == 2)
            sent = printer.at
            while printer.at < sent + 40_000:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert collector.samples == before, "what comes meanwhile is no sample"
            printer._period *= 20
            printer.stop()
            printer.at = 0
            printer._unsent.clear()
            printer.start()
            await collector.until_samples(before + 400)
            end = live._clock()
    t = [frame.t for frame in collector.of(Frame)]
    assert t == sorted(t)
    assert (np.diff(collector.index) > 0).all()
    assert t[-1] == pytest.approx(end, abs=0.5)


def raw_lines(collector: EventCollector) -> list[list[float]]:
    """The lines of numbers in the bytes that came, but for the first line, which may be a part of one."""
    lines = b"".join(raw.data for raw in collector.of(Raw)).split(b"\r\n")[1:-1]
    return [numbers for line in lines if len(numbers := parse_numbers(line)) == 8]


async def test_lines_that_are_no_samples_leave_a_gap() -> None:
    async with board(time_scale=1.0) as printer:
        printer.packets[200] = b"battery low!\r\n"
        collector = EventCollector()
        live = source(printer.path, clock=now)
        async with running(live, collector):
            await collector.until_samples(500)
    assert live.lost == 1
    assert sum(frame.gap for frame in collector.of(Frame)) == 1


async def test_an_unplugged_board_is_lost_and_the_next_run_goes_on() -> None:
    collector = EventCollector()
    live = source("not yet")
    async with board() as first:
        live._link = SerialLink(first.path, 115200, live._clock)
        async with running(live, collector) as run:
            await collector.until_samples(300)
            first.unplug()
            assert isinstance(await run.ended(), DeviceLost)
        async with running(live, collector) as run:
            assert isinstance(await run.ended(), DeviceLost), "it was there before"
    before = collector.samples
    async with board() as second:
        live._link = SerialLink(second.path, 115200, live._clock)
        async with running(live, collector):
            await collector.until_samples(before + 300)
    assert sum(frame.gap for frame in collector.of(Frame)) == 1
    assert (np.diff(collector.index) > 0).all()


async def error_of_run(live: TextSource) -> str:
    with pytest.raises(DriverError) as caught:
        await live.run(EventCollector())
    assert type(caught.value) is DriverError
    return str(caught.value)


async def test_what_is_no_emg_board_is_refused() -> None:
    async with board() as printer:
        printer.packets[:] = [b"temperature 21.5\r\n"] * 10_000
        message = await error_of_run(source(printer.path, first_line_s=0.3))
        assert "prints no lines of 8 numbers at 115200 baud" in message
        assert "temperature" in message
        printer.stop()
        assert "says nothing" in await error_of_run(source(printer.path, first_line_s=0.2))
    assert "there is no port" in await error_of_run(source("/dev/ttyUSB99"))


def test_a_rate_is_what_came_after_the_first_run_per_time() -> None:
    assert measured_rate([(7, 10.0), (50, 10.5), (50, 11.0)]) == 100.0


def test_what_waited_at_the_start_does_not_count() -> None:
    backlog = [(3000, 10.0)]
    assert measured_rate(backlog + [(5, 10.01 + 0.01 * n) for n in range(200)]) == pytest.approx(500.0, rel=0.01)


def test_a_rate_that_was_wrong_is_corrected() -> None:
    watch = RateWatch(662.0)
    found = [each for n in range(1600) if (each := watch.add(5, 100.0 + 0.01 * n))]
    assert found == [pytest.approx(500.0, rel=0.003)]


@pytest.mark.parametrize("rate_hz", [495.0, 505.0])
def test_a_rate_that_was_right_stays(rate_hz: float) -> None:
    watch = RateWatch(500.0)
    rng = np.random.default_rng(3)
    assert not any(watch.add(int(n), 100.0 + 0.01 * k) for k, n in enumerate(rng.poisson(rate_hz * 0.01, 4000)))


async def test_a_corrected_rate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "SPAN_S", 1.0)
    async with board(rate_hz=500.0) as printer:
        printer.packets *= 10
        collector = EventCollector()
        live = source(printer.path, 0.0)
        async with running(live, collector):
            await collector.until_samples(10)
            live._watch = RateWatch(600.0)
            live._samples = sample_clock(600.0)
            live.info = replace(live.info, rate_hz=600.0)
            await collector.until(lambda collector: len(collector.of(SourceInfo)) == 3, 60)
            await collector.until_samples(collector.samples + 2000)
            lost = live.lost
            await collector.until_samples(collector.samples + 500)
    assert live.info.rate_hz == pytest.approx(500.0, rel=0.03)
    assert live.lost - lost < 100, "it no longer grows for ever"


def test_the_uri_says_how() -> None:
    live = uri.source_from_uri("serial:/dev/ttyUSB0?baud=230400&rate=500&unit=uV&mode=filtered&hand=left&first=2")
    assert isinstance(live, TextSource)
    assert (live.info.rate_hz, live.info.unit, live.info.emg_mode, live.info.hand) == (500.0, "uV", "filtered", "left")
    assert uri.source_from_uri("serial:COM3").info.rate_hz == 0.0


@pytest.mark.parametrize(
    "text", ["serial:", "serial:COM3?baud=fast", "serial:COM3?rate=0", "serial:COM3?unit=kg", "serial:COM3?first=0"]
)
def test_a_wrong_uri_is_refused(text: str) -> None:
    with pytest.raises(DriverError):
        uri.source_from_uri(text)
