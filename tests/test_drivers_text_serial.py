"""`serial:` over pyserial, against boards on pseudo-terminals."""

from __future__ import annotations

import numpy as np
import pytest

from drivers import uri
from drivers.base import DeviceLost, DriverError, Frame, SourceInfo
from drivers.clock import Clock, now
from drivers.text_lines import TextRun
from drivers.text_serial import TextSource, measured_rate
from models.hand import Floats
from tests.boards import TextBoard, text_lines
from tests.hardware import Ear, running, session
from tests.signals import fast_clock, made_up

PACE = 6.0


def board(samples: Floats | None = None, rate_hz: float = 200.0, pace: float = PACE) -> TextBoard:
    samples = made_up(20_000).emg if samples is None else samples
    return TextBoard(text_lines(samples), rate_hz, fast_clock(pace), pace)


def source(path: str, rate_hz: float = 200.0, first_line_s: float = 5.0, clock: Clock | None = None) -> TextSource:
    info = SourceInfo("serial:PORT", "board", rate_hz)
    return TextSource(info, path, clock=clock or fast_clock(PACE), first_line_s=first_line_s)


async def test_recorded_emg_arrives_sample_for_sample() -> None:
    emg = session().emg
    async with board(emg) as printer:
        ear = Ear()
        async with running(source(printer.path), ear):
            await ear.until_samples(3000)
    # What the board printed before the port was opened is gone, as on a real one.
    first = next(n for n in range(len(emg)) if np.array_equal(emg[n : n + 50], ear.emg[:50]))
    assert np.array_equal(ear.emg[:3000], emg[first : first + 3000])


async def test_the_rate_is_measured_where_it_is_not_given() -> None:
    rate_hz = 437.0
    async with board(rate_hz=rate_hz, pace=1.0) as printer:
        ear = Ear()
        live = source(printer.path, 0.0, clock=now)
        async with running(live, ear):
            await ear.until_samples(int(2.5 * rate_hz))
    unknown, known = ear.of(SourceInfo)
    assert unknown.rate_hz == 0.0
    assert known.rate_hz == pytest.approx(rate_hz, rel=0.04)
    assert live.info == known
    assert ear.events.index(known) < ear.events.index(ear.of(Frame)[0])
    assert np.array_equal(ear.index, np.arange(len(ear.index))), "nothing held back is lost"
    t = [frame.t for frame in ear.of(Frame)]
    assert t == sorted(t)


async def test_lines_that_are_no_samples_leave_a_gap() -> None:
    async with board(pace=1.0) as printer:
        printer.packets[200] = b"battery low!\r\n"
        ear = Ear()
        live = source(printer.path, clock=now)
        async with running(live, ear):
            await ear.until_samples(500)
    assert live.lost == 1
    assert sum(frame.gap for frame in ear.of(Frame)) == 1


async def test_an_unplugged_board_is_lost_and_the_next_run_goes_on() -> None:
    ear = Ear()
    live = source("not yet")
    async with board() as first:
        live._path = first.path
        async with running(live, ear) as run:
            await ear.until_samples(300)
            first.unplug()
            assert isinstance(await run.ended(), DeviceLost)
        async with running(live, ear) as run:
            assert isinstance(await run.ended(), DeviceLost), "it was there before"
    before = ear.samples
    async with board() as second:
        live._path = second.path
        async with running(live, ear):
            await ear.until_samples(before + 300)
    assert sum(frame.gap for frame in ear.of(Frame)) == 1
    assert (np.diff(ear.index) > 0).all()


async def refusal(live: TextSource) -> str:
    with pytest.raises(DriverError) as caught:
        await live.run(Ear())
    assert type(caught.value) is DriverError
    return str(caught.value)


async def test_what_is_no_emg_board_is_refused() -> None:
    async with board() as printer:
        printer.packets[:] = [b"temperature 21.5\r\n"] * 10_000
        message = await refusal(source(printer.path, first_line_s=0.3))
        assert "prints no lines of 8 numbers at 115200 baud" in message
        assert "temperature" in message
        printer.stop()
        assert "says nothing" in await refusal(source(printer.path, first_line_s=0.2))
    assert "there is no port" in await refusal(source("/dev/ttyUSB99"))


def test_a_rate_is_what_came_after_the_first_run_per_time() -> None:
    def run(count: int, lost: int = 0) -> TextRun:
        return TextRun(np.zeros((count, 8), np.float32), lost)

    assert measured_rate([(run(7), 10.0), (run(50), 10.5), (run(49, 1), 11.0)]) == 100.0


def test_the_uri_says_how() -> None:
    live = uri.open_source("serial:/dev/ttyUSB0?baud=230400&rate=500&unit=uV&mode=filtered&hand=left&first=2")
    assert isinstance(live, TextSource)
    assert (live.info.rate_hz, live.info.unit, live.info.emg_mode, live.info.hand) == (500.0, "uV", "filtered", "left")
    assert uri.open_source("serial:COM3").info.rate_hz == 0.0


@pytest.mark.parametrize(
    "text", ["serial:", "serial:COM3?baud=fast", "serial:COM3?rate=0", "serial:COM3?unit=mV", "serial:COM3?first=0"]
)
def test_a_wrong_uri_is_refused(text: str) -> None:
    with pytest.raises(DriverError):
        uri.open_source(text)
