"""The Leap endpoint: its frames by arithmetic, its door, and unmodified leapjs in Node and Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from models.hand import Side
from service.engine.pose import Pose
from service.outputs.leap import LeapError, LeapOutput
from service.outputs.leap_cost import frame_cost_us
from service.outputs.leap_frame import LeapEncoder
from service.outputs.origin import allowed
from tests.fakes.simple_hand import make_hand, make_pose
from tests.fakes.small_session import write_session
from tests.fakes.stream import until
from tests.support.console import Console

NODE = Path(__file__).parent / "node"
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules/leapjs").exists(),
    reason="needs node and the packages of tests/integration/js/node (`npm ci` there)",
)
FRAME = {"id", "timestamp", "currentFrameRate", "devices", "hands", "pointables", "interactionBox", "gestures",
         "r", "s", "t"}  # fmt: skip
HAND = {"id", "type", "palmPosition", "palmNormal", "direction", "palmVelocity", "palmWidth", "confidence",
        "grabStrength", "pinchStrength", "grabAngle", "pinchDistance", "timeVisible", "armBasis", "armWidth", "elbow",
        "wrist", "stabilizedPalmPosition", "sphereCenter", "sphereRadius", "r", "s", "t"}  # fmt: skip
POINTABLE = {"id", "handId", "type", "length", "width", "extended", "direction", "tipPosition", "btipPosition",
             "carpPosition", "mcpPosition", "pipPosition", "dipPosition", "bases", "tool", "stabilizedTipPosition",
             "tipVelocity", "touchZone", "touchDistance", "timeVisible"}  # fmt: skip


def frame_of(*poses: Pose) -> dict[str, Any]:
    encoder = LeapEncoder()
    frames = [encoder.encode(pose) for pose in poses]
    frame: dict[str, Any] = json.loads(frames[-1])
    return frame


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_frame_has_every_field(side: Side) -> None:
    frame = frame_of(make_pose(100.0, make_hand(0.3, side), side))
    assert frame.keys() == FRAME
    (hand,) = frame["hands"]
    assert hand.keys() == HAND
    assert hand["type"] == side
    assert [p.keys() for p in frame["pointables"]] == [POINTABLE] * 5
    assert [p["id"] for p in frame["pointables"]] == [hand["id"] * 10 + k for k in range(5)]
    assert {p["handId"] for p in frame["pointables"]} == {hand["id"]}
    assert np.asarray([p["bases"] for p in frame["pointables"]]).shape == (5, 4, 3, 3)


def test_points_are_the_joints_in_leaps_world() -> None:
    joints = make_hand(0.4)
    frame = frame_of(make_pose(1.0, joints))
    shift = np.array([0.0, 200.0, 70.0])
    assert frame["hands"][0]["wrist"] == shift.tolist()
    names = ("mcpPosition", "pipPosition", "dipPosition", "tipPosition")
    points = [p[name] for p in frame["pointables"] for name in names]
    np.testing.assert_allclose(points, joints.reshape(21, 3)[1:] + shift, atol=0.006)
    thumb = frame["pointables"][0]
    assert thumb["carpPosition"] == thumb["mcpPosition"]
    assert all(p["btipPosition"] == p["tipPosition"] for p in frame["pointables"])
    palm = frame["hands"][0]["palmPosition"]
    np.testing.assert_allclose(palm, joints.reshape(21, 3)[[0, 5, 9, 13, 17]].mean(axis=0) + shift, atol=0.006)
    assert 150 < palm[1] < 250
    assert frame["hands"][0]["elbow"][2] == pytest.approx(shift[2] + 250)


@pytest.mark.parametrize("side", ["left", "right"])
@settings(max_examples=50, deadline=None)
@given(bend=st.floats(-0.2, 1.7))
def test_bases_are_orthonormal_and_follow_the_bones(side: Side, bend: float) -> None:
    frame = frame_of(make_pose(1.0, make_hand(bend, side), side))
    for pointable in frame["pointables"]:
        ends = [pointable[f"{name}Position"] for name in ("carp", "mcp", "pip", "dip", "btip")]
        for bone, basis in enumerate(np.asarray(pointable["bases"])):
            np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-3)
            assert np.linalg.det(basis) == pytest.approx(1.0 if side == "right" else -1.0, abs=1e-3)
            along = np.subtract(ends[bone], ends[bone + 1])
            if np.linalg.norm(along) > 1:
                np.testing.assert_allclose(basis[2], along / np.linalg.norm(along), atol=2e-3)
        np.testing.assert_allclose(pointable["direction"], -np.asarray(pointable["bases"][3][2]), atol=1e-9)


@pytest.mark.parametrize(("side", "away"), [("right", 1.0), ("left", -1.0)])
def test_fingers_bend_about_an_axis_that_points_away_from_the_thumb(side: Side, away: float) -> None:
    frame = frame_of(make_pose(1.0, make_hand(0.5, side), side))
    for pointable in frame["pointables"][1:]:
        assert pointable["bases"][2][0][0] * away > 0.99
        assert pointable["bases"][0][1][1] > 0.9  # the back of the hand looks up
    assert frame["pointables"][0]["bases"][1][1][1] > 0.3  # the thumb's nail, too, and outwards
    assert frame["pointables"][0]["bases"][1][1][0] * away < -0.3


def test_grab_and_pinch() -> None:
    def strengths(joints: Any) -> tuple[float, float]:
        hand = frame_of(make_pose(1.0, joints))["hands"][0]
        return hand["grabStrength"], hand["pinchStrength"]

    assert strengths(make_hand(0.0)) == (0.0, 0.0)
    assert strengths(make_hand(1.5))[0] == 1.0
    assert strengths(make_hand(0.3, pinch=True))[1] == 1.0
    grabs = [strengths(make_hand(bend))[0] for bend in np.linspace(0.0, 1.5, 30)]
    assert grabs == sorted(grabs)
    extended = [p["extended"] for p in frame_of(make_pose(1.0, make_hand(0.05)))["pointables"]]
    assert extended == [True] * 5
    curled = [p["extended"] for p in frame_of(make_pose(1.0, make_hand(1.2)))["pointables"]]
    assert curled == [True] + [False] * 4


def test_time_and_velocity_are_the_poses_own() -> None:
    still, moved = make_hand(0.1), make_hand(0.1) + np.float32(1.0)
    frame = frame_of(make_pose(50.0, still), make_pose(50.01, moved))
    assert frame["timestamp"] == 10_000
    assert frame["id"] == 2
    assert frame["currentFrameRate"] == pytest.approx(100.0)
    (hand,) = frame["hands"]
    np.testing.assert_allclose(hand["palmVelocity"], [100.0] * 3, atol=0.1)
    np.testing.assert_allclose([p["tipVelocity"] for p in frame["pointables"]], np.full((5, 3), 100.0), atol=0.1)
    assert hand["timeVisible"] == 0.01
    later = frame_of(make_pose(50.0, still), make_pose(55.0, moved))["hands"][0]
    assert (later["palmVelocity"], later["timeVisible"]) == ([0.0] * 3, 0.0)


def test_two_armbands_are_two_hands_apart_and_one_that_ends_leaves() -> None:
    encoder = LeapEncoder()
    left = make_pose(1.0, make_hand(0.2, "left"), "left", device=1)
    encoder.encode(left)
    encoder.encode(make_pose(1.01, make_hand(0.2)))
    encoder.encode(make_pose(1.02, make_hand(0.2, "left"), "left", device=1))
    frame = json.loads(encoder.encode(make_pose(1.03, make_hand(0.2))))
    hands = {hand["type"]: hand for hand in frame["hands"]}
    assert hands["left"]["palmPosition"][0] < -50 < 50 < hands["right"]["palmPosition"][0]
    assert sorted(p["handId"] for p in frame["pointables"]) == [1] * 5 + [2] * 5
    alone = json.loads(encoder.encode(make_pose(3.0, make_hand(0.2))))
    assert [hand["type"] for hand in alone["hands"]] == ["right"]


def test_the_cost_of_a_frame_can_be_measured() -> None:
    microseconds, size = frame_cost_us(100)
    assert microseconds > 0
    assert 2000 < size < 7000


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (None, True), ("null", False), ("http://localhost", True), ("http://localhost:3000", True),
        ("https://127.0.0.1:9", True), ("http://127.8.8.8", True), ("http://[::1]:5173", True),
        ("https://listed.example", True), ("https://evil.example", False), ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False), ("http://evil.example#localhost", False), ("localhost", False),
        ("http://localhost@evil.example", False), ("", False), ("http://[::1", False), ("http://192.168.0.2", False),
    ],
)  # fmt: skip
def test_origins(origin: str | None, passes: bool) -> None:
    assert allowed(origin, ("https://listed.example",)) is passes
    assert allowed(origin, ("*",))


@contextlib.asynccontextmanager
async def moving(output: LeapOutput, side: Side = "right", **options: Any) -> AsyncIterator[None]:
    """Poses at 100 Hz until left: the hand closes and opens, or pinches."""

    async def play() -> None:
        k = 0
        while True:
            bend = 0.75 - 0.75 * math.cos(k / 15)
            output.on_event(
                0, make_pose(100 + k / 100, make_hand(options.get("bend", bend), side, pinch="pinch" in options), side)
            )
            k += 1
            await asyncio.sleep(0.01)

    task = asyncio.create_task(play())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("version", range(1, 8))
async def test_every_path_answers_version_6_first(version: int) -> None:
    async with LeapOutput(0) as output, moving(output):
        url = output.address.replace("v6", f"v{version}")
        async with connect(url, proxy=None) as client:
            await client.send('{"background":true}')
            await client.send(b"\x00nonsense")
            messages = [json.loads(await client.recv()) for _ in range(4)]
    assert messages[0]["version"] == 6
    assert messages[1]["event"]["type"] == "deviceEvent"
    assert messages[1]["event"]["state"]["attached"] is True
    assert messages[1]["event"]["state"]["streaming"] is True
    assert messages[3]["id"] > messages[2]["id"]


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [("/v8.json", None, 404), ("/", None, 404), ("/v6.json", "https://evil.example", 403)],
)
async def test_the_door(path: str, origin: str | None, status: int) -> None:
    async with LeapOutput(0, ("https://mine.example",)) as output:
        url = output.address.replace("/v6.json", path)
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, proxy=None, origin=Origin(origin) if origin else None)
        assert caught.value.response.status_code == status
        async with connect(output.address, proxy=None, origin=Origin("https://mine.example")) as client:
            assert json.loads(await client.recv())["version"] == 6


async def test_a_slow_client_gets_the_newest_and_delays_nobody() -> None:
    async with LeapOutput(0) as output:
        slow = await connect(output.address, proxy=None, max_queue=1)
        quick = await connect(output.address, proxy=None)
        await until(lambda: output.clients == 2)
        for k in range(3000):
            output.on_event(0, make_pose(1.0 + k / 100, make_hand(0.1)))
            if k % 10 == 0:
                await asyncio.sleep(0)
        received = [json.loads(message) async for message in _until_id(quick, 3000)]
        assert received[-1]["id"] == 3000
        await quick.close()
        await until(lambda: output.clients == 1)
        slow.transport.abort()
        await slow.wait_closed()
        await until(lambda: output.clients == 0)
        output.on_event(0, make_pose(99.0, make_hand(0.1)))
        assert output.encoder.frames == 3000


async def _until_id(client: Any, last: int) -> AsyncIterator[str]:
    async for message in client:
        yield message
        if json.loads(message).get("id") == last:
            return


async def test_a_taken_port_is_an_error_of_one_line() -> None:
    async with LeapOutput(0) as output:
        port = int(output.address.split(":")[2].split("/")[0])
        with pytest.raises(LeapError, match=f"--leap {port}: .*in use") as caught:
            await LeapOutput(port).__aenter__()
        assert "\n" not in str(caught.value)


async def node(module: str, port: int, frames: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        "node", "leap_peer.js", module, str(port), str(frames),
        cwd=NODE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    result: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return result


@pytest.mark.peer
@needs_node
@pytest.mark.parametrize("module", ["leapjs", "leapjs-0.6"])
@pytest.mark.parametrize("side", ["left", "right"])
async def test_unmodified_leapjs_sees_the_hand(module: str, side: Side) -> None:
    async with LeapOutput(0) as output, moving(output, side, bend=0.2, pinch=True):
        seen = await node(module, int(output.address.split(":")[2].split("/")[0]), 50)
    expected = {"connect", "ready", "protocol", "deviceAttached", "deviceStreaming", "streamingStarted"}
    assert set(seen["events"]) == expected
    frame = seen["frame"]
    assert (frame["valid"], frame["pointables"], frame["tools"]) == (True, 5, 0)
    np.testing.assert_allclose(frame["box"], [0.5] * 3, atol=1e-6)
    (hand,) = frame["hands"]
    assert hand["type"] == side
    assert hand["pinch"] == 1.0
    assert hand["grab"] == 0.0
    np.testing.assert_allclose(hand["angles"], [0.0] * 3, atol=1e-6)
    assert hand["arm"]["length"] == pytest.approx(250.0)
    assert hand["arm"]["left"] is (side == "left")
    assert [finger["type"] for finger in hand["fingers"]] == [0, 1, 2, 3, 4]
    for finger in hand["fingers"]:
        assert [bone["left"] for bone in finger["bones"]] == [side == "left"] * 4
        assert all(bone["length"] > 10 for bone in finger["bones"][finger["type"] == 0 :])
    assert seen["motion"]["scale"] == 1.0
    np.testing.assert_allclose(seen["motion"]["translation"], [0.0] * 3, atol=1e-6)


@pytest.mark.peer
@needs_node
async def test_leapjs_sees_a_fist() -> None:
    async with LeapOutput(0) as output, moving(output, bend=1.5):
        seen = await node("leapjs", int(output.address.split(":")[2].split("/")[0]), 10)
    (hand,) = seen["frame"]["hands"]
    assert hand["grab"] == 1.0
    assert [finger["extended"] for finger in hand["fingers"]][1:] == [False] * 4


@pytest.mark.peer
@needs_node
async def test_the_server_itself(console: Console, tiny_window: Path) -> None:
    session = write_session(console.folder / "session.csv", 60)
    server = console.serve(f"replay:{session}?hand=left", "--model", tiny_window, "--token", "sesame", "--leap", "0")
    assert server.process.stdout is not None
    said = re.fullmatch(r"Leap is ready: ws://127\.0\.0\.1:(\d+)/v6\.json\n", server.process.stdout.readline())
    assert said is not None
    seen = await node("leapjs", int(said[1]), 20)
    assert [hand["type"] for hand in seen["frame"]["hands"]] == ["left"]
    assert seen["frame"]["rate"] > 0


@contextlib.contextmanager
def static_files(directory: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=directory))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.browser
@needs_node
async def test_bone_hand_draws_the_hand_in_chromium(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium")
    from playwright.async_api import async_playwright

    site = tmp_path / "site"
    site.mkdir()
    for package in ("leapjs", "leapjs-plugins", "three"):
        (site / package).symlink_to(NODE / "node_modules" / package)
    shutil.copy(NODE / "bone_hand.html", site)
    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    async with LeapOutput(0) as output, moving(output), async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=flags)
        page = await browser.new_page(viewport={"width": 480, "height": 360})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        port = output.address.split(":")[2].split("/")[0]
        with static_files(site) as url:
            await page.goto(f"{url}/bone_hand.html?port={port}")
            await page.wait_for_function("window.frames_seen > 20")
            shot = await page.screenshot(path=tmp_path / "bone_hand.png")
            assert await page.evaluate(HAND_PIXELS) > 2000
        assert len(shot) > 1000
        assert not errors
        await browser.close()


HAND_PIXELS = """() => {
  const source = document.querySelector('canvas.leap-boneHand'), copy = document.createElement('canvas');
  copy.width = source.width; copy.height = source.height;
  const context = copy.getContext('2d');
  context.drawImage(source, 0, 0);
  const data = context.getImageData(0, 0, copy.width, copy.height).data;
  let drawn = 0;
  for (let i = 3; i < data.length; i += 4) drawn += data[i] > 128;
  return drawn;
}"""
