"""`myocast emulate` as a user runs it: a dongle that other programs can connect to."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from drivers.errors import DeviceLost
from drivers.events import Battery, Frame
from drivers.myo.bled112_transport import Bled112Transport
from drivers.myo.source import MyoSource
from drivers.myo.stream import MyoConfig
from tests.fakes.hardware import EventCollector, running
from tests.support.console import Console
from tests.support.signals import made_up


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A session as bare columns."""
    path = tmp_path / "session.txt"
    np.savetxt(path, made_up(2000).emg, fmt="%d", delimiter=",")
    return path


@contextmanager
def emulator(console: Console, *arguments: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = console.start("emulate", *arguments)
    assert process.stdout is not None
    yield process.stdout.readline().strip(), process


async def test_a_session_is_played_to_whoever_connects(console: Console, file: Path) -> None:
    with emulator(console, file, "--battery", 12, "--name", "Film") as (port, process):
        collector = EventCollector()
        live = MyoSource("dongle:", MyoConfig(), Bled112Transport(port))
        async with running(live, collector):
            await collector.until_samples(200)
        assert np.array_equal(collector.emg[:200], made_up(2000).emg[:200])
        assert collector.of(Battery)[0].percent == 12
        assert live.info.name == "Film"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
        assert process.stderr is not None
        assert "notifications sent, 0 dropped" in process.stderr.read()


async def test_faults_come_on_demand(console: Console, file: Path) -> None:
    with emulator(console, file, "--drop", 0.1, "--disconnect-every", 1.5, "--seed", 1) as (port, process):
        collector = EventCollector()
        live = MyoSource("dongle:", MyoConfig(), Bled112Transport(port))
        for _ in range(2):
            async with running(live, collector) as run:
                assert isinstance(await run.ended(), DeviceLost)
        assert live.lost > 0
        assert any(frame.gap for frame in collector.of(Frame))
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 30) == 0


def test_what_is_no_session_of_a_myo_is_refused(console: Console, file: Path, tmp_path: Path) -> None:
    fast = tmp_path / "fast.csv"
    index = np.arange(500)[:, None]
    header = "t," + ",".join(f"ch{n}" for n in range(1, 9))
    np.savetxt(fast, np.hstack([index / 1000, np.zeros((500, 8))]), delimiter=",", header=header, comments="")
    for arguments in ((fast,), (tmp_path / "none.mcap",), (file, "--drop", 2), (file, "--address", "AA")):
        answer = console.run("emulate", *arguments)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert len(answer.stderr.splitlines()) == 1
