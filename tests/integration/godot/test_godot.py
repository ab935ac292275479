"""The Godot 3 example, run without a window against servers."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.small_session import write_session
from tests.fakes.stream import FakeStream, pose_message, until
from tests.support.console import Console

REPOSITORY = Path(__file__).parents[3]
PROJECT = REPOSITORY / "clients" / "godot"
GOLDEN = REPOSITORY / "tests" / "golden" / "client"
GODOT = shutil.which("godot3-server")

pytestmark = [pytest.mark.peer, pytest.mark.skipif(GODOT is None, reason="needs Godot 3 (godot3-server)")]


@asynccontextmanager
async def godot(tmp_path: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    project = shutil.copytree(PROJECT, tmp_path / "godot", dirs_exist_ok=True)  # it writes into its folder
    process = await asyncio.create_subprocess_exec(
        str(GODOT), "--path", str(project), *arguments,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def report(process: asyncio.subprocess.Process) -> dict[str, Any]:
    out = (await process.communicate())[0].decode()
    assert "SCRIPT ERROR" not in out, out
    line = next((line for line in out.splitlines() if line.startswith("{")), None)
    assert line is not None, out
    result: dict[str, Any] = json.loads(line)
    return result


@pytest.mark.parametrize("hand", ["left", "right"])
@pytest.mark.parametrize("truth", [False, True])
async def test_it_shows_the_poses_that_were_sent(tmp_path: Path, hand: str, truth: bool) -> None:
    async with (
        FakeStream(hand=hand, token="T /") as server,
        godot(tmp_path, f"--address={server.url}#token=T%20%2F", "--poses=50") as process,
    ):
        await until(lambda: server.clients)
        told = {"confidence": 0.75} if truth else {}
        await server.send(*(pose_message(seq, hand=hand, truth=truth, **told) for seq in range(50)))
        seen = await report(process)
    expected = pose_message(49)
    assert (seen["poses"], seen["missed"], seen["seq"]) == (50, 0, 49)
    assert (seen["sample"], seen["t"]) == (expected["sample"], expected["t"])
    assert (seen["left"], seen["truth"]) == (hand == "left", truth)
    assert seen["confidence"] == told.get("confidence")
    points = np.reshape(expected["joints"], (21, 3))[[0, 4, 20]] / 1000
    np.testing.assert_allclose(seen["points"], points, atol=1e-6)


async def test_it_comes_back_after_a_restart_and_counts_what_it_missed(tmp_path: Path) -> None:
    async with FakeStream() as server, godot(tmp_path, f"--address={server.url}", "--poses=4") as process:
        # What waits unread when a connection is cut would take the poses that are on their way with it.
        await until(lambda: server.clients and server.pings)
        await server.send(pose_message(0), pose_message(1))
        await server.stop(rude=True)
        await server.start()
        await until(lambda: server.accepted == 2 and server.clients)
        await server.send(pose_message(6), pose_message(7))
        seen = await report(process)
    assert (seen["poses"], seen["missed"], seen["seq"]) == (4, 4, 7)


async def test_the_server_itself(console: Console, tiny_window: Path, tmp_path: Path) -> None:
    session = write_session(console.folder / "session.csv", 60)
    server = console.serve(f"replay:{session}?hand=left", "--model", tiny_window, "--hop", 2, "--token", "sesame")
    async with godot(tmp_path, f"--address={server.url}#token=sesame", "--poses=200") as process:
        seen = await report(process)
    assert (seen["poses"], seen["left"]) == (200, True)
    assert seen["missed"] < 20  # a busy machine may cost some
    assert seen["shown"] > 10
    assert abs(seen["clock_offset"]) < 0.1  # one machine, one clock
    assert 0 < seen["round_trip"] < 1
    assert 0 < seen["latency"] + seen["round_trip"] / 2 < 2  # the offset is off by half the round trip at most


TELLER = """
extends Node

var _told = false

func _ready():
	$Client.address = OS.get_cmdline_args()[-2]
	$Client.connect("fault_received", self, "_on_fault")
	print("early: ", $Client.send_marker("early"), $Client.send_label({"t": 1.0, "joints": []}))

func _process(_delta):
	if _told or $Client.server_now() == null:
		return
	_told = true
	var sent = []
	for name in ["label", "label_angles"]:
		sent.append($Client.send_label(_golden(name)))
	var marker = _golden("marker")
	sent.append($Client.send_marker(marker.label, marker.t))
	sent.append($Client.send_marker("now"))
	var points = PoolVector3Array()
	points.resize(21)
	points[8] = Vector3(-0.02975, -0.00425, -0.17175)
	$Client.device = 2
	sent.append($Client.send_label({"joints": points, "source": "leap"}))
	print("sent: ", sent)

func _golden(name):
	var file = File.new()
	file.open(OS.get_cmdline_args()[-1] + "/" + name + ".json", File.READ)
	return JSON.parse(file.get_as_text()).result

func _on_fault(fault):
	print(JSON.print(fault))
	get_tree().quit()
"""
"""A program that tells the server what is in the golden messages, and more; it ends when the server complains."""
TELLER_SCENE = """
[gd_scene load_steps=3 format=2]
[ext_resource path="res://teller.gd" type="Script" id=1]
[ext_resource path="res://myocast_client.gd" type="Script" id=2]
[node name="Teller" type="Node"]
script = ExtResource( 1 )
[node name="Client" type="Node" parent="."]
script = ExtResource( 2 )
"""


async def test_labels_and_markers_are_sent_as_the_golden_ones(tmp_path: Path) -> None:
    project = tmp_path / "godot"
    project.mkdir()
    (project / "teller.gd").write_text(TELLER)
    (project / "teller.tscn").write_text(TELLER_SCENE.lstrip())
    async with FakeStream() as server, godot(tmp_path, "res://teller.tscn", server.url, str(GOLDEN)) as process:
        await until(lambda: len(server.told) == 5)
        await server.send({"type": "error", "code": "bad_label", "message": "63 numbers"})
        out = (await process.communicate())[0].decode()
    assert "SCRIPT ERROR" not in out, out
    assert "early: FalseFalse\n" in out
    assert "sent: [True, True, True, True, True]\n" in out
    assert '{"code":"bad_label","message":"63 numbers"}\n' in out
    *golden, now, points = server.told
    assert golden == [json.loads((GOLDEN / f"{name}.json").read_text()) for name in ("label", "label_angles", "marker")]
    assert now == {"type": "marker", "label": "now"}
    t, joints = points.pop("t"), points.pop("joints")
    assert points == {"type": "label", "device": 2, "source": "leap"}
    assert 100.0 < t < 1000.0  # what the fake server takes for its time
    assert joints == [0.0] * 24 + [-29.75, -4.25, -171.75] + [0.0] * 36


async def test_it_says_why_there_is_no_connection(console: Console, tmp_path: Path) -> None:
    server = console.serve("synthetic:", "--token", "sesame")
    for address, words in (
        (f"{server.url}#token=wrong", "Myocast: a token is needed"),
        (f"http://127.0.0.1:{unused_port()}/", "Myocast: no server answers at http://127.0.0.1:"),
    ):
        async with godot(tmp_path, f"--address={address}") as process:
            assert process.stdout is not None
            async with asyncio.timeout(30):
                while words not in (line := (await process.stdout.readline()).decode()):
                    assert line, "it has ended"
                    assert "SCRIPT ERROR" not in line, line


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
