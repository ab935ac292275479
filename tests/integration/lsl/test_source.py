"""`lsl:` against outlets of another process."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from drivers import uri
from drivers.clock import now
from drivers.errors import DeviceLost, DriverError
from drivers.events import Frame, SourceInfo
from drivers.lsl.source import LslSource, consecutive
from tests.fakes.hardware import EventCollector, running

pylsl: Any = pytest.importorskip("pylsl")

pytestmark = pytest.mark.alone

OUTLET = """
import sys, time, pylsl
name, unit, skip = sys.argv[1], sys.argv[4], sys.argv[5]
channels, rate = map(float, sys.argv[2:4])
info = pylsl.StreamInfo(name, "EMG", int(channels), rate, "float32", name)
if unit:
    info.set_channel_units([unit] * int(channels))
outlet = pylsl.StreamOutlet(info)
print("open", flush=True)
if not outlet.wait_for_consumers(60):
    sys.exit(1)
begin, step, n = pylsl.local_clock(), 1 / (rate or 200.0), 0
while True:
    if skip and n == int(skip):
        n += 100
    pause = begin + n * step - pylsl.local_clock()
    if pause > 0:
        time.sleep(pause)
    outlet.push_sample([n + 0.125 * c for c in range(int(channels))], begin + n * step)
    n += 1
"""


@asynccontextmanager
async def outlet(
    channels: int = 8, rate_hz: float = 500.0, unit: str = "", skip: str = "", name: str | None = None
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A stream of its own process: value n + channel / 8 at sample n."""
    name = name or f"myocast-test-{uuid.uuid4().hex}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OUTLET, name, str(channels), str(rate_hz), unit, skip, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).strip() == b"open"
        yield name, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def source(name: str, options: str = "") -> LslSource:
    live = uri.source_from_uri(f"lsl:{name}{options}")
    assert isinstance(live, LslSource)
    live._resolve_s = 10.0
    return live


@pytest.mark.peer
async def test_every_sample_arrives_with_its_time() -> None:
    async with outlet(unit="microvolts") as (name, _):
        collector = EventCollector()
        live = source(name)
        async with running(live, collector):
            await collector.until_samples(1000)
    searched, info = collector.of(SourceInfo)
    assert searched.rate_hz == 0.0
    assert (info.name, info.rate_hz, info.unit) == (name, 500.0, "uV")
    first = collector.emg[0, 0]
    assert np.array_equal(collector.emg, first + np.arange(len(collector.emg))[:, None] + np.arange(8) / 8)
    assert np.array_equal(collector.index, np.arange(len(collector.index)))
    assert live.lost == 0
    frames = collector.of(Frame)
    t = [frame.t for frame in frames]
    assert t == sorted(t)
    assert (t[-1] - t[0]) * 500 == pytest.approx(frames[-1].first_sample, rel=0.05)
    assert abs(now() - t[-1]) < 60


@pytest.mark.peer
async def test_channels_are_chosen_and_a_gap_is_counted() -> None:
    async with outlet(channels=16, skip="400") as (name, _):
        collector = EventCollector()
        live = source(name, "?channels=2-5,9-12&rate=500&unit=uV")
        async with running(live, collector):
            await collector.until(lambda collector: any(frame.gap for frame in collector.of(Frame)))
            await collector.until_samples(collector.samples + 100)
    chosen = np.array([1, 2, 3, 4, 8, 9, 10, 11]) / 8
    assert np.array_equal(collector.emg - collector.emg[:, :1], np.tile(chosen - chosen[0], (len(collector.emg), 1)))
    (gap,) = [frame.first_sample for frame in collector.of(Frame) if frame.gap]
    assert live.lost == pytest.approx(100, abs=5)
    assert gap == pytest.approx(500 - collector.emg[0, 0], abs=6)
    assert live.info.unit == "uV"


@pytest.mark.peer
async def test_a_stream_that_ends_is_lost_and_the_next_run_goes_on() -> None:
    collector = EventCollector()
    async with outlet() as (name, process):
        live = source(name)
        async with running(live, collector) as run:
            await collector.until_samples(200)
            process.kill()
            assert isinstance(await run.ended(), DeviceLost)
    before = collector.samples
    async with outlet(name=name), running(live, collector):
        await collector.until_samples(before + 200)
    gaps = [frame for frame in collector.of(Frame) if frame.gap]
    assert len(gaps) == 1
    assert (np.diff(collector.index) > 0).all()
    assert live.lost > 0


async def error_of_run(live: LslSource) -> str:
    with pytest.raises(DriverError) as caught:
        await live.run(EventCollector())
    assert type(caught.value) is DriverError
    return str(caught.value)


@pytest.mark.peer
async def test_what_is_no_emg_of_eight_channels_is_refused() -> None:
    async with outlet(channels=4) as (name, _):
        assert "has 4 channels; expected EMG with channel 8" in await error_of_run(source(name))
    async with outlet(rate_hz=0.0) as (name, _):
        assert "no nominal rate" in await error_of_run(source(name))
    missing = source("no such stream")
    missing._resolve_s = 0.1
    assert "there is no LSL stream named 'no such stream'" in await error_of_run(missing)


@pytest.mark.peer
@pytest.mark.case("B42")
async def test_a_stream_that_is_not_there_is_answered_with_those_that_are() -> None:
    async with outlet() as (name, _):
        missing = source(name.upper())
        missing._resolve_s = 0.3
        message = await error_of_run(missing)
    assert f"{name!r} (EMG, 8 channels, source_id={name})" in message


@pytest.mark.peer
@pytest.mark.case("B40")
async def test_two_sources_never_read_the_same_stream_unasked() -> None:
    async with outlet() as (name, _):
        first = EventCollector()
        async with running(source(name), first):
            await first.until_samples(10)
            second = source(name)
            second._resolve_s = 0.5
            assert "is read by another source already" in await error_of_run(second)
            shared = EventCollector()
            async with running(source(name, f"?source_id={name}"), shared):
                await shared.until_samples(10)


def test_stamps_far_apart_cut_a_chunk() -> None:
    t = np.array([0.0, 0.005, 0.010, 0.5, 0.505])
    assert list(consecutive(t, 200.0)) == [slice(0, 3), slice(3, 5)]


@pytest.mark.parametrize("text", ["lsl:x?channels=1-3", "lsl:x?rate=-1", "lsl:x?speed=2", "lsl:x?unit=kg"])
def test_a_wrong_option_is_refused(text: str) -> None:
    with pytest.raises(DriverError):
        uri.source_from_uri(text)
