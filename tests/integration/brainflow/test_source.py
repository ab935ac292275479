"""`brainflow:` and `mindrove:` with the real libraries: their synthetic boards, a file, another program, a Cyton."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from drivers import uri
from drivers.clock import now
from drivers.errors import DeviceLost, DriverError
from drivers.events import Frame, SourceInfo
from tests.fakes.boards import SCALE, CytonBoard
from tests.fakes.hardware import EventCollector, running
from tests.support.signals import made_up

pytest.importorskip("brainflow")
from drivers.brainflow.source import BoardSource

SENDER = """
import sys, time
from brainflow.board_shim import BoardShim, BrainFlowInputParams
BoardShim.disable_board_logger()
board = BoardShim(-1, BrainFlowInputParams())
board.prepare_session()
board.add_streamer(sys.argv[1])
board.start_stream(10000)
print("sends", flush=True)
time.sleep(60)
"""


def source(text: str, first_s: float = 5.0) -> BoardSource:
    live = uri.source_from_uri(text)
    assert isinstance(live, BoardSource)
    live._first_s = first_s
    return live


@pytest.mark.parametrize("scheme", ["brainflow", "mindrove"])
async def test_the_synthetic_board_streams_stops_and_returns(scheme: str) -> None:
    pytest.importorskip(scheme)
    live = source(f"{scheme}:-1?channels=2-9")
    collector = EventCollector()
    for count in (100, 200):
        async with running(live, collector):
            await collector.until_samples(count)
    info = collector.of(SourceInfo)[0]
    assert (info.name, info.rate_hz, info.unit, info.channels) == ("Synthetic", 250.0, "uV", 8)
    assert np.isfinite(collector.emg).all()
    assert collector.emg.std(axis=0).min() > 0
    assert (np.diff(collector.index) > 0).all()
    frames = collector.of(Frame)
    assert sum(frame.gap for frame in frames) == 1
    t = [frame.t for frame in frames]
    assert t == sorted(t)
    assert t[-1] <= now()


async def test_a_stop_while_the_board_is_left_waits_for_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    from brainflow.board_shim import BoardShim

    live, collector = source("brainflow:-1"), EventCollector()
    leaving, go_on, left = threading.Event(), threading.Event(), threading.Event()
    release = BoardShim.release_session

    def slow_release(board: BoardShim) -> None:
        leaving.set()
        go_on.wait(5.0)
        release(board)
        left.set()

    monkeypatch.setattr(BoardShim, "release_session", slow_release)
    run = asyncio.create_task(live.run(collector))
    await collector.until_samples(20)
    run.cancel()
    assert await asyncio.to_thread(leaving.wait, 5.0)
    run.cancel()
    assert not (await asyncio.wait((run,), timeout=0.05))[0]
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert left.is_set()


async def test_two_sources_do_not_share_a_board() -> None:
    collector = EventCollector()
    async with running(source("brainflow:-1"), collector):
        await collector.until_samples(20)
        assert "another source of this program reads Synthetic already" in await error_of_run(source("brainflow:-1"))
        mine = EventCollector()
        async with running(source("brainflow:-1?other_info=second"), mine):
            await mine.until_samples(20)


async def test_a_cyton_through_brainflow_is_the_cyton_of_our_own() -> None:
    """Their driver, our board: the same microvolts come out as of ours."""
    async with CytonBoard(made_up(4000).emg, now, 1.0) as board:
        collector = EventCollector()
        live = source(f"brainflow:cyton?serial_port={board.path}", first_s=15.0)
        async with running(live, collector):
            await collector.until_samples(150)
    assert (live.info.name, live.info.rate_hz, live.info.address) == ("Cyton", 250.0, board.path)
    sent = (made_up(4000).emg.astype(float) * SCALE).astype(np.float32)
    first = next(n for n in range(len(sent)) if np.allclose(sent[n : n + 20], collector.emg[:20], atol=1e-3))
    assert np.allclose(collector.emg[:150], sent[first : first + 150], atol=1e-3)
    assert live.lost == 0


async def test_a_recording_of_brainflow_is_played_by_its_playback_board(tmp_path: Path) -> None:
    rows = np.zeros((400, 24))
    rows[:, 0] = np.arange(400) % 256
    rows[:, 1:9] = made_up(400).emg
    rows[:, 22] = 1.7e9 + np.arange(400) / 250
    file = tmp_path / "brainflow.csv"
    file.write_text("\n".join("\t".join(f"{value:.6f}" for value in row) for row in rows) + "\n")
    collector = EventCollector()
    async with running(source(f"brainflow:-3?file={file}&master_board=cyton"), collector):
        await collector.until_samples(100)
    assert np.allclose(collector.emg[:100], made_up(400).emg[:100], atol=1e-4)


async def test_another_program_that_stops_sending_and_comes_back() -> None:
    address = "225.1.1.1:6677"

    async def sender() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SENDER, f"streaming_board://{address}", stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"sends\n"
        return process

    live = source("brainflow:-2?ip_address=225.1.1.1&ip_port=6677&master_board=-1", first_s=0.3)
    message = await error_of_run(live)
    if "cannot be read" in message:
        pytest.skip("this system has no multicast")
    assert "gives no samples within 0.3 s; check that it is on and sends" in message
    live._first_s = 10.0
    collector = EventCollector()
    for count in (50, 100):
        process = await sender()
        try:
            async with running(live, collector):
                await collector.until_samples(count)
        finally:
            process.kill()
            await process.communicate()
    assert (np.diff(collector.index) > 0).all()
    assert sum(frame.gap for frame in collector.of(Frame)) >= 1


async def error_of_run(live: BoardSource) -> str:
    with pytest.raises(DriverError) as caught:
        await live.run(EventCollector())
    assert type(caught.value) is DriverError
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_board_that_cannot_be_opened() -> None:
    assert "check ?serial_port=" in await error_of_run(source("brainflow:0?serial_port=/dev/ttyUSB99"))
    assert "give what it is reached by: ?serial_port=" in await error_of_run(source("brainflow:0"))


async def test_a_board_that_was_there_is_lost() -> None:
    live = source("brainflow:-1")
    collector = EventCollector()
    async with running(live, collector):
        await collector.until_samples(20)
    other = EventCollector()
    async with running(source("brainflow:-1"), other):
        await other.until_samples(20)
        with pytest.raises(DeviceLost, match="another source"):
            await live.run(collector)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("brainflow:", "names no board that BrainFlow knows"),
        ("brainflow:9999", "names no board that BrainFlow knows"),
        ("brainflow:toaster", "expected a number or a name, such as brainflow:-1 (synthetic) or brainflow:cyton"),
        ("brainflow:ganglion", "has 4 channels; expected channel 8"),
        ("brainflow:-1?channels=10-17", "has 16 channels; expected channel 17"),
        ("brainflow:-2", "does not say of which board it is; add it: ?master_board=-1"),
        ("brainflow:-3?master_board=0&file=/no/such", "there is no such file"),
        ("brainflow:0?ip_port=99999", "expected a number from 0 to 65535"),
        ("brainflow:0?speed=2", "unknown option `speed`"),
    ],
)
def test_a_wrong_uri_is_refused(text: str, message: str) -> None:
    with pytest.raises(DriverError) as caught:
        uri.source_from_uri(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mindrove_is_an_armband_of_eight_at_500_hz() -> None:
    """As far as this goes without one: what its package says of it."""
    pytest.importorskip("mindrove")
    live = source("mindrove:?hand=left")
    assert (live.info.name, live.info.rate_hz, live.info.unit, live.info.hand) == ("MindRoveWifi", 500.0, "uV", "left")
    assert live._rows == list(range(8))
    with pytest.raises(DriverError, match="names no board that MindRove knows"):
        source("mindrove:77")
