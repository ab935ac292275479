"""The Unity package: its C# core run under mono against a server, its components on a stand-in for UnityEngine."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from models.arrays import Float32Array
from models.hand import JOINTS, PARENTS, Side
from tests.fakes.simple_hand import make_hand
from tests.fakes.small_session import write_session
from tests.fakes.stream import FakeStream, pose_message, to_binary, until
from tests.support.console import Console

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parents[2]
GOLDEN = REPOSITORY / "tests" / "golden"
PACKAGE = REPOSITORY / "clients" / "unity"
SECONDS = float(os.environ.get("MYOCAST_UNITY_SECONDS", "5"))
"""How long the client must keep up with 100 Hz; the full measure is 60."""
RATE_HZ = 100.0
SMALL_NURSERY = {"MONO_GC_PARAMS": "nursery-size=64k"}
"""Allocating 64 KiB makes a collection, so that no collection means less than that."""

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("mcs") is None or shutil.which("mono") is None, reason="needs mono (mono-mcs)"),
]


def build(name: str, directory: Path, *sources: Path, options: tuple[str, ...] = ()) -> Path:
    target = directory / name
    command = ["mcs", "-warnaserror", "-nowarn:0649,0067", f"-out:{target}", *options, *map(str, sources)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return target


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    core = sorted((PACKAGE / "Runtime/Core").glob("*.cs"))
    return build("harness.exe", tmp_path_factory.mktemp("mono"), TESTS / "mono/Harness.cs", *core)


def sources(*stubs: str) -> list[Path]:
    return [*(TESTS / "mono" / f"{stub}.cs" for stub in ("Harness", "Scene", *stubs)),
            *sorted((PACKAGE / "Runtime").rglob("*.cs"))]  # fmt: skip


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("scene.exe", tmp_path_factory.mktemp("mono"), *sources("UnityStub"), options=("-main:Scene",))


@pytest.fixture(scope="session")
def webgl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = ("-main:Scene", "-define:MYOCAST_NATIVEWEBSOCKET", "-define:UNITY_WEBGL")
    stubs = sources("UnityStub", "NativeWebSocketStub")
    return build("webgl.exe", tmp_path_factory.mktemp("mono"), *stubs, options=options)


def mono(program: Path, *arguments: object) -> list[Any]:
    """Run to the end; one JSON value per line."""
    result = subprocess.run(
        ["mono", str(program), *map(str, arguments)], capture_output=True, text=True, check=False,
        env=os.environ | SMALL_NURSERY,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def with_defaults(message: dict[str, Any]) -> dict[str, Any]:
    """A golden message in the shape that the harness prints."""
    if message["type"] == "pose":
        message = {"gap": False, "held": False, "truth": None, "confidence": None, **message}
        del message["state"]
    if message["type"] == "emg":
        message["samples"] = [value for row in message["samples"] for value in row]
    if message["type"] == "hello":
        message = {key: value for key, value in message.items() if key not in ("device", "model", "pose")}
    return message


def test_golden_messages(harness: Path) -> None:
    files = sorted([*GOLDEN.glob("*.json"), *GOLDEN.glob("*.bin")])
    assert len(files) >= 14
    for path, decoded in zip(files, mono(harness, "decode", *files), strict=True):
        assert decoded == with_defaults(json.loads(path.with_suffix(".json").read_text("utf-8"))), path.name


def test_confidence_counts_only_with_its_flag(harness: Path, tmp_path: Path) -> None:
    data = bytearray((GOLDEN / "pose.bin").read_bytes())
    data[292:296] = struct.pack("<f", 0.75)
    (tmp_path / "plain.bin").write_bytes(data)
    data[2] |= 16
    (tmp_path / "flagged.bin").write_bytes(data)
    plain, flagged = mono(harness, "decode", tmp_path / "plain.bin", tmp_path / "flagged.bin")
    assert (plain["confidence"], flagged["confidence"]) == (None, 0.75)


def test_broken_messages_are_malformed_and_unknown_ones_ignored(harness: Path, tmp_path: Path) -> None:
    pose = (GOLDEN / "pose.json").read_bytes()
    broken = [
        b"", b"[]", b"{}", b"null", b'{"type":"pose"}', b'{"type":"bye","reason":3}', b'{"type":["bye"]}', b"{" * 99,
        b'{"type":"bye","reason":"x"', b'{"type":"bye","reason":"x"}}', b'{"type":"bye",,"reason":"x"}',
        b'{"type":"bye","reason":"x",}', b'{"type":"bye" "reason":"x"}', b'{"type":"bye","reason":"\\q"}',
        b'{"type":"x","y":' + b"[" * 99 + b"]" * 99 + b"}", b'{"type":"pong","id":1,"t":-}', b'{"type":"pong","t":1.}',
        pose.replace(b"[0.0,", b"[", 1), pose.replace(b"[0.0,", b"[1,2,0,", 1), pose.replace(b"812", b"8.5"), pose[:-1],
    ]  # fmt: skip
    garbled = [
        b"",
        b"\x01",
        b"\x01\x01",
        b"\x01\x01" + bytes(293),
        b"\x01\x01\x08" + bytes(293),
        b"\x02\x01\x02" + bytes(40),
    ]
    unknown = {"gesture.json": b'{"type":"gesture","deep":[{"a":[1e5,-2.5E-3,null,true,"\\u00e9\\""]}]}',
               "later.bin": b"\x09\x01abc", "v2.bin": b"\x01\x02" + bytes(294)}  # fmt: skip
    cases = {f"{k}.json": data for k, data in enumerate(broken)} | {f"{k}.bin": data for k, data in enumerate(garbled)}
    for name, data in (cases | unknown).items():
        (tmp_path / name).write_bytes(data)
    for name, decoded in zip(cases, mono(harness, "decode", *(tmp_path / name for name in cases)), strict=True):
        assert decoded == {"type": "malformed"}, (name, cases[name])
    assert mono(harness, "decode", *(tmp_path / name for name in unknown)) == [{"type": None}] * 3


def test_numbers_are_read_exactly(harness: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    values = [0.0, -0.0, 1.0, -1.5, 0.1, 1e22, 1e-7, 5e-324, 1.7976931348623157e308, 2.0**53, 123456789012345.0]
    values += [rng.uniform(-300, 300) for _ in range(500)] + [round(rng.uniform(-300, 300), 2) for _ in range(500)]
    values += [1.7639e9 + rng.random() * 1e7 for _ in range(2000)]
    (tmp_path / "numbers").write_text("\n".join(map(repr, values)))
    assert mono(harness, "numbers", tmp_path / "numbers") == values


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    n = len(payload)
    length = bytes([n]) if n < 126 else b"\x7e" + struct.pack(">H", n) if n < 65536 else b"\x7f" + struct.pack(">Q", n)
    return bytes([final << 7 | opcode]) + length + payload


def test_frames_come_out_the_same_however_they_are_cut(harness: Path, tmp_path: Path) -> None:
    rng = random.Random(2)
    parts = [rng.randbytes(n) for n in (0, 1, 125, 126, 127, 296, 65535, 65536, 200_000)]
    stream = b"".join(frame(2, part) for part in parts) + frame(9, b"ping")
    stream += (
        frame(1, b"one ", final=False) + frame(9, b"between") + frame(0, b"two ", final=False) + frame(0, b"three")
    )
    stream += frame(8, struct.pack(">H", 1001) + b"bye")

    def entry(kind: int, data: bytes) -> list[int]:
        total = 0
        for byte in data:
            total = (total * 31 + byte) & 0xFFFFFFFF
        return [kind, len(data), total]

    expected = [entry(2, part) for part in parts]
    expected += [entry(9, b"ping"), entry(9, b"between"), entry(1, b"one two three")]
    expected += [entry(8, struct.pack(">H", 1001) + b"bye")]
    (tmp_path / "stream").write_bytes(stream)
    for chunk in (1, 7, 1000, 1_000_000):
        assert mono(harness, "feed", tmp_path / "stream", chunk) == expected


@pytest.mark.parametrize(
    "stream",
    [frame(0, b"x"), frame(1, b"x", final=False) + frame(1, b"y"), frame(3, b""), frame(11, b""),
     b"\x89\x7e\x01\x00" + bytes(256), b"\xc2\x00", b"\x82\x80\x00\x00\x00\x00", frame(9, b"", final=False),
     b"\x82\x7f" + struct.pack(">Q", 1 << 62), b"\x82\x7f" + b"\xff" * 8],
)  # fmt: skip
def test_broken_frames_end_the_connection(harness: Path, tmp_path: Path, stream: bytes) -> None:
    (tmp_path / "stream").write_bytes(frame(2, b"good") + stream + frame(2, b"never seen"))
    first, *rest = mono(harness, "feed", tmp_path / "stream", 4096)
    assert first[:2] == [2, 4]
    assert len(rest) == 1
    assert rest[0].startswith("the server sent")


def test_every_form_of_address(harness: Path) -> None:
    forms = {
        "http://127.0.0.1:8765/#token=a%20b": ["ws://127.0.0.1:8765/v1/stream?streams=pose,emg&max_rate=30", "a b"],
        "localhost:8765": ["ws://localhost:8765/v1/stream?streams=pose,emg&max_rate=30", None],
        "https://h/?token=q": ["wss://h/v1/stream?streams=pose,emg&max_rate=30", "q"],
        "ws://[::1]:1/behind/v1/stream?x=1": ["ws://[::1]:1/behind/v1/stream?streams=pose,emg&max_rate=30&x=1", None],
        "": None, "ftp://x/": None, "http://": None, "ws://h:notaport/": None,
    }  # fmt: skip
    assert mono(harness, "address", *forms) == list(forms.values())


def pose_file(path: Path, joints: Float32Array, side: Side = "right") -> Path:
    path.write_bytes(to_binary(pose_message(0, hand=side) | {"joints": joints.tolist()}))
    return path


def rotation(q: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x, y, z, w = q
    return np.array(
        [[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
         [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
         [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]
    )  # fmt: skip


XR_POINTS = [None, 0, 1, 2, 3, 4, None, 5, 6, 7, 8, None, 9, 10, 11, 12, None, 13, 14, 15, 16, None, 17, 18, 19, 20]
XR_TIPS = (5, 10, 15, 20, 25)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("bend", [0.0, 0.5, 1.5])
def test_openxr_joints(harness: Path, tmp_path: Path, side: Side, bend: float) -> None:
    joints = make_hand(bend, side)
    (out,) = mono(harness, "joints", pose_file(tmp_path / "pose.bin", joints, side), side)
    positions = np.reshape(out["positions"], (26, 3))
    points = joints.reshape(21, 3) / 1000
    for joint, point in enumerate(XR_POINTS):
        if point is not None:
            np.testing.assert_allclose(positions[joint], points[point], atol=1e-7)
    np.testing.assert_allclose(positions[0], 0.6 * points[9], atol=1e-7)
    np.testing.assert_allclose(positions[[6, 11, 16, 21]], 0.2 * points[[5, 9, 13, 17]], atol=1e-7)
    assert out["unity"] == [2, 1, *range(3, 27)]
    turns = np.reshape(out["rotations"], (26, 4)).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(turns, axis=1), 1.0, atol=1e-5)
    for joint in range(2, 26):
        axes = rotation(turns[joint])
        bone = joint - 1 if joint in XR_TIPS else joint
        along = positions[bone + 1] - positions[bone]
        np.testing.assert_allclose(-axes[:, 2], along / np.linalg.norm(along), atol=1e-4)
        if bend == 0.0 and joint > 5:
            assert axes[1, 1] > 0.9  # the back of each finger looks up
    np.testing.assert_allclose(turns[:2], [[0, 0, 0, 1]] * 2)


@pytest.mark.parametrize("side", ["left", "right"])
def test_components_show_the_hand_in_unitys_space(scene: Path, tmp_path: Path, side: Side) -> None:
    joints = make_hand(0.7, side)
    rest = pose_file(tmp_path / "rest.bin", make_hand(0.05, side), side)
    (out,) = mono(scene, "shapes", rest, pose_file(tmp_path / "pose.bin", joints, side))
    expected = joints.reshape(21, 3) * [0.001, 0.001, -0.001]
    np.testing.assert_allclose(np.reshape(out["skeleton"], (21, 3)), expected, atol=1e-7)
    np.testing.assert_allclose(np.reshape(out["xr"], (26, 3))[[1, 10, 25]], expected[[0, 8, 20]], atol=1e-7)
    turn = rotation(np.reshape(out["turns"], (26, 4))[8])
    along = expected[7] - expected[6]
    np.testing.assert_allclose(turn[:, 2], along / np.linalg.norm(along), atol=1e-4)
    # The rig has the same bone lengths, so turning its bones must bring them to the points.
    np.testing.assert_allclose(np.reshape(out["rig"], (21, 3)), expected, atol=2e-5)


def test_the_mesh_lies_around_the_bones_and_faces_outwards(scene: Path, tmp_path: Path) -> None:
    joints = make_hand(0.4)
    pose = pose_file(tmp_path / "pose.bin", joints)
    (out,) = mono(scene, "shapes", pose, pose)
    vertices, normals = np.reshape(out["vertices"], (-1, 3)), np.reshape(out["normals"], (-1, 3))
    points = joints.reshape(21, 3) * [0.001, 0.001, -0.001]
    links = [(PARENTS[i], i) for i in range(1, 21)] + [(5, 9), (9, 13), (13, 17), (1, 5)]
    per_bone = len(vertices) // len(links)
    for k, (a, b) in enumerate(links):
        part = vertices[k * per_bone : (k + 1) * per_bone]
        share = np.clip((part - points[a]) @ (points[b] - points[a]) / np.sum((points[b] - points[a]) ** 2), 0, 1)
        nearest = points[a] + share[:, None] * (points[b] - points[a])
        np.testing.assert_allclose(np.linalg.norm(part - nearest, axis=1), 0.008, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-5)
    corners = vertices[np.reshape(out["triangles"], (-1, 3))]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = normals[np.reshape(out["triangles"], (-1, 3))].mean(axis=1)
    area = np.linalg.norm(facing, axis=1)
    assert np.all(np.einsum("ij,ij->i", facing, outward)[area > 1e-9] > 0)
    assert len(corners) > 2000


def test_webgl_goes_through_nativewebsocket(webgl: Path) -> None:
    (out,) = mono(webgl, "browser", GOLDEN / "pose.bin", GOLDEN / "hello.json")
    assert out["states"] == "Connecting Open Waiting Connecting Refused"
    assert out["url"] == "ws://h:1/v1/stream?streams=pose&token=a%20b"
    assert out["again"] == "ws://h:1/v1/stream?streams=pose,emg&max_rate=30&token=a%20b"
    assert out["protocol"] == "myocast.v1.binary"
    assert out["sent"][1] == {"type": "subscribe", "streams": ["pose", "emg"], "max_rate": 30}
    assert (out["poses"], out["tries"]) == (1, 2)


@pytest.mark.parametrize(
    "name", ["pose.bin", "pose_truth.bin", "pose.json", "pose_truth.json", "emg.bin", "emg.json", "pong.json"]
)
def test_decoding_allocates_nothing(harness: Path, name: str) -> None:
    (cost,) = mono(harness, "cost", GOLDEN / name, 20_000)
    assert cost["malformed"] == 0
    assert cost["collections"] == 0


def test_the_allocation_check_can_fail(harness: Path) -> None:
    (cost,) = mono(harness, "cost", GOLDEN / "hello.json", 1000)
    assert cost["collections"] > 0


class Peer:
    """The C# client in another process: what it says, in order, and commands to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []

    async def ask(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        await self.process.stdin.drain()

    async def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        text = await self.process.stdout.readline()
        assert text, self.said
        self.said.append(json.loads(text))
        return self.said[-1]

    async def until(self, **wanted: object) -> dict[str, Any]:
        while True:
            line = await self.line()
            if all(key in line and (value is ... or line[key] == value) for key, value in wanted.items()):
                return line

    async def stats(self) -> dict[str, Any]:
        await self.ask("stats")
        return await self.until(poses=...)

    async def poses(self, count: float, key: str = "poses") -> dict[str, Any]:
        """Wait until so many poses have come."""
        while (stats := await self.stats())[key] < count:  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)
        return stats


@asynccontextmanager
async def watching(
    harness: Path, url: str, token: str = "", encoding: str = "binary", streams: str = "pose"
) -> AsyncIterator[Peer]:
    process = await asyncio.create_subprocess_exec(
        "mono", str(harness), "watch", url, token, encoding, streams, env=os.environ | SMALL_NURSERY,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20,
    )  # fmt: skip
    peer = Peer(process)
    try:
        yield peer
        if process.returncode is None:
            await peer.ask("quit")
            await peer.until(state="Disposed")
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize(("encoding", "hand"), [("binary", "right"), ("json", "left")])
async def test_it_keeps_up_with_100_hz_without_a_gap_or_garbage(harness: Path, encoding: str, hand: str) -> None:
    count, warm = int(SECONDS * RATE_HZ), 100
    async with FakeStream(hand=hand) as server, watching(harness, server.url, encoding=encoding) as peer:
        await peer.until(state="Open")
        await server.tick(warm, RATE_HZ)
        await peer.poses(warm)
        await peer.ask("steady")
        assert (await peer.stats())["steady"] == 0
        await server.tick(count, RATE_HZ, first=warm)
        stats = await peer.poses(warm + count)
    assert (stats["poses"], stats["missing"], stats["malformed"]) == (warm + count, 0, 0)
    assert stats["lefts"] == (stats["poses"] if hand == "left" else 0)
    assert stats["connections"] == 1
    assert stats["offset"] is not None
    assert stats["latest"]["joints"] == pose_message(warm + count - 1)["joints"]
    assert stats["collections"] == 0


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize(("encoding", "hand"), [("binary", "left"), ("json", "right")])
async def test_the_server_itself(
    harness: Path, console: Console, tiny_window: Path, tmp_path: Path, encoding: str, hand: str
) -> None:
    session = write_session(tmp_path / "session.csv", SECONDS + 20)
    source = f"replay:{session}?loop=1&hand={hand}"
    server = console.serve(source, "--model", tiny_window, "--hop", 2, "--token", "T")
    async with watching(harness, server.url, "T", encoding, "pose,status") as peer:
        await peer.until(state="Open")
        await peer.poses(RATE_HZ)
        await peer.ask("steady")
        stats = await peer.poses(SECONDS * RATE_HZ, "steady")
        # On a machine that is too busy the server drops poses for a late client, and says so.
        await peer.poses(stats["missing"], "dropped")
        assert (stats["malformed"], stats["connections"]) == (0, 1)
        assert stats["lefts"] == (stats["poses"] if hand == "left" else 0)
        assert stats["offset"] is not None
        assert abs(stats["offset"]) < 1.0
        assert stats["collections"] <= 1 + SECONDS / 30  # a status a second, and nothing for poses
        port, before = server.port, stats["poses"]
        assert server.stop() == 0
        assert (await peer.until(bye=...))["bye"]
        await peer.until(state="Waiting")
        again = console.start("serve", source, "--model", tiny_window, "--hop", 2, "--token", "T", "--port", port)
        await peer.until(state="Open")
        await peer.poses(before + 1)
    again.terminate()


async def test_the_server_refuses_a_wrong_token(harness: Path, console: Console, tiny_window: Path) -> None:
    session = write_session(console.folder / "session.csv", 5)
    server = console.serve(f"replay:{session}", "--model", tiny_window, "--token", "T")
    async with watching(harness, server.url, "wrong") as peer:
        assert "token" in (await peer.until(state="Refused"))["problem"]


@pytest.mark.parametrize("rude", [False, True])
async def test_it_comes_back_after_a_restart(harness: Path, rude: bool) -> None:
    async with FakeStream() as server, watching(harness, server.url) as peer:
        await peer.until(state="Open")
        await peer.ask("subscribe pose,status")
        await until(lambda: server.subscriptions)
        await server.stop(rude=rude)
        await peer.until(state="Waiting")
        await peer.until(state="Waiting")
        await server.start()
        hello = (await peer.until(hello=...))["hello"]
        assert hello["streams"] == ["pose", "status"]
        await peer.until(state="Open")
        await server.send(pose_message(9))
        stats = await peer.poses(1)
        assert stats["connections"] == 2


async def test_a_silent_server_is_given_up_and_a_paused_one_is_not(harness: Path) -> None:
    async with FakeStream() as server, watching(harness, server.url) as peer:
        await peer.until(state="Open")
        while (await peer.stats())["offset"] is None:
            pass
        server.mute = True
        await peer.until(state="Waiting")
        server.mute = False
        await peer.until(state="Open")
        assert server.accepted >= 2


async def test_the_token_and_its_refusal(harness: Path) -> None:
    async with FakeStream(token="T +/=") as server:
        async with watching(harness, server.url, token="wrong") as peer:
            refused = await peer.until(state="Refused")
            assert refused["problem"] == "the token is missing or wrong; add ?token="
        async with watching(harness, f"{server.url}#token=T%20%2B/%3D") as peer:
            await peer.until(state="Open")
        assert server.accepted == 1


@pytest.mark.parametrize(("streams", "problem"), [("pots", "unknown stream; use pose, emg, imu or status")])
async def test_wrong_parameters_are_refused_with_the_servers_words(harness: Path, streams: str, problem: str) -> None:
    async with FakeStream() as server, watching(harness, server.url, streams=streams) as peer:
        assert (await peer.until(state="Refused"))["problem"] == problem


async def test_a_refused_subscription_is_said(harness: Path) -> None:
    async with FakeStream() as server, watching(harness, server.url) as peer:
        await peer.until(state="Open")
        await peer.ask("subscribe pots")
        assert (await peer.until(fault=...))["fault"] == "unknown stream"
        await server.send(pose_message(1))
        await peer.poses(1)


async def test_a_close_for_policy_is_final(harness: Path) -> None:
    async with FakeStream() as server, watching(harness, server.url) as peer:
        await peer.until(state="Open")
        await until(lambda: server.clients)
        await next(iter(server.clients)).close(1008, "ten bad messages")
        assert "ten bad messages" in (await peer.until(state="Refused"))["problem"]


async def test_something_else_there(harness: Path) -> None:
    async with FakeStream() as server, watching(harness, server.url) as peer:
        server.greeting = '{"type":"welcome"}'
        await peer.until(state="Waiting", problem="the server does not begin with a hello: it is not Myocast")


async def test_components_against_a_server(scene: Path) -> None:
    async with FakeStream(token="T") as server:
        ticking = asyncio.create_task(server.tick(100_000, 100.0))
        process = await asyncio.create_subprocess_exec(
            "mono", str(scene), "live", server.url, "T", "20", stdout=asyncio.subprocess.PIPE
        )
        out = json.loads((await process.communicate())[0])
        ticking.cancel()
        await asyncio.wait([ticking])
    assert out["shown"] == 20
    assert (out["hellos"], out["connected"], out["disconnected"], out["refused"]) == (1, 1, 1, 0)
    assert out["matches"] is True
    assert out["lines"] == ""


async def test_components_say_a_refusal_once(scene: Path) -> None:
    async with FakeStream(token="T") as server:
        process = await asyncio.create_subprocess_exec(
            "mono", str(scene), "live", server.url, "wrong", "1", stdout=asyncio.subprocess.PIPE
        )
        out = json.loads((await process.communicate())[0])
    assert (out["refused"], out["connected"], out["shown"]) == (1, 0, 0)
    assert out["lines"] == "error: Myocast: the token is missing or wrong; add ?token="


def test_the_joint_tables_are_the_projects(harness: Path) -> None:
    hand = (PACKAGE / "Runtime/Core/Hand.cs").read_text()
    assert tuple(re.findall(r'"(\w+)"', hand)) == JOINTS
    table = cast(re.Match[str], re.search(r"Parents =\s*\{(.*?)\}", hand, re.DOTALL)).group(1)
    assert tuple(int(value) for value in re.findall(r"-?\d+", table)) == PARENTS


def assets() -> Iterable[Path]:
    """What Unity imports: everything but folders that end with ~, and what is inside a sample."""
    for path in PACKAGE.rglob("*"):
        hidden = [part for part in path.relative_to(PACKAGE).parts if part.endswith("~")]
        inside_sample = hidden == ["Samples~"] and len(path.relative_to(PACKAGE).parts) > 2
        if path.suffix != ".meta" and (not hidden or inside_sample):
            yield path


def guid(meta: Path) -> str:
    return cast(re.Match[str], re.search(r"^guid: ([0-9a-f]{32})$", meta.read_text(), re.MULTILINE)).group(1)


def test_every_asset_has_a_meta_file_with_its_own_guid() -> None:
    found = list(assets())
    guids = {guid(path.with_name(path.name + ".meta")): path for path in found}
    assert len(guids) == len(found) > 25
    orphans = [meta for meta in PACKAGE.rglob("*.meta") if not meta.with_suffix("").exists()]
    assert not orphans


def test_the_sample_scene_refers_to_what_there_is() -> None:
    text = (PACKAGE / "Samples~/Hand/Hand.unity").read_text()
    ids = re.findall(r"^--- !u!\d+ &(\d+)$", text, re.MULTILINE)
    assert len(ids) == len(set(ids))
    assert {i for i in re.findall(r"\{fileID: (\d+)\}", text) if i != "0"} <= set(ids)
    known = {guid(path.with_name(path.name + ".meta")): path.stem for path in assets()}
    used = [known[g] for g in re.findall(r"guid: ([0-9a-f]{32})", text)]
    assert sorted(used) == ["HandMesh", "HandSkeleton", "MyocastClient", "Skin"]
    for block in text.split("--- "):
        if (name := _script(block)) is None:
            continue
        source = (PACKAGE / f"Runtime/Unity/{name}.cs").read_text()
        fields = set(re.findall(r"\[SerializeField\] private \S+ (\w+)", source))
        assert set(re.findall(r"^  (?!m_)([a-z]\w+):", block, re.MULTILINE)) == fields


def _script(block: str) -> str | None:
    match = re.search(r"m_Script: \{fileID: 11500000, guid: ([0-9a-f]{32})", block)
    names = {guid(path.with_name(path.name + ".meta")): path.stem for path in assets()}
    return names[match.group(1)] if match else None


def test_the_package_manifest() -> None:
    manifest = json.loads((PACKAGE / "package.json").read_text())
    assert manifest["name"] == "com.myocast.client"
    for sample in manifest["samples"]:
        assert (PACKAGE / sample["path"]).is_dir()
    for path in PACKAGE.rglob("*.asmdef"):
        assert json.loads(path.read_text())["name"] == path.stem
    assert f"## {manifest['version']}" in (PACKAGE / "CHANGELOG.md").read_text()
    assert (PACKAGE / "LICENSE.md").read_text() == (REPOSITORY / "LICENSE").read_text()
