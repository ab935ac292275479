"""The Python client: its decoder on the golden messages, its connection against a server that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import myocast_client as mc
from myocast_client.connection import Encoding
from myocast_client.errors import close_error
from tests.fakes.small_session import write_session
from tests.fakes.stream import FakeStream, pose_message, until
from tests.support.console import Console

GOLDEN = Path(__file__).parents[2] / "golden"
QUICK: dict[str, Any] = {"ping_interval": 0.01, "open_timeout": 30.0}


def golden(name: str) -> bytes | str:
    data = (GOLDEN / name).read_bytes()
    return data if name.endswith(".bin") else data.decode()


@pytest.mark.parametrize("name", ["pose", "pose_truth"])
@pytest.mark.parametrize("kind", ["json", "bin"])
def test_golden_pose(name: str, kind: str) -> None:
    expected = json.loads(golden(f"{name}.json"))
    pose = mc.decode(golden(f"{name}.{kind}"), received=5.0)
    assert isinstance(pose, mc.Pose)
    for key in ("device", "seq", "sample", "t", "age_ms", "infer_ms", "skipped", "hand"):
        assert getattr(pose, key) == expected[key], key
    assert (pose.gap, pose.held) == (expected.get("gap", False), expected.get("held", False))
    assert pose.joints.shape == (21, 3)
    assert pose.joints.dtype == np.float32
    np.testing.assert_array_equal(pose.joints.reshape(-1), expected["joints"])
    if "truth" in expected:
        assert pose.truth is not None
        np.testing.assert_array_equal(pose.truth.reshape(-1), expected["truth"])
    else:
        assert pose.truth is None
    assert pose.confidence == expected.get("confidence")
    assert pose.received == 5.0


def test_confidence_counts_only_with_its_flag() -> None:
    data = bytearray(cast(bytes, golden("pose.bin")))
    data[292:296] = np.float32(0.75).tobytes()
    plain = mc.decode(bytes(data))
    data[2] |= 16
    flagged = mc.decode(bytes(data))
    assert isinstance(plain, mc.Pose)
    assert plain.confidence is None
    assert isinstance(flagged, mc.Pose)
    assert flagged.confidence == 0.75


@pytest.mark.parametrize("kind", ["json", "bin"])
def test_golden_emg(kind: str) -> None:
    expected = json.loads(golden("emg.json"))
    emg = mc.decode(golden(f"emg.{kind}"))
    assert isinstance(emg, mc.Emg)
    assert (emg.device, emg.sample, emg.t, emg.rate_hz) == tuple(
        expected[key] for key in ("device", "sample", "t", "rate_hz")
    )
    np.testing.assert_array_equal(emg.samples, expected["samples"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [("hello", mc.Hello), ("hello_early", mc.Hello), ("imu", mc.Imu), ("status", mc.Status),
     ("status_quiet", mc.Status), ("bye", mc.Bye), ("pong", mc.Pong), ("error", mc.Fault)],
)  # fmt: skip
def test_golden_text(name: str, kind: type) -> None:
    expected = json.loads(golden(f"{name}.json"))
    message = mc.decode(golden(f"{name}.json"))
    assert type(message) is kind
    for key in vars(kind)["__slots__"]:
        value = getattr(message, key) if key != "received" else None
        assert (list(value) if isinstance(value, tuple) else value) == expected.get(key), key


def test_unknown_messages_and_fields_are_ignored() -> None:
    assert mc.decode('{"type":"gesture","name":"fist"}') is None
    assert mc.decode(b"\x09\x01abc") is None
    assert mc.decode(b"\x01\x02" + bytes(400)) is None
    assert isinstance(mc.decode('{"type":"bye","reason":"x","later":[1]}'), mc.Bye)


@pytest.mark.parametrize(
    "message",
    ["", "[]", "{}", "null", '{"type":"pose"}', '{"type":"bye"}', '{"type":["bye"]}', b"", b"\x01", b"\x01\x01",
     b"\x01\x01" + bytes(293), b"\x01\x01\x08" + bytes(293), b"\x02\x01\x02" + bytes(40)],
)  # fmt: skip
def test_broken_messages_raise_one_error(message: bytes | str) -> None:
    with pytest.raises(mc.DecodeError):
        mc.decode(message)


@given(st.one_of(st.binary(max_size=600), st.binary(max_size=600).map(lambda b: b"\x01\x01" + b), st.text()))
def test_no_garbage_raises_anything_else(message: bytes | str) -> None:
    with contextlib.suppress(mc.DecodeError):
        assert mc.decode(message) is None or message[:1]


def test_clock_offset_is_the_best_of_the_last_eight() -> None:
    offset = mc.ClockOffset()
    assert offset.offset is None
    assert offset.round_trip is None
    offset.add(sent=10.0, received=10.002, server=110.001)
    assert offset.offset == pytest.approx(100.0)
    for _ in range(7):
        offset.add(sent=20.0, received=20.5, server=120.4)
    assert offset.round_trip == pytest.approx(0.002)
    offset.add(sent=20.0, received=20.5, server=120.4)
    assert offset.offset == pytest.approx(100.15)


@pytest.mark.parametrize(
    ("url", "expected", "token"),
    [
        ("http://127.0.0.1:8765/#token=a%20b", "ws://127.0.0.1:8765/v1/stream?streams=pose,emg&max_rate=30", "a b"),
        ("localhost:8765", "ws://localhost:8765/v1/stream?streams=pose,emg&max_rate=30", None),
        ("https://h/?token=q", "wss://h/v1/stream?streams=pose,emg&max_rate=30", "q"),
        ("ws://[::1]:1/behind/v1/stream?x=1", "ws://[::1]:1/behind/v1/stream?x=1&streams=pose,emg&max_rate=30", None),
    ],
)
def test_every_form_of_address(url: str, expected: str, token: str | None) -> None:
    assert mc.stream_url(url, ("pose", "emg"), 30.0) == (expected, token)


@pytest.mark.parametrize("url", ["", "ftp://x/", "http://", "ws://h:notaport/"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(mc.ClientError, match="is no address"):
        mc.stream_url(url, ("pose",), None)


@pytest.mark.parametrize("encoding", ["binary", "json"])
@pytest.mark.parametrize("hand", ["left", "right"])
async def test_poses_come_in_order_in_both_encodings(encoding: Encoding, hand: str) -> None:
    async with FakeStream(hand=hand) as server, mc.connect(server.url, encoding=encoding, queue=300) as client:
        await server.tick(200, 10_000.0)
        poses = [pose async for _, pose in _zip(range(200), client)]
        assert client.hello is not None
        assert client.hello.encoding == encoding
        assert client.dropped == client.malformed == 0
    assert [pose.seq for pose in poses] == list(range(200))
    assert {pose.hand for pose in poses} == {hand}
    assert poses[7].joints[3].tolist() == [10.0, -3.0, 0.75]


async def test_closing_at_once_leaves_nothing_open() -> None:
    async with FakeStream() as server:
        async with mc.connect(server.url) as client:
            assert client.connections == 1
        assert not client.connected
        await until(lambda: not server.clients)


async def test_leaving_the_loop_closes_the_connection() -> None:
    async with FakeStream() as server:
        server.on_client = lambda _: server_task.append(asyncio.create_task(server.tick(50, 1000.0)))
        server_task: list[asyncio.Task[None]] = []
        async for pose in mc.connect(server.url):
            assert pose.seq == 0
            break
        await until(lambda: not server.clients)
        await server_task[0]


async def test_a_busy_program_gets_the_newest() -> None:
    async with FakeStream() as server, mc.connect(server.url, queue=1) as client:
        await server.send(*(pose_message(seq) for seq in range(100)))
        await until(lambda: client.latest is not None and client.latest.seq == 99)
        pose = await anext(aiter(client))
        assert pose.seq == 99
        assert client.dropped >= 98


async def test_messages_and_callbacks_see_everything() -> None:
    async with FakeStream() as server:
        client = mc.connect(server.url, streams=("pose", "imu", "status"))
        seen: list[mc.Message] = []
        client.on(mc.Imu, seen.append)
        client.on(mc.Hello, seen.append)
        async with client:
            await server.send(*(json.loads(golden(f"{name}.json")) for name in ("imu", "status", "bye")))
            kinds = [type(message) async for _, message in _zip(range(4), client.messages())]
        assert kinds == [mc.Hello, mc.Imu, mc.Status, mc.Bye]
        assert [type(message) for message in seen] == [mc.Hello, mc.Imu]


async def test_a_callback_that_fails_is_not_hidden() -> None:
    def fail(pose: mc.Pose) -> None:
        raise ZeroDivisionError

    async with FakeStream() as server, mc.connect(server.url) as client:
        client.on(mc.Pose, fail)
        await server.send(pose_message(0))
        with pytest.raises(ZeroDivisionError):
            await client.wait_closed()


@pytest.mark.parametrize("rude", [False, True])
async def test_it_comes_back_with_its_subscription(rude: bool) -> None:
    async with FakeStream() as server, mc.connect(server.url, **QUICK) as client:
        await client.subscribe(("pose", "emg"), max_rate=25)
        assert server.subscriptions == [{"type": "subscribe", "streams": ["pose", "emg"], "max_rate": 25}]
        await server.stop(rude=rude)
        await until(lambda: not client.connected)
        await server.start()
        await until(lambda: client.connections == 2 and server.clients)
        await server.send(pose_message(5))
        assert (await anext(aiter(client))).seq == 5
        assert client.hello is not None
        assert client.hello.streams == ("pose", "emg")
        (connection,) = server.clients
        assert connection.request is not None
        assert "max_rate=25" in connection.request.path


async def test_without_reconnect_the_iteration_ends() -> None:
    async with FakeStream() as server, mc.connect(server.url, reconnect=False) as client:
        await server.send(pose_message(0))
        await server.stop()
        assert [pose.seq async for pose in client] == [0]
        assert client.connections == 1


async def test_a_server_that_is_silent_is_given_up() -> None:
    async with FakeStream() as server, mc.connect(server.url, silence=0.2, **QUICK) as client:
        server.mute = True
        await until(lambda: server.accepted >= 2)
        server.mute = False
        await until(lambda: client.connections >= 2)


async def test_a_paused_stream_is_not_given_up() -> None:
    time = 0.0
    async with FakeStream() as server, mc.connect(server.url, clock=lambda: time, silence=5.0, **QUICK) as client:
        pongs: list[mc.Pong] = []
        client.on(mc.Pong, pongs.append)
        for second in range(1, 60):
            time = float(second)
            pongs.clear()
            await until(lambda: bool(pongs))
        assert client.connections == server.accepted == 1


async def test_the_clock_offset_comes_from_pings() -> None:
    time = 5000.0
    async with FakeStream() as server, mc.connect(server.url, clock=lambda: time, **QUICK) as client:
        await until(lambda: client.clock_offset is not None)
        assert (client.clock_offset, client.round_trip) == (100.0, 0.0)
        await server.send(pose_message(0))
        pose = await anext(aiter(client))
        time = 5000.5
        assert client.server_now() == 5100.5
        assert client.latency(pose) == 5100.5 - pose.t


async def test_before_the_first_pong_the_servers_clock_is_unknown() -> None:
    async with FakeStream() as server, mc.connect(server.url, ping_interval=100.0) as client:
        server.mute = True
        await server.send(pose_message(0))
        pose = await anext(aiter(client))
    fresh = mc.connect("http://127.0.0.1/")
    assert (fresh.clock_offset, fresh.round_trip, fresh.server_now(), fresh.latency(pose)) == (None,) * 4


async def test_the_names_of_the_first_version_still_work_and_warn() -> None:
    async with FakeStream() as server, mc.connect(server.url, **QUICK) as client:
        await until(lambda: client.clock_offset is not None)
        await server.send(pose_message(0))
        pose = await anext(aiter(client))
        with pytest.warns(
            DeprecationWarning, match=r"latency_s\(pose\) is deprecated .* use client\.latency"
        ) as caught:
            latency = client.latency_s(pose)
        assert caught[0].filename == __file__
        with pytest.warns(DeprecationWarning, match="use client.clock_offset and client.round_trip"):
            offset = client.offset
        with pytest.warns(DeprecationWarning, match="use ClockOffset.offset"):
            seconds = offset.seconds
        with pytest.warns(DeprecationWarning, match="use ClockOffset.round_trip"):
            round_trip = offset.round_trip_s
        assert seconds is not None
        assert latency == pose.received + seconds - pose.t
        assert round_trip == offset.round_trip
    with pytest.warns(DeprecationWarning, match=r"use myocast_client\.local_now") as caught:
        old_now = mc.now
    assert caught[0].filename == __file__
    assert old_now is mc.local_now
    with pytest.warns(DeprecationWarning, match=r"use myocast_client\.Float32Array"):
        assert mc.Floats is mc.Float32Array
    with pytest.raises(AttributeError, match="nothing"):
        _ = mc.nothing


def error_code(client: mc.Client) -> str | None:
    return None if client.connection_error is None else client.connection_error.code


async def test_why_there_is_no_connection() -> None:
    async with FakeStream() as server, mc.connect(server.url, **QUICK) as client:
        assert error_code(client) is None
        await server.stop(rude=True)
        await until(lambda: not client.connected)
        assert error_code(client) in ("lost", "unreachable")
        await until(lambda: error_code(client) == "unreachable")
        await server.start()
        await until(lambda: client.connected)
        assert error_code(client) is None
    refused = mc.connect(server.url)
    with pytest.raises(mc.Unreachable) as caught:
        await refused.open()
    assert refused.connection_error is caught.value


@pytest.mark.parametrize(
    ("code", "reason", "goodbye", "expected"),
    [
        (1001, "", None, (mc.Unreachable, "stopping", "the server stopped")),
        (1001, "soon back", "bye bye", (mc.Unreachable, "stopping", "bye bye")),
        (1013, "full", None, (mc.Unreachable, "too_many_clients", "full")),
        (1008, "ten bad", None, (mc.Refused, "policy", "the server closed the connection: ten bad")),
        (None, None, None, (mc.Unreachable, "lost", "the connection was lost")),
    ],
)
def test_what_the_end_of_a_connection_means(
    code: int | None, reason: str | None, goodbye: str | None, expected: tuple[type, str, str]
) -> None:
    error = close_error(code, reason, goodbye)
    assert (type(error), error.code, str(error)) == expected


async def test_a_silent_server_and_one_that_sends_bye_are_distinguished() -> None:
    async with FakeStream() as server, mc.connect(server.url, silence=0.2, reconnect=False, **QUICK) as client:
        server.mute = True
        await client.wait_closed()
        assert error_code(client) == "silent"
    async with FakeStream() as server, mc.connect(server.url, reconnect=False) as client:
        await server.send({"type": "bye", "reason": "the server stops"})
        await server.stop()
        await client.wait_closed()
        assert (error_code(client), str(client.connection_error)) == ("stopping", "the server stops")


async def test_labels_and_markers_are_sent_as_the_golden_ones() -> None:
    label, angles, marker = (json.loads(golden(f"client/{name}.json")) for name in ("label", "label_angles", "marker"))
    async with FakeStream() as server, mc.connect(server.url) as client:
        points = np.array(label["joints"], np.float32).reshape(21, 3)
        await client.send_label(points, t=label["t"], hand="right", source="webcam", confidence=0.875)
        await client.send_label(angles=angles["angles"], t=angles["t"], hand="left", device=1)
        await client.send_marker(marker["label"], marker["t"])
        await client.send_marker("now")
        await until(lambda: len(server.told) == 4)
        assert server.told == [label, angles, marker, {"type": "marker", "label": "now"}]
        await until(lambda: client.server_now() is not None)
        await client.send_label(points)
        await until(lambda: len(server.told) == 5)
        assert server.told[-1]["t"] == pytest.approx(client.server_now(), abs=5.0)


async def test_a_label_without_a_connection_or_a_clock_is_not_sent() -> None:
    client = mc.connect("http://127.0.0.1:1/")
    with pytest.raises(mc.Unreachable, match="clock"):
        await client.send_label(angles={"index_mcp_fe": 1.0})
    with pytest.raises(mc.Unreachable, match="not connected"):
        await client.send_label(angles={"index_mcp_fe": 1.0}, t=1.0)
    with pytest.raises(mc.Unreachable, match="not connected"):
        await client.send_marker("x")


async def test_a_refused_subscription_changes_nothing() -> None:
    async with FakeStream() as server, mc.connect(server.url) as client:
        with pytest.raises(mc.BadSubscription, match="unknown stream"):
            await client.subscribe(cast(Any, ("pots",)))
        await server.send(pose_message(3))
        assert (await anext(aiter(client))).seq == 3


@pytest.mark.parametrize(
    ("kind", "status", "code", "options"),
    [
        (mc.Unauthorized, 401, "unauthorized", {"token": "wrong"}),
        (mc.Forbidden, 403, "forbidden", {"path": "elsewhere"}),
        (mc.BadRequest, 400, "bad_request", {"token": "T", "streams": ("pots",)}),
    ],
)
async def test_refusals_are_typed_and_carry_the_servers_message(
    kind: type[mc.ClientError], status: int, code: str, options: dict[str, Any]
) -> None:
    async with FakeStream(token="T") as server:
        with pytest.raises(kind) as caught:
            await mc.connect(server.url + options.pop("path", ""), **options).open()
    assert (caught.value.status, caught.value.code) == (status, code)
    assert len(str(caught.value)) > 10


async def test_the_token_travels_in_the_header() -> None:
    async with FakeStream(token="T") as server:
        async with mc.connect(f"{server.url}#token=T"):
            assert server.headers[0]["Authorization"] == "Bearer T"
        (refused,) = await asyncio.gather(mc.connect(server.url).open(), return_exceptions=True)
        assert isinstance(refused, mc.Unauthorized)


async def test_a_new_token_ends_the_reconnecting() -> None:
    async with FakeStream(token="old") as server, mc.connect(server.url, token="old", **QUICK) as client:
        await server.stop()
        server.token = "new"
        await server.start()
        with pytest.raises(mc.Unauthorized):
            await anext(aiter(client))


async def test_a_close_for_policy_is_final() -> None:
    async with FakeStream() as server, mc.connect(server.url) as client:
        (connection,) = server.clients
        await connection.close(1008, "ten bad messages")
        with pytest.raises(mc.Refused, match="ten bad messages"):
            await anext(aiter(client))


async def test_the_server_itself(console: Console, tiny_window: Path, tmp_path: Path) -> None:
    session = write_session(tmp_path / "session.csv", 60)
    server = console.serve(f"replay:{session}?hand=left", "--model", tiny_window, "--hop", 2, "--token", "sesame")
    with pytest.raises(mc.Unauthorized, match="token"):
        await mc.connect(server.url).open()
    with pytest.raises(mc.BadRequest, match="pots"):
        await mc.connect(server.url, token="sesame", streams=cast(Any, ("pots",))).open()
    seen: dict[type, int] = {}
    async with mc.connect(f"{server.url}#token=sesame", streams=("pose", "emg", "status"), **QUICK) as client:
        assert client.hello is not None
        assert client.hello.device is not None
        assert client.hello.device["hand"] == "left"
        dropped = [0]
        client.on(mc.Status, lambda status: dropped.append(status.dropped))
        poses: list[mc.Pose] = []
        rows = 0
        async for message in client.messages():
            seen[type(message)] = seen.get(type(message), 0) + 1
            if isinstance(message, mc.Emg):
                rows += len(message.samples)
            if isinstance(message, mc.Pose):
                poses.append(message)
                if len(poses) == 200:
                    break
        # On a machine that is too busy the server drops poses for a late client, and says so.
        missing = poses[-1].seq - poses[0].seq + 1 - len(poses)
        await until(lambda: max(dropped) >= missing)
        assert np.all(np.diff([pose.seq for pose in poses]) >= 1)
        assert {pose.hand for pose in poses} == {"left"}
        assert np.all(np.isfinite([pose.joints for pose in poses]))
        assert seen[mc.Status] >= 1
        assert rows > 350
        await until(lambda: client.clock_offset is not None)
        assert client.clock_offset is not None
        assert abs(client.clock_offset) < 1.0
        with pytest.raises(mc.BadSubscription):
            await client.subscribe(cast(Any, ("pots",)))
        await client.subscribe(("pose",), max_rate=20)
        assert client.hello.streams == ("pose",)
        port, session_before = server.port, client.hello.session
        assert server.stop() == 0
        await until(lambda: not client.connected)
        console.start("serve", f"replay:{session}", "--model", tiny_window, "--token", "sesame", "--port", port)
        await until(lambda: client.connections == 2)
        assert client.hello.session != session_before
        async for pose in client:  # those that were still waiting come first
            if pose.hand == "right":
                break
        assert client.malformed == 0


async def test_no_server_at_the_address() -> None:
    server = FakeStream()
    await server.start()
    await server.stop()
    with pytest.raises(mc.Unreachable, match="no Myocast stream at ws://"):
        await mc.connect(server.url).open()


async def test_something_else_there() -> None:
    async with FakeStream() as server:
        server.greeting = '{"type":"welcome"}'
        with pytest.raises(mc.Unreachable, match="not Myocast"):
            await mc.connect(server.url).open()


async def test_broken_messages_are_counted() -> None:
    async with FakeStream() as server, mc.connect(server.url) as client:
        (connection,) = server.clients
        await connection.send("{")
        await connection.send(b"\x01\x01")
        await server.send(pose_message(1))
        assert (await anext(aiter(client))).seq == 1
        assert client.malformed == 2


async def _zip(counter: range, items: Any) -> Any:
    """The first items of an endless async iterator."""
    iterator = aiter(items)
    for k in counter:
        yield k, await anext(iterator)


def test_the_package_names_its_repository_and_carries_its_licence(tmp_path: Path) -> None:
    folder = Path(mc.__file__).parents[1]
    assert (folder / "LICENSE").read_bytes() == (folder.parents[1] / "LICENSE").read_bytes()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        metadata = wheel.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {"myocast_client/sync.py", "myocast_client/py.typed"} <= set(names)
    for label in ("Repository", "Documentation", "Issues"):
        assert f"Project-URL: {label}, https://" in metadata
    assert f"Version: {mc.__version__}\n" in metadata
