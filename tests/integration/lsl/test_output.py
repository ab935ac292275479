"""LSL outlets, read by an inlet in another process."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.clock import now
from drivers.events import Frame, Marker, Playback, SourceInfo
from models.hand import JOINTS
from myocast_client import connect
from service.outputs.lsl import EMG, HAND, HAND_LABELS, MARKERS, LslError, LslOutput
from tests.fakes.simple_hand import make_hand, make_pose
from tests.fakes.small_session import write_session
from tests.support.console import Console

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parents[3]
INLET = """
import json, sys, pylsl
name, uri, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path.insert(0, sys.argv[4])
from service.outputs.lsl import _source_id
identity = _source_id(name, 0, uri)
stream, = pylsl.resolve_byprop("source_id", identity, 1, 60.0)
inlet = pylsl.StreamInlet(stream, recover=True)
inlet.open_stream(60.0)
info = inlet.info()
print(json.dumps({
    "name": info.name(), "type": info.type(), "rate": info.nominal_srate(), "channels": info.channel_count(),
    "labels": info.get_channel_labels(), "units": info.get_channel_units(), "source_id": info.source_id(),
}), flush=True)
samples, times = [], []
while len(samples) < count:
    sample, time = inlet.pull_sample(60.0)
    samples.append(sample)
    times.append(time)
print(json.dumps({"samples": samples, "times": times}), flush=True)
"""


def source(uri: str, rate_hz: float = 200.0) -> SourceInfo:
    return SourceInfo(uri=uri, name="band", rate_hz=rate_hz, unit="uV")


def uri() -> str:
    return f"serial:test-{uuid.uuid4().hex}"


class Inlet:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read_json(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        result: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return result


@asynccontextmanager
async def inlet(name: str, uri: str, count: int) -> AsyncIterator[Inlet]:
    """An inlet in another process: its first line tells the stream, its second what came."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", INLET, name, uri, str(count), str(ROOT),
        stdout=asyncio.subprocess.PIPE, limit=2**20,
    )  # fmt: skip
    try:
        yield Inlet(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def lsl_time(t: float) -> float:
    import pylsl

    return float(pylsl.local_clock() + t - now())


async def test_emg_arrives_with_the_samples_own_times() -> None:
    address = uri()
    rows = np.arange(48, dtype=np.float32).reshape(6, 8)
    async with LslOutput() as output:
        output.on_event(0, source(address))
        assert output.names == [EMG, HAND, MARKERS]
        async with inlet(EMG, address, 6) as peer:
            about = await peer.read_json()
            output.on_event(0, Frame(first_sample=0, t=now() - 3.0, samples=rows[:4], arrival=now()))
            second = now() - 2.5
            output.on_event(0, Frame(first_sample=4, t=second, samples=rows[4:], arrival=now()))
            got = await peer.read_json()
            expected = await lsl_time(second)
    assert (about["name"], about["type"], about["rate"], about["channels"]) == ("Myocast-EMG", "EMG", 200.0, 8)
    assert about["labels"] == [f"ch{k}" for k in range(1, 9)]
    assert set(about["units"]) == {"microvolts"}
    np.testing.assert_array_equal(got["samples"], rows)
    np.testing.assert_allclose(np.diff(got["times"][:4]), 1 / 200, atol=1e-6)
    assert got["times"][4] == pytest.approx(expected, abs=0.005)
    assert got["times"][5] - got["times"][4] == pytest.approx(1 / 200, abs=1e-6)


async def test_the_hand_is_63_labelled_channels_in_mm() -> None:
    address = uri()
    joints = make_hand(0.3, "left")
    async with LslOutput() as output:
        output.on_event(0, source(address))
        async with inlet(HAND, address, 2) as peer:
            about = await peer.read_json()
            times = (now() - 0.5, now() - 0.25)
            for t in times:
                output.on_event(0, make_pose(t, joints, "left"))
            got = await peer.read_json()
            expected = [await lsl_time(t) for t in times]
    assert (about["name"], about["type"], about["channels"]) == ("Myocast-Hand", "MoCap", 63)
    assert about["labels"] == list(HAND_LABELS)
    assert about["labels"][:4] == ["wrist_x", "wrist_y", "wrist_z", f"{JOINTS[1]}_x"]
    assert set(about["units"]) == {"mm"}
    np.testing.assert_array_equal(got["samples"], [joints.tolist()] * 2)
    np.testing.assert_allclose(got["times"], expected, atol=0.005)


async def test_markers() -> None:
    address = uri()
    async with LslOutput() as output:
        output.on_event(0, source(address))
        async with inlet(MARKERS, address, 1) as peer:
            await peer.read_json()
            t = now() - 0.1
            output.on_event(0, Marker(t, "fist é"))
            got = await peer.read_json()
            expected = await lsl_time(t)
    assert got["samples"] == [["fist é"]]
    assert got["times"] == pytest.approx([expected], abs=0.005)


async def test_an_inlet_recovers_when_the_server_starts_anew() -> None:
    address = uri()
    async with LslOutput() as output:
        output.on_event(0, source(address))
        async with inlet(HAND, address, 2) as peer:
            await peer.read_json()
            output.on_event(0, make_pose(now(), make_hand(0.0)))
            await output.__aexit__(None, None, None)
            assert output.names == []
            async with LslOutput() as next_output:
                next_output.on_event(0, source(address))
                read_json = asyncio.ensure_future(peer.read_json())
                while not read_json.done():
                    next_output.on_event(0, make_pose(now(), make_hand(0.5)))
                    await asyncio.wait([read_json], timeout=0.05)
                got = read_json.result()
    np.testing.assert_array_equal(got["samples"][0], make_hand(0.0))
    np.testing.assert_array_equal(got["samples"][1], make_hand(0.5))


async def test_a_second_armband_has_streams_of_its_own_and_a_changed_rate_a_new_stream() -> None:
    address = uri()
    async with LslOutput() as output:
        output.on_event(0, source(address, rate_hz=0.0))
        output.on_event(0, Frame(first_sample=0, t=now(), samples=np.zeros((1, 8), np.float32), arrival=now()))
        assert output.names == []
        output.on_event(0, source(address))
        before = dict(output._outlets)
        output.on_event(0, source(address))
        output.on_event(0, Playback(0.0, 10.0, 2.0, False))
        assert output._outlets == before
        output.on_event(0, source(address, rate_hz=250.0))
        assert output._outlets[HAND, 0] is before[HAND, 0]
        assert output._outlets[EMG, 0] is not before[EMG, 0]
        output.on_event(1, source(address))
        assert sorted(output.names) == sorted([EMG, HAND, MARKERS, f"{EMG}-2", f"{HAND}-2", f"{MARKERS}-2"])


async def test_without_pylsl_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(LslError, match=r"pip install .*\[lsl\]") as caught:
        await LslOutput().__aenter__()
    assert "\n" not in str(caught.value)


async def test_the_server_itself(console: Console, tiny_window: Path) -> None:
    session = write_session(console.folder / "session.csv", 60)
    server = console.serve(f"replay:{session}", "--model", tiny_window, "--lsl")
    async with connect(server.url) as client:
        assert client.hello is not None
        assert client.hello.device is not None
        address = client.hello.device["uri"]
    async with inlet(EMG, address, 100) as emg, inlet(HAND, address, 20) as hand:
        about = [await peer.read_json() for peer in (emg, hand)]
        got_emg, got_hand = [await peer.read_json() for peer in (emg, hand)]
    assert [(a["name"], a["rate"]) for a in about] == [("Myocast-EMG", 200.0), ("Myocast-Hand", 0.0)]
    k = np.round((np.array(got_emg["times"]) - got_emg["times"][0]) * 200)
    np.testing.assert_array_equal(k, np.arange(100))
    hops = np.diff(got_hand["times"]) * 200 / 4  # a skipped window makes a longer one
    np.testing.assert_allclose(hops, np.round(hops), atol=0.05)
    assert np.all(hops > 0.5)
    assert np.all(np.isfinite(got_hand["samples"]))
