"""One running server: its parts start and stop in order, and the path from sample to pose is the offline one."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.errors import DriverError
from drivers.replay.source import ReplaySource
from drivers.sessions import SessionWriter, read_session
from models.recording import Recording
from models.spec import ModelError
from service.devices.supervisor import DriverFault
from service.engine.pose import Pose
from service.guard import PartFailed
from service.recording.errors import RecordingExists
from service.run import READY, addresses, run
from service.settings import ServiceConfig
from service.web.access import AccessPolicy
from service.web.listener import PortError
from service.web.uvicorn_adapter import HttpServer
from service.wiring import Service
from tests.fakes.models_onnx import HOP, WINDOW, offline, offline_stream
from tests.fakes.outputs import CollectingOutput
from tests.fakes.sources import INFO, Puppet, Script, frame, frames, ramp
from tests.support.live_server import TIMEOUT_S, receive, recorded, serving


def session(path: Path, seconds: float = 12.0) -> Recording:
    """A recorded session with a gap in the middle, through a real file."""
    count = int(200 * seconds)
    emg = np.random.default_rng(5).integers(-128, 128, (count, 8)).astype(np.float32)
    with SessionWriter(path) as writer:
        writer.write(INFO)
        for start in range(0, count, 2):
            sample = start if start < count // 2 else start + 100
            one = frame(sample, 2)
            writer.write(replace(one, samples=emg[start : start + 2], gap=start == count // 2))
    recording = read_session(path)
    np.testing.assert_array_equal(recording.emg, emg)
    return recording


async def poses_of(source: Any, model: Path) -> tuple[list[Pose], Service]:
    """Every pose that a server makes of a replay."""
    taken = CollectingOutput()
    async with serving([source], model=model) as live:
        live.service.add_output(taken)
        device = live.service.devices[0]
        await live.until(lambda: device.status.state == "ended")
        engine = device.engine
        assert engine is not None
        await live.until(lambda: engine.poses + engine.skipped + engine.invalid == engine.due)
        return taken.poses, live.service


async def test_a_replay_gives_bit_for_bit_what_the_model_gives_on_the_same_windows(
    tiny_window: Path, tmp_path: Path
) -> None:
    recording = session(tmp_path / "s.mcap")
    poses, service = await poses_of(ReplaySource(recording, speed=4.0), tiny_window)
    row = {int(sample): index for index, sample in enumerate(recording.sample - recording.sample[0])}
    ends = np.array([row[pose.sample] + 1 for pose in poses])
    windows = np.stack([recording.emg[end - WINDOW : end] for end in ends])
    np.testing.assert_array_equal(np.stack([pose.joints for pose in poses]), offline(tiny_window, windows))
    grid = [end for part in recording.segments() for end in range(part.start + WINDOW, part.stop + 1, HOP)]
    assert set(ends.tolist()) <= set(grid)
    assert len(poses) + sum(pose.skipped for pose in poses) == len(grid)
    assert [pose.seq for pose in poses] == list(range(len(poses)))
    assert [pose.gap for pose in poses].count(True) == 1
    assert service.devices[0].status.samples == len(recording)


async def test_a_replay_gives_bit_for_bit_what_a_streaming_model_gives_on_the_same_chunks(
    tiny_stream: Path, tmp_path: Path
) -> None:
    recording = session(tmp_path / "s.mcap")
    poses, _ = await poses_of(ReplaySource(recording, speed=4.0), tiny_stream)
    row = {int(sample): index for index, sample in enumerate(recording.sample - recording.sample[0])}
    made = {row[pose.sample] + 1: pose.joints for pose in poses}
    seen = 0
    for part in recording.segments():
        ends = [end for end in made if part.start < end <= part.stop]
        edges = [part.start, *ends]
        chunks = [recording.emg[start:stop] for start, stop in itertools.pairwise(edges)]
        for end, expected in zip(ends, offline_stream(tiny_stream, chunks), strict=True):
            np.testing.assert_array_equal(made[end], expected)
            seen += 1
    assert seen == len(poses) > 0


async def test_what_is_played_is_recorded_again_sample_for_sample(tiny_window: Path, tmp_path: Path) -> None:
    recording = session(tmp_path / "s.mcap", 4.0)
    async with serving(
        [ReplaySource(recording, speed=10.0)], model=tiny_window, record=tmp_path / "again.mcap"
    ) as live:
        await live.until(lambda: live.service.devices[0].status.state == "ended")
    again = read_session(tmp_path / "again.mcap")
    np.testing.assert_array_equal(again.emg, recording.emg)
    assert len(list(again.segments())) == len(list(recording.segments())) == 2


async def test_a_recording_requested_at_the_start_is_made_with_the_first_sample(
    tiny_window: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    puppet, path = Puppet(), tmp_path / "all.mcap"
    async with serving([puppet], model=tiny_window, record=path) as live:
        await puppet.running.wait()
        puppet.lose("out of reach")
        await live.until(lambda: puppet.runs == 2 and puppet.running.is_set())
        status = (await live.http.get("/api/v1/status")).json()
        assert status["recording"] == {"name": "all", "seconds": 0.0, "bytes": 0}
        assert (await live.post("/api/v1/recording", action="start", name="other")).status_code == 409
        assert not path.exists()
        puppet.emit(*frames(0, 100))
        await live.until(path.exists)
        await live.until(lambda: live.service.devices[0].status.state == "live")
        puppet.emit(*frames(100, 200))
    assert "was not made" not in caplog.text
    np.testing.assert_array_equal(read_session(path).emg, ramp(0, 200))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


async def test_without_a_sample_it_is_not_made_and_that_is_reported(
    tiny_window: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    puppet, path = Puppet(), tmp_path / "all.mcap"
    async with serving([puppet], model=tiny_window, record=path):
        await puppet.running.wait()
    assert warnings(caplog) == [f"{path} was not made: no sample came"]
    assert recorded(tmp_path) == []


async def test_a_source_that_fails_leaves_no_recording_and_one_error(
    tiny_window: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DriverError, match="no such band"):
        async with serving(
            [Script([([], DriverError("no such band"))])], model=tiny_window, record=tmp_path / "all.mcap"
        ) as live:
            await asyncio.wait_for(live.service.stop.wait(), TIMEOUT_S)
    assert (warnings(caplog), recorded(tmp_path)) == ([], [])


async def test_a_recording_that_cannot_be_made_at_the_first_sample_ends_the_server(
    tiny_window: Path, tmp_path: Path
) -> None:
    puppet, path = Puppet(), tmp_path / "all.mcap"
    with pytest.raises(RecordingExists, match=r"all\.mcap exists already"):  # noqa: PT012
        async with serving([puppet], model=tiny_window, record=path) as live:
            await puppet.running.wait()
            path.write_text("mine")
            puppet.emit(frame(0), frame(2))
            assert puppet.running.is_set(), "not the source's fault"
            await asyncio.wait_for(live.service.stop.wait(), TIMEOUT_S)
    assert path.read_text() == "mine"


async def test_everything_it_started_has_ended(tiny_window: Path) -> None:
    before = set(threading.enumerate())
    tasks = asyncio.all_tasks()
    puppet = Puppet()
    async with serving([puppet], model=tiny_window) as live, live.connect() as client:
        await puppet.running.wait()
        puppet.emit(*frames(0, 40))
        await receive(client)
        port = live.port
    assert not puppet.running.is_set()
    assert [t.name for t in set(threading.enumerate()) - before if t.name.startswith("myocast")] == []
    assert asyncio.all_tasks() == tasks
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


async def test_a_source_that_cannot_be_used_ends_the_server(tiny_window: Path) -> None:
    with pytest.raises(DriverError, match="no such band"):
        async with serving([Script([([], DriverError("no such band"))])], model=tiny_window) as live:
            await asyncio.wait_for(live.service.stop.wait(), TIMEOUT_S)


async def test_one_source_that_cannot_be_used_ends_all(tiny_window: Path) -> None:
    with pytest.raises(DriverError, match="second"):
        async with serving([Puppet(), Script([([], DriverError("the second"))])], model=tiny_window) as live:
            await asyncio.wait_for(live.service.stop.wait(), TIMEOUT_S)


async def test_a_model_that_does_not_fit_is_refused_before_anything_is_served(tiny_window: Path) -> None:
    with pytest.raises(ModelError, match="found 250 Hz"):
        async with serving([Puppet(replace(INFO, rate_hz=250.0))], model=tiny_window):
            raise AssertionError("it serves")


async def test_a_model_that_turns_out_not_to_fit_ends_the_server(tiny_window: Path) -> None:
    puppet = Puppet(replace(INFO, rate_hz=0.0))
    with pytest.raises(ModelError, match="found 250 Hz"):  # noqa: PT012
        async with serving([puppet], model=tiny_window) as live:
            await puppet.running.wait()
            puppet.tell(replace(INFO, rate_hz=250.0))
            await asyncio.wait_for(live.service.stop.wait(), TIMEOUT_S)


async def test_a_bug_in_a_driver_comes_out(tiny_window: Path) -> None:
    with pytest.raises(DriverFault, match="ZeroDivisionError"):
        async with serving([Script([([frame(0)], ZeroDivisionError())])], model=tiny_window) as live:
            await asyncio.wait_for(live.service.stop.wait(), TIMEOUT_S)


async def test_a_port_in_use(tiny_window: Path) -> None:
    async with serving([Puppet()], model=tiny_window) as live:
        config = ServiceConfig(("scripted:",), port=live.port, model=tiny_window)
        with pytest.raises(PortError, match=f"{live.port}"):
            await run(config, print, sources=[Puppet()])


async def test_the_ready_line_comes_once_connections_are_accepted(tiny_window: Path) -> None:
    async with serving([Puppet()], model=tiny_window) as live:
        assert live.line == f"{READY}http://127.0.0.1:{live.port}/"
        with socket.create_connection(("127.0.0.1", live.port)):
            pass


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (AccessPolicy(), "http://127.0.0.1:8765/"),
        (AccessPolicy("::1"), "http://[::1]:8765/"),
        (AccessPolicy("0.0.0.0", token="T"), "http://127.0.0.1:8765/#token=T"),
        (AccessPolicy("::"), "http://[::1]:8765/"),
    ],
)
def test_the_printed_address(policy: AccessPolicy, expected: str) -> None:
    assert addresses(policy, 8765)[0] == expected


@pytest.mark.case("B45")
def test_no_printed_address_is_one_that_nobody_can_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.run.machine_addresses", lambda version: ["192.168.7.5"])
    found = addresses(AccessPolicy("0.0.0.0", token="T"), 8765)
    assert found == ["http://127.0.0.1:8765/#token=T", "http://192.168.7.5:8765/#token=T"]


async def test_two_hundred_clients_get_every_pose(tiny_window: Path) -> None:
    from websockets.asyncio.client import connect

    puppet = Puppet()
    async with serving([puppet], model=tiny_window) as live:
        await puppet.running.wait()
        clients = [await connect(live.stream, compression=None) for _ in range(200)]
        for client in clients:
            await receive(client)
        for number in range(5):
            puppet.emit(frame(number * WINDOW, WINDOW))
            seqs = {(await receive(client))["seq"] for client in clients}
            assert seqs == {number}
        assert live.service.hub.dropped == 0
        await asyncio.gather(*(client.close() for client in clients))
        await live.until(lambda: not live.service.hub.clients)


async def test_a_failure_of_the_http_server_stops_everything_and_is_raised(
    tiny_window: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve(self: HttpServer, sockets: list[socket.socket] | None = None) -> None:
        raise RuntimeError("no event loop left")

    monkeypatch.setattr(HttpServer, "serve", serve)
    lines: list[str] = []
    config = ServiceConfig(("scripted:",), port=0, model=tiny_window)
    with pytest.raises(PartFailed, match="no event loop left"):
        await asyncio.wait_for(run(config, lines.append, sources=[Puppet()]), TIMEOUT_S)
    assert lines == []
