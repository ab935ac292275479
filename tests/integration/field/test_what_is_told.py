"""What Myocast knows reaches the person (../shared/cases/field.md, sections C and D)."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import socket
import sys
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest

from drivers.errors import DeviceLost
from drivers.events import Frame
from drivers.sessions import read_session
from service.devices.status import DeviceStatus
from service.devices.supervisor import Supervisor
from service.outputs.udp import UdpOutput, _Datagrams
from service.recording.recording import Recording
from service.web.access import AccessPolicy, is_origin
from tests.fakes.sources import INFO
from tests.support.console import TIMEOUT_S, Console

FIELD = Path(__file__).parents[4] / "shared" / "cases" / "field"


def damaged(folder: Path, samples: int = 400, bad: int = 20) -> Path:
    """A CSV in which every so many rows one cannot be read."""
    rows = np.random.default_rng(2).integers(-30, 30, (samples, 8)).tolist()
    lines = [",".join(map(str, [f"{n / 200:.3f}", *row])) for n, row in enumerate(rows)]
    for n in range(0, samples, samples // bad):
        lines[n] = "ERROR: packet lost"
    path = folder / "damaged.csv"
    path.write_text("t," + ",".join(f"ch{channel}" for channel in range(1, 9)) + "\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.case("B08")
def test_lines_that_a_replay_drops_are_told(console: Console, tmp_path: Path) -> None:
    source = damaged(tmp_path)
    done = console.run("record", f"replay:{source}", tmp_path / "copy.mcap")
    assert done.returncode == 0, done.stderr
    assert "20 dropped: expected 9 numbers, found 1" in done.stderr
    assert "380 samples, 19 lost" in done.stdout
    server = console.serve(f"replay:{source}")
    assert server.stop() == 0
    assert "device 0: damaged.csv: 20 dropped: expected 9 numbers, found 1" in server.stderr()


@pytest.mark.case("B09")
def test_every_change_of_state_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    status = DeviceStatus(0, lambda: None)
    with caplog.at_level(logging.INFO, "myocast"):
        for sample in range(0, 40, 2):
            status.on_frame(Frame(sample, 1.0, np.zeros((2, 8), np.float32), 1.0))
        status.set("stalled", ("no_samples", "no sample for 0.5 s"))
        status.set("reconnecting", ("device_lost", "the board was unplugged"))
        status.set("reconnecting", ("device_lost", "the board was unplugged"))
        status.on_frame(Frame(40, 2.0, np.zeros((2, 8), np.float32), 2.0))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "device 0: stalled: no sample for 0.5 s"),
        ("WARNING", "device 0: reconnecting: the board was unplugged"),
        ("INFO", "device 0: live"),
    ]


@pytest.mark.case("B30")
@pytest.mark.parametrize(
    "origin", ["file://", "https://example.org", "app://obsidian.md", "http://a b", "http://x';ls"]
)
def test_advice_about_an_origin_is_taken_by_the_option(origin: str) -> None:
    policy = AccessPolicy()
    denied = policy.check_host_and_origin({"host": "127.0.0.1:1", "origin": origin})
    assert denied is not None
    advised = re.search(r"--origin (.+) to allow them", denied.message)
    assert (advised is not None) == is_origin(origin)
    if advised is not None:
        (listed,) = shlex.split(advised[1])
        assert AccessPolicy(origins=(listed,)).check_host_and_origin({"host": "127.0.0.1:1", "origin": origin}) is None


@pytest.mark.case("B32")
async def test_udp_sends_to_a_broadcast_address_or_says_why_not(caplog: pytest.LogCaptureFixture) -> None:
    async with UdpOutput("255.255.255.255:4243") as output:
        transport = output._transport
        assert transport is not None
        assert transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
    datagrams = _Datagrams("255.255.255.255:4243")
    caplog.clear()
    for _ in range(2):
        datagrams.error_received(OSError(101, "Network is unreachable"))
    assert [record.getMessage() for record in caplog.records] == [
        "--udp 255.255.255.255:4243: poses are not sent (Network is unreachable)"
    ]


@pytest.mark.case("B34")
def test_a_plain_get_of_the_stream_says_that_an_upgrade_is_missing(console: Console) -> None:
    server = console.serve("demo:")
    answer = httpx.get(f"{server.url}v1/stream")
    assert answer.status_code == 426
    assert answer.headers["upgrade"] == "websocket"
    assert answer.json()["error"]["code"] == "upgrade_required"
    assert "proxies" in answer.json()["error"]["message"]


class _Failing:
    """A writer that fails with something that no disk says."""

    bytes_written = 0
    samples_lost = 0

    def write(self, event: object, *, device: int = 0) -> None:
        raise UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed")

    def check(self) -> None: ...

    def flush_if_due(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.case("B37")
def test_whatever_ends_the_writer_ends_the_recording_with_a_count(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    failed = threading.Event()

    def on_failure(code: str, message: str) -> None:
        told.append((code, message))
        failed.set()

    recording = Recording(tmp_path / "a.mcap", _Failing, on_failure)  # type: ignore[arg-type]
    recording.on_event(0, Frame(0, 1.0, np.zeros((5, 8), np.float32), 1.0))
    assert failed.wait(TIMEOUT_S)
    recording.close()
    ((code, message),) = told
    assert code == "recording_failed"
    assert "UnicodeEncodeError" in message
    assert "5 samples are missing" in message
    assert recording.unwritten == 5


@pytest.mark.case("B37", "F13")
@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes only there")
def test_a_name_that_is_no_utf8_is_played_and_recorded(console: Console, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    damaged(tmp_path).rename(tmp_path / name)
    done = console.run("record", f"replay:{tmp_path / name}", tmp_path / "copy.mcap")
    assert done.returncode == 0, done.stderr
    assert len(read_session(tmp_path / "copy.mcap")) == 380
    server = console.serve(f"replay:{tmp_path / name}")
    status = httpx.get(f"{server.url}api/v1/status")
    assert status.json()["device"]["name"] == "caf\ufffd.csv"


@pytest.mark.case("B44")
@pytest.mark.skipif(not FIELD.is_dir(), reason="needs ../shared/cases/field beside the checkout")
def test_a_model_that_fails_in_every_window_is_refused_at_start(console: Console) -> None:
    done = console.run("serve", "demo:", "--port", 0, "--model", FIELD / "o3_dynamic_time_wrong_window.onnx")
    assert done.returncode == 2
    assert "fails in a trial run on 32 samples of zeros" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.case("R")
def test_a_fault_of_a_driver_ends_its_source_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """See tests/unit/service/devices/test_supervisor.py for the ways of a known error."""

    class Faulty:
        info = INFO

        async def run(self, emit: object) -> None:
            raise ZeroDivisionError("division by zero")

    status = DeviceStatus(0, lambda: None)
    with pytest.raises(Exception, match="ZeroDivisionError: division by zero") as caught:
        asyncio.run(Supervisor(Faulty(), lambda event: None, status).run())
    assert not isinstance(caught.value, ZeroDivisionError | DeviceLost)
    assert status.state == "failed"
    assert status.error is not None
    assert "division by zero" in status.error["message"]
