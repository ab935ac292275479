"""What goes wrong while it serves, end to end: streaming goes on, and nothing recorded is lost."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import connect

from drivers.errors import DeviceLost
from drivers.events import Frame
from drivers.sessions import read_session
from tests.fakes.models_onnx import HOP, WINDOW, window_model
from tests.fakes.sources import INFO, Puppet, frame, frames, ramp
from tests.support.console import TIMEOUT_S, Console
from tests.support.live_server import receive_until, serving


def numbers(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(6).integers(-128, 128, (count, 8)).astype(np.float32)


def post(url: str, **body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        return json.load(response)


def receive(client: Any) -> Any:
    return json.loads(client.recv(timeout=TIMEOUT_S))


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits on Windows")
def test_a_disk_that_refuses_closes_the_recording_and_streaming_goes_on(
    console: Console, tiny_window: Path, tmp_path: Path
) -> None:
    np.savetxt(tmp_path / "s.csv", numbers(24_000), fmt="%d", delimiter=",")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))"
    server = console.serve("replay:s.csv?loop=1", "--model", tiny_window, before=limit)
    with connect(server.stream + "?streams=pose,status", compression=None, open_timeout=TIMEOUT_S) as client:
        assert post(f"{server.url}api/v1/recording", action="start", name="a")["name"] == "a"
        status: dict[str, Any] = {"error": None}
        while status["error"] is None:
            message = receive(client)
            status = message if message["type"] == "status" else status
        assert status["error"]["code"] == "recording_failed"
        assert "readable in a.mcap" in status["error"]["message"]
        assert " samples are missing" in status["error"]["message"]
        assert (status["recording"], status["state"]) == (None, "replay")
        seqs = [m["seq"] for m in (receive(client) for _ in range(60)) if m["type"] == "pose"]
        assert len(seqs) > 30
    assert server.stop() == 0
    recorded = read_session(tmp_path / "recordings" / "a.mcap")
    emg = numbers(24_000)
    first = next(row for row in range(24_000) if np.array_equal(emg[row : row + 8], recorded.emg[:8]))
    np.testing.assert_array_equal(recorded.emg, np.tile(emg, (2, 1))[first : first + len(recorded)])
    assert len(recorded) > 100


async def test_a_lost_link_is_made_again_and_the_recording_goes_on(tiny_window: Path, tmp_path: Path) -> None:
    puppet = Puppet()
    async with (
        serving([puppet], model=tiny_window, record=tmp_path / "a.mcap") as live,
        live.connect("?streams=status") as client,
    ):
        await puppet.running.wait()
        puppet.emit(*frames(0, 100))
        puppet.lose("out of reach")
        status = await receive_until(client, "status")
        while status["state"] != "reconnecting":
            status = await receive_until(client, "status")
        assert status["error"] == {"code": "device_lost", "message": "out of reach"}
        await live.until(lambda: puppet.runs == 2 and puppet.running.is_set())
        puppet.emit(replace(frame(160), gap=True), *frames(162, 260))
        while status["state"] != "live":
            status = await receive_until(client, "status")
        assert (status["lost"], status["error"]) == (60, None)
    recorded = read_session(tmp_path / "a.mcap")
    np.testing.assert_array_equal(recorded.emg, np.concatenate([ramp(0, 100), ramp(160, 100)]))
    assert [part.stop - part.start for part in recorded.segments()] == [100, 100]


async def test_nan_from_a_band_costs_only_the_windows_that_hold_it(tmp_path: Path) -> None:
    """A sample that is no number: no pose is made of it, the state says so, and it passes."""
    puppet = Puppet()
    model = window_model(tmp_path / "m.onnx")
    async with serving([puppet], model=model) as live, live.connect() as client:
        await puppet.running.wait()
        engine = live.service.devices[0].engine
        assert engine is not None
        for sample in range(0, 10 * HOP, HOP):
            pushed = frame(sample, HOP)
            if sample == 4 * HOP:
                pushed.samples[1, 3] = np.nan
            puppet.emit(pushed)
            await live.until(lambda: engine.poses + engine.skipped + engine.invalid == engine.due)
        assert engine.invalid == WINDOW // HOP
        assert live.service.devices[0].status.state == "live"
        for number in range(engine.poses):
            pose = await receive_until(client, "pose")
            assert pose["seq"] == number
            assert np.isfinite(pose["joints"]).all()


async def test_many_clients_that_break_off_in_every_way_affect_no_other(tiny_window: Path) -> None:
    """Half a handshake, a reset, bytes that are no HTTP: the server goes on."""
    puppet = Puppet()
    async with serving([puppet], model=tiny_window) as live, live.connect() as good:
        await puppet.running.wait()
        for data in (
            b"",
            b"GET /v1/stream HTTP/1.1\r\nHost: loc",
            b"\x16\x03\x01\x02\x00\x01" * 50,
            b"\0" * 10_000,
            b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
            b"POST /api/v1/recording HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
        ):
            sock = socket.socket()
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, ("127.0.0.1", live.port))
            await loop.sock_sendall(sock, data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        puppet.emit(frame(0, WINDOW))
        assert (await receive_until(good, "pose"))["seq"] == 0
        assert (await live.http.get("/healthz")).status_code == 200


async def test_a_driver_that_fails_between_frames_loses_none(tiny_window: Path, tmp_path: Path) -> None:
    """Everything that was emitted before the link broke is recorded, however it broke."""
    given: list[Frame] = []

    class Flaky(Puppet):
        async def run(self, emit: Any) -> None:
            self.runs += 1
            emit(self.info)
            for _ in range(5):
                given.append(frame(2 * len(given), 2))
                emit(given[-1])
            if self.runs < 4:
                raise DeviceLost("gone")
            self.running.set()
            await asyncio.Event().wait()

    flaky = Flaky(INFO)
    async with serving([flaky], model=tiny_window, record=tmp_path / "a.mcap"):
        await asyncio.wait_for(flaky.running.wait(), 30)
    np.testing.assert_array_equal(read_session(tmp_path / "a.mcap").emg, ramp(0, 2 * len(given)))
