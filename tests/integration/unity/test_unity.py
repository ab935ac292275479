"""The Unity package: its C# core run under mono against a server, its components on a stand-in for UnityEngine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, cast, get_args

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
NURSERY_BYTES = 64 * 1024
"""Allocating so much makes a collection, so that no collection means less than that."""
SMALL_NURSERY = {"MONO_GC_PARAMS": f"nursery-size={NURSERY_BYTES // 1024}k"}
RECEIVE_BYTES = 4096
"""Bytes that receiving a binary message may allocate. It takes 3.0 KB with mono 6.8, of which ReceiveAsync of the
runtime takes 2.4 KB; decoding takes none (see test_decoding_allocates_nothing)."""

NEWTONSOFT = next(Path("/usr/lib/cli").glob("Newtonsoft.Json-*/Newtonsoft.Json.dll"), None)

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("mcs") is None or shutil.which("mono") is None or NEWTONSOFT is None,
        reason="needs mono-mcs, mono-runtime and libnewtonsoft-json5.0-cil",
    ),
]


def build(name: str, directory: Path, *sources: Path, options: tuple[str, ...] = ()) -> Path:
    target = directory / name
    command = [
        "mcs", "-warnaserror", "-nowarn:0649,0067", f"-r:{NEWTONSOFT}", f"-out:{target}", *options, *map(str, sources)
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return target


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((PACKAGE / folder).glob("*.cs"))]


def stubs(*names: str) -> list[Path]:
    return [TESTS / "mono" / f"{name}.cs" for name in names]


COMPONENTS = ("Runtime/Core", "Runtime/Arm", "Runtime/Unity", "Editor")


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(
        "harness.exe", tmp_path_factory.mktemp("mono"), *stubs("Harness"), *sources("Runtime/Core", "Runtime/Arm")
    )


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [*stubs("Harness", "Scene", "UnityStub", "UnityEditorStub"), *sources(*COMPONENTS)]
    return build("scene.exe", tmp_path_factory.mktemp("mono"), *parts, options=("-main:Scene",))


@pytest.fixture(scope="session", params=["NATIVEWEBSOCKET_1", "NATIVEWEBSOCKET_2"])
def webgl(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = ("-main:Scene", "-define:MYOCAST_NATIVEWEBSOCKET", "-define:UNITY_WEBGL", f"-define:{request.param}")
    parts = stubs("Harness", "Scene", "UnityStub", "UnityEditorStub", "NativeWebSocketStub")
    parts += sources(*COMPONENTS, "Runtime/WebGL")
    return build("webgl.exe", tmp_path_factory.mktemp("mono"), *parts, options=options)


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
    if message["type"] == "status":
        signal = message.pop("signal")
        channels = signal["channels"] if signal else []
        message["arm"] = {
            "alignment": alignment_fields(message.pop("alignment")),
            "personal": personal_fields(message.pop("personal")),
            "signal": {
                "states": " ".join(one["state"] for one in channels), "hints": "|".join(one["hint"] for one in channels)
            },
            "labels": label_fields(message.pop("labels")),
        }  # fmt: skip
    if message["type"] == "hello":
        message = {key: value for key, value in message.items() if key not in ("device", "model", "pose")}
    return message


def alignment_fields(alignment: dict[str, Any]) -> dict[str, Any]:
    """What the client keeps of an alignment."""
    again, error, result = alignment["again"], alignment["error"], alignment["result"]
    return {
        "state": alignment["state"],
        "cue": alignment["cue"],
        "phase": alignment["phase"],
        "left_s": alignment["left_s"],
        "again": again and again["message"],
        "error": error and error["message"],
        "applied": alignment["applied"],
        "turn_deg": result["turn_deg"] if result else 0.0,
    }


def personal_fields(personal: dict[str, Any]) -> dict[str, Any]:
    """What the client keeps of a personal model."""
    return {
        "state": personal["state"],
        "seconds": personal["seconds"],
        "lag_ms": personal["lag_ms"],
        "before": personal["before"]["angle_mae_deg"],
        "after": personal["after"]["angle_mae_deg"],
        "error": personal["error"] and personal["error"]["message"],
    }


def label_fields(labels: dict[str, Any] | None) -> dict[str, Any]:
    """What the client keeps of labels and of what the wearer is asked to do."""
    labels = labels or {"state": "", "source": "", "message": "", "lag_ms": None, "prompt": None}
    prompt = labels["prompt"] or {"pose": None, "now": 0.0, "level": 0.0, "joints": []}
    kept = {key: labels[key] for key in ("state", "source", "message", "lag_ms")}
    return {**kept, **{key: prompt[key] for key in ("pose", "now", "level", "joints")}}


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
        b'{"type":"bye" "reason":"x"}', b'{"type":"bye","reason":"\\q"}',
        b'{"type":"x","y":' + b"[" * 99 + b"]" * 99 + b"}", b'{"type":"pong","id":1,"t":-}', b'{"type":"pong","t":"1"}',
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


def test_every_form_of_address(harness: Path) -> None:
    query = "?streams=pose,emg&max_rate=30"
    forms = {
        "http://127.0.0.1:8765/#token=a%20b": [
            f"ws://127.0.0.1:8765/v1/stream{query}", "a b", "http://127.0.0.1:8765/api/v1/status"
        ],
        "localhost:8765": [f"ws://localhost:8765/v1/stream{query}", None, "http://localhost:8765/api/v1/status"],
        "https://h/?token=q": [f"wss://h/v1/stream{query}", "q", "https://h/api/v1/status"],
        "ws://[::1]:1/behind/v1/stream?x=1": [
            f"ws://[::1]:1/behind/v1/stream{query}&x=1", None, "http://[::1]:1/behind/api/v1/status"
        ],
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
def test_openxr_joints(scene: Path, tmp_path: Path, side: Side, bend: float) -> None:
    joints = make_hand(bend, side)
    (out,) = mono(scene, "joints", pose_file(tmp_path / "pose.bin", joints, side))
    # Back from Unity's axes to those of OpenXR.
    positions = np.reshape(out["positions"], (26, 3)) * [1, 1, -1]
    points = joints.reshape(21, 3) / 1000
    for joint, point in enumerate(XR_POINTS):
        if point is not None:
            np.testing.assert_allclose(positions[joint], points[point], atol=1e-7)
    np.testing.assert_allclose(positions[0], 0.6 * points[9], atol=1e-7)
    np.testing.assert_allclose(positions[[6, 11, 16, 21]], 0.2 * points[[5, 9, 13, 17]], atol=1e-7)
    assert out["unity"] == [2, 1, *range(3, 27)]
    turns = np.reshape(out["rotations"], (26, 4)) * [-1.0, -1.0, 1.0, 1.0]
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


FINGERS = ("Index", "Middle", "Ring", "Pinky")
TIPS = (4, 8, 12, 16, 20)
BONE_NAMES: dict[str, tuple[str, list[str], list[str], tuple[str, ...]]] = {
    "XR Hands": (
        "R_Wrist", ["R_ThumbMetacarpal", "R_ThumbProximal", "R_ThumbDistal", "R_ThumbTip"],
        ["-R_{}Metacarpal", "R_{}Proximal", "R_{}Intermediate", "R_{}Distal", "R_{}Tip"],
        ("Index", "Middle", "Ring", "Little"),
    ),
    "WebXR": (
        "wrist", ["thumb-metacarpal", "thumb-phalanx-proximal", "thumb-phalanx-distal", "thumb-tip"],
        ["-{}-finger-metacarpal", "{}-finger-phalanx-proximal", "{}-finger-phalanx-intermediate",
         "{}-finger-phalanx-distal", "{}-finger-tip"], ("index", "middle", "ring", "pinky"),
    ),
    "Mixamo": (
        "mixamorig1:LeftHand", [f"mixamorig1:LeftHandThumb{n}" for n in (1, 2, 3, 4)],
        [f"mixamorig1:LeftHand{{}}{n}" for n in (1, 2, 3, 4)], FINGERS,
    ),
    "Oculus": (
        "b_r_wrist", ["-b_r_thumb0", "b_r_thumb1", "b_r_thumb2", "b_r_thumb3", "r_thumb_finger_tip_marker"],
        ["-b_r_{}0", "b_r_{}1", "b_r_{}2", "b_r_{}3", "r_{}_finger_tip_marker"], ("index", "middle", "ring", "pinky"),
    ),
    "SMPL-X": (
        "right_wrist", [f"right_thumb{n}" for n in (1, 2, 3)], [f"right_{{}}{n}" for n in (1, 2, 3)],
        ("index", "middle", "ring", "pinky"),
    ),
    "Humanoid": (
        "RightHand", [f"Right Thumb {bone}" for bone in ("Proximal", "Intermediate", "Distal")],
        [f"Right {{}} {bone}" for bone in ("Proximal", "Intermediate", "Distal")],
        ("Index", "Middle", "Ring", "Little"),
    ),
    "Unreal": (
        "hand_l", ["thumb_01_l", "thumb_02_l", "thumb_03_l"],
        ["-{}_metacarpal_l", "{}_01_l", "{}_02_l", "{}_03_l"], ("index", "middle", "ring", "pinky"),
    ),
    "Rigify": (
        "hand.R", ["thumb.01.R", "thumb.02.R", "thumb.03.R"],
        ["f_{}.01.R", "f_{}.02.R", "f_{}.03.R"], ("index", "middle", "ring", "pinky"),
    ),
    "VRM": (
        "J_Bip_R_Hand", [f"J_Bip_R_Thumb{n}" for n in (1, 2, 3)], [f"J_Bip_R_{{}}{n}" for n in (1, 2, 3)],
        ("Index", "Middle", "Ring", "Little"),
    ),
    "MediaPipe": (
        "wrist", ["thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"],
        ["{}_mcp", "{}_pip", "{}_dip", "{}_tip"], ("index", "middle", "ring", "pinky"),
    ),
}  # fmt: skip
"""Wrist, thumb and finger bones from the palm outwards, and the fingers' names; with a - what is none of the points."""


def rig_paths(scheme: str, below: str = "Armature") -> tuple[list[str], list[str | None]]:
    """Paths of all bones, parents first, and the names of the 21 that belong to the points."""
    wrist, thumb, templates, fingers = BONE_NAMES[scheme]
    paths, points = [below, f"{below}/{wrist}"], cast(list[str | None], [wrist])
    for chain in [thumb, *([template.format(name) for template in templates] for name in fingers)]:
        at = paths[1]
        for name in chain:
            at += "/" + name.removeprefix("-")
            paths.append(at)
        used: list[str | None] = [name for name in chain if not name.startswith("-")]
        points += used + [None] * (4 - len(used))
    return paths, points


@pytest.mark.parametrize("scheme", BONE_NAMES)
def test_bones_are_found_by_name(scene: Path, scheme: str) -> None:
    paths, points = rig_paths(scheme)
    (out,) = mono(scene, "bones", *paths)
    assert out == {"bones": points, "problem": ""}


def test_a_rig_with_missing_bones_or_two_hands_says_so(scene: Path) -> None:
    paths, _ = rig_paths("Mixamo")
    (out,) = mono(scene, "bones", *(path for path in paths if "Ring" not in path))
    assert out["problem"] == "no bone found for ring_mcp, ring_pip, ring_dip; assign it in Hand Rig's Bones"
    both = [f"Body/{path}" for path in [*paths, *(path.replace("Left", "Right") for path in paths[1:])]]
    (out,) = mono(scene, "bones", "Body", *both)
    assert out["problem"] == "there are two hands below Body; put Hand Rig on the wrist bone of one"


LIT = "Universal Render Pipeline/Lit"


@pytest.mark.parametrize(
    ("pipeline", "shaders"),
    [("built-in", ["none", "Standard", "Standard", "Standard", "My/Toon"]),
     ("Universal Render Pipeline", [LIT, LIT, LIT, LIT, "My/Toon"])],
)  # fmt: skip
def test_the_hand_is_drawn_in_every_pipeline(scene: Path, pipeline: str, shaders: list[str]) -> None:
    (out,) = mono(scene, "material", pipeline, "Standard", LIT, "My/Toon")
    assert out["shaders"] == shaders
    assert ("assign a material of your render pipeline" in out["lines"]) is ("none" in shaders)


@pytest.mark.parametrize(
    ("pipeline", "material"), [("built-in", "Default-Material.mat"), ("Universal Render Pipeline", "Lit.mat")]
)
def test_the_menu_makes_a_hand_with_a_material_of_the_pipeline(scene: Path, pipeline: str, material: str) -> None:
    (out,) = mono(scene, "menu", pipeline, guid(PACKAGE / "Prefabs/Myocast Hand.prefab.meta"))
    assert out == {
        "path": "GameObject/Myocast/Hand", "material": material, "parent": "parent", "selected": "prefab", "undo": 1
    }  # fmt: skip


def test_webgl_goes_through_nativewebsocket(webgl: Path) -> None:
    (out,) = mono(webgl, "browser", GOLDEN / "pose.bin", GOLDEN / "hello.json")
    assert out["states"] == "Connecting Open Waiting Connecting Refused"
    assert out["url"] == "ws://h:1/v1/stream?streams=pose&token=a%20b"
    assert out["again"] == "ws://h:1/v1/stream?streams=pose,emg&max_rate=30&token=a%20b"
    assert out["protocol"] == "myocast.v1.binary"
    assert out["sent"][1] == {"type": "subscribe", "streams": ["pose", "emg"], "max_rate": 30}
    assert (out["poses"], out["tries"]) == (1, 2)


@pytest.mark.parametrize("name", ["pose.bin", "pose_truth.bin", "emg.bin"])
def test_decoding_allocates_nothing(harness: Path, name: str) -> None:
    (cost,) = mono(harness, "cost", GOLDEN / name, 20_000)
    assert cost["malformed"] == 0
    assert cost["collections"] == 0


def test_the_allocation_check_can_fail(harness: Path) -> None:
    (cost,) = mono(harness, "cost", GOLDEN / "hello.json", 1000)
    assert cost["collections"] > 0


Mode = Literal["accepts", "answers the status", "shakes hands"]


@asynccontextmanager
async def falling_silent(mode: Mode) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that says nothing after a certain point; the event tells that a client waits there."""
    waiting, done = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/api/v1/status" in request and mode != "accepts":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            writer.close()
            return
        if mode == "shakes hands":
            key = cast(re.Match[bytes], re.search(rb"Sec-WebSocket-Key: (\S+)", request)).group(1)
            accept = b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: myocast.v1.binary\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            await reader.readexactly(1)  # the first ping: the client has seen the handshake
        waiting.set()
        await done.wait()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", waiting
    finally:
        done.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("mode", get_args(Mode))
async def test_leaving_never_waits(harness: Path, mode: Mode) -> None:
    """Dispose returns, and the client ends, while the server says nothing and no time limit would end the attempt."""
    async with falling_silent(mode) as (url, waiting), running(harness, "leave", url) as peer:
        await peer.until(state="Connecting")
        await waiting.wait()
        await peer.request("leave")
        await peer.until(disposed=True)
        await peer.until(completed=True)
        assert await peer.process.wait() == 0
    assert {"state": "Closed"} in peer.said


async def test_leaving_play_mode_never_waits(scene: Path) -> None:
    async with falling_silent("accepts") as (url, waiting), running(scene, "leave", url) as peer:
        await peer.until(state=...)
        await waiting.wait()
        await peer.request("leave")
        await peer.until(state="Closed")
        assert await peer.process.wait() == 0


async def test_a_server_without_this_stream_is_tried_again(harness: Path) -> None:
    """Its status answers, so the reason is not a refusal that the person could mend."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if b"/api/v1/status" in request else b"404 Not Found"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with watching(harness, f"http://{host}/") as peer:
            problem = (await peer.until(state="Waiting"))["problem"]
            assert problem.startswith(f"no Myocast stream at {host}: ")
            await peer.until(state="Connecting")


async def test_times_and_errors_have_the_names_of_all_clients(harness: Path) -> None:
    async with FakeStream() as server:
        ticking = asyncio.create_task(server.tick(100_000, RATE_HZ))
        async with running(harness, "names", server.url) as peer:
            out = await peer.read_json()
            assert await peer.process.wait() == 0
        ticking.cancel()
        await asyncio.wait([ticking])
    assert out["before"] == {"offset": None, "now": None, "latency": None, "error": ""}
    # The pongs of this server count from 100, and its poses are sent at 1.7e9.
    assert abs(out["here"] + out["offset"] - out["server"]) < 1
    assert abs(out["server"] - 100) < 30
    assert abs(out["server"] - out["t"] - out["latency"]) < 1
    assert (out["age_ms"], out["error"]) == (1.5, "")
    assert out["old"] == {"offset": out["offset"], "problem": ""}


class Peer:
    """The C# client in another process: what it says, in order, and commands to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []

    async def request(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        await self.process.stdin.drain()

    async def read_json(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        text = await self.process.stdout.readline()
        assert text, self.said
        self.said.append(json.loads(text))
        return self.said[-1]

    async def until(self, **wanted: object) -> dict[str, Any]:
        while True:
            line = await self.read_json()
            if all(key in line and (value is ... or line[key] == value) for key, value in wanted.items()):
                return line

    async def stats(self) -> dict[str, Any]:
        await self.request("stats")
        return await self.until(poses=...)

    async def poses(self, count: float, key: str = "poses") -> dict[str, Any]:
        """Wait until so many poses have come."""
        while (stats := await self.stats())[key] < count:  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)
        return stats


@asynccontextmanager
async def running(program: Path, *arguments: str) -> AsyncIterator[Peer]:
    process = await asyncio.create_subprocess_exec(
        "mono", str(program), *arguments, env=os.environ | SMALL_NURSERY,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20,
    )  # fmt: skip
    try:
        yield Peer(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def watching(
    harness: Path, url: str, token: str = "", encoding: str = "binary", streams: str = "pose"
) -> AsyncIterator[Peer]:
    async with running(harness, "watch", url, token, encoding, streams) as peer:
        yield peer
        if peer.process.returncode is None:
            await peer.request("quit")
            await peer.until(state="Disposed")
            assert await peer.process.wait() == 0


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize(("encoding", "hand"), [("binary", "right"), ("json", "left")])
async def test_it_keeps_up_with_100_hz_without_a_gap(harness: Path, encoding: str, hand: str) -> None:
    count, warm = int(SECONDS * RATE_HZ), 100
    async with FakeStream(hand=hand) as server, watching(harness, server.url, encoding=encoding) as peer:
        await peer.until(state="Open")
        await server.tick(warm, RATE_HZ)
        await peer.poses(warm)
        await peer.request("steady")
        assert (await peer.stats())["steady"] == 0
        await server.tick(count, RATE_HZ, first=warm)
        stats = await peer.poses(warm + count)
    assert (stats["poses"], stats["missing"], stats["malformed"]) == (warm + count, 0, 0)
    assert stats["lefts"] == (stats["poses"] if hand == "left" else 0)
    assert stats["connections"] == 1
    assert stats["offset"] is not None
    assert stats["latest"]["joints"] == pose_message(warm + count - 1)["joints"]
    if encoding == "binary":
        assert stats["collections"] <= count * RECEIVE_BYTES / NURSERY_BYTES


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize(("encoding", "hand"), [("binary", "left"), ("json", "right")])
async def test_the_server_itself(
    harness: Path, console: Console, tiny_window: Path, tmp_path: Path, encoding: str, hand: str
) -> None:
    session = write_session(tmp_path / "session.csv", SECONDS + 20)
    source = f"replay:{session}?loop=1&hand={hand}"
    server = console.serve(source, "--model", tiny_window, "--hop", 2, "--token", "sesame")
    async with watching(harness, server.url, "sesame", encoding, "pose,status") as peer:
        await peer.until(state="Open")
        await peer.poses(RATE_HZ)
        await peer.request("steady")
        stats = await peer.poses(SECONDS * RATE_HZ, "steady")
        # On a machine that is too busy the server drops poses for a late client, and says so.
        await peer.poses(stats["missing"], "dropped")
        assert (stats["malformed"], stats["connections"]) == (0, 1)
        assert stats["lefts"] == (stats["poses"] if hand == "left" else 0)
        assert stats["offset"] is not None
        assert abs(stats["offset"]) < 1.0
        if encoding == "binary":
            # A status a second takes a few collections of its own.
            assert stats["collections"] <= stats["steady"] * RECEIVE_BYTES / NURSERY_BYTES + SECONDS
        port, before = server.port, stats["poses"]
        assert server.stop() == 0
        assert (await peer.until(bye=...))["bye"]
        await peer.until(state="Waiting")
        again = console.start("serve", source, "--model", tiny_window, "--hop", 2, "--token", "sesame", "--port", port)
        await peer.until(state="Open")
        await peer.poses(before + 1)
    again.terminate()


async def test_the_server_refuses_a_wrong_token(harness: Path, console: Console, tiny_window: Path) -> None:
    session = write_session(console.folder / "session.csv", 5)
    server = console.serve(f"replay:{session}", "--model", tiny_window, "--token", "sesame")
    async with watching(harness, server.url, "wrong") as peer:
        assert "token" in (await peer.until(state="Refused"))["problem"]


@pytest.mark.parametrize("rude", [False, True])
async def test_it_comes_back_after_a_restart(harness: Path, rude: bool) -> None:
    async with FakeStream() as server, watching(harness, server.url) as peer:
        await peer.until(state="Open")
        await peer.request("subscribe pose,status")
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


@pytest.mark.parametrize(
    ("streams", "problem"),
    [("pots", "unknown stream in 'pots'; use pose, emg, imu, status"), ("", "unknown stream in")],
)
async def test_wrong_parameters_are_refused_before_anything_is_sent(harness: Path, streams: str, problem: str) -> None:
    async with FakeStream() as server, watching(harness, server.url, streams=streams) as peer:
        assert problem in (await peer.until(invalid=...))["invalid"]
        assert await peer.process.wait() == 0
        assert not server.headers


async def test_labels_and_markers_are_sent(harness: Path) -> None:
    async with FakeStream() as server, watching(harness, server.url) as peer:
        await peer.until(state="Open")
        await peer.request("label")
        assert (await peer.until(sent=...))["sent"] == 1
        await peer.request("marker")
        assert (await peer.until(sent=...))["sent"] == 1
        await until(lambda: len(server.told) == 2)
        joints = [i / 4 - 5 for i in range(63)]
        assert server.told == [
            {
                "type": "label", "device": 1, "t": 1763900016.5, "hand": "left", "joints": joints,
                "source": 'webcam "2"',
            },
            {"type": "marker", "device": 0, "t": 1763900016.5, "label": 'second "donning"'},
        ]  # fmt: skip


async def test_a_refused_subscription_is_reported(harness: Path) -> None:
    async with FakeStream() as server, watching(harness, server.url) as peer:
        await peer.until(state="Open")
        await peer.request("subscribe pots")
        assert (await peer.until(fault=...))["fault"] == "unknown stream"
        await server.send(pose_message(1))
        await peer.poses(1)


async def test_an_unknown_stream_is_not_requested_again(harness: Path) -> None:
    async with FakeStream() as server, watching(harness, server.url) as peer:
        await peer.until(state="Open")
        await peer.request("subscribe pots")
        await peer.until(fault=...)
        await server.stop()
        assert "unknown stream in 'pots'" in (await peer.until(state="Refused"))["problem"]


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
    status = json.loads((GOLDEN / "status.json").read_text("utf-8"))
    async with FakeStream(token="T") as server:
        ticking = asyncio.create_task(server.tick(100_000, 100.0))
        process = await asyncio.create_subprocess_exec(
            "mono", str(scene), "live", server.url, "T", "20", stdout=asyncio.subprocess.PIPE
        )
        await until(lambda: server.clients)
        await server.send(status)
        out = json.loads((await process.communicate())[0])
        ticking.cancel()
        await asyncio.wait([ticking])
    assert out["shown"] == 20
    assert (out["hellos"], out["connected"], out["disconnected"], out["refused"]) == (1, 1, 1, 0)
    assert out["matches"] is True
    assert out["lines"] == ""
    assert out["editing"] == ["(fields)"]
    *lines, pose, age, latency = out["playing"]
    assert lines == [
        "(fields)", "Connection: Open", "Armband 0: fake", "State: replay", "Signal: 199.8 samples/s",
        "Error: the disk is full; streaming goes on",
    ]  # fmt: skip
    assert re.fullmatch(r"Pose: right hand, number \d+", pose)
    assert age == "Age at the server: 1.5 ms"
    assert re.fullmatch(r"Latency here: -?\d+ ms", latency)


async def test_components_report_a_refusal_once(scene: Path) -> None:
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


@pytest.mark.parametrize(
    ("asset", "uses"), [("Samples~/Hand/Hand.unity", ["Skin"]), ("Prefabs/Myocast Hand.prefab", [])]
)
def test_scene_and_prefab_refer_to_what_there_is(asset: str, uses: list[str]) -> None:
    text = (PACKAGE / asset).read_text()
    ids = re.findall(r"^--- !u!\d+ &(\d+)$", text, re.MULTILINE)
    assert len(ids) == len(set(ids))
    assert {i for i in re.findall(r"\{fileID: (\d+)\}", text) if i != "0"} <= set(ids)
    known = {guid(path.with_name(path.name + ".meta")): path.stem for path in assets()}
    used = [known[g] for g in re.findall(r"guid: ([0-9a-f]{32})", text)]
    assert sorted(used) == ["HandMesh", "HandSkeleton", "MyocastClient", *uses]
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
    assert manifest["repository"]["directory"] == PACKAGE.relative_to(REPOSITORY).as_posix()
    for link, file in (("changelogUrl", "CHANGELOG.md"), ("licensesUrl", "LICENSE.md")):
        assert manifest[link].endswith(f"/clients/unity/{file}")
    assert manifest["documentationUrl"].startswith("https://")
    assert f"## {manifest['version']}" in (PACKAGE / "CHANGELOG.md").read_text()
    assert (PACKAGE / "LICENSE.md").read_text() == (REPOSITORY / "LICENSE").read_text()


def assembly(folder: str) -> dict[str, Any]:
    (path,) = (PACKAGE / folder).glob("*.asmdef")
    return cast(dict[str, Any], json.loads(path.read_text()))


def test_core_builds_without_what_stands_on_it(tmp_path: Path) -> None:
    core = build("Myocast.Core.dll", tmp_path, *sources("Runtime/Core"), options=("-target:library",))
    options = ("-target:library", f"-r:{core}")
    build("Myocast.Arm.dll", tmp_path, *sources("Runtime/Arm"), options=options)
    assert assembly("Runtime/Core")["references"] == []
    assert assembly("Runtime/Arm")["references"] == ["Myocast.Core"]


def test_optional_packages_are_needed_only_where_they_are_used() -> None:
    core, webgl = assembly("Runtime/Core"), assembly("Runtime/WebGL")
    assert core["precompiledReferences"] == ["Newtonsoft.Json.dll"]
    assert core["overrideReferences"] is True
    # Version 2.0.1 of NativeWebSocket renamed its assembly; Unity ignores a name that is not there.
    assert {"endel.nativewebsocket", "colyseus.nativewebsocket"} <= set(webgl["references"])
    (define,) = webgl["versionDefines"]
    assert define["name"] == "com.endel.nativewebsocket"
    assert webgl["defineConstraints"] == [define["define"]]
    assert webgl["includePlatforms"] == ["WebGL"]
    assert not any("nativewebsocket" in name for name in assembly("Runtime/Unity")["references"])
    assert assembly("Editor")["includePlatforms"] == ["Editor"]
