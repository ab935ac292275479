"""`WS /v1/stream` as in docs/protocol.md#the-stream, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.reader import make_reader
from websockets.exceptions import ConnectionClosed, InvalidStatus

from drivers.events import Battery, Imu
from drivers.sessions import read_session
from models.hand import mirror, to_hand_frame
from service.broadcast.hub import Hub
from service.devices.device import Device
from service.devices.status_publisher import StatusPublisher
from service.engine.model_selection import ModelSelector
from service.limits import Limits
from service.web.access import AccessPolicy
from service.web.stream import StreamEndpoint
from tests.fakes.models_onnx import HOP, WINDOW, offline, window_model
from tests.fakes.sources import INFO, Puppet, frame, frames, ramp
from tests.support.live_server import BINARY, JSON, Live, RawClient, receive, receive_until, serving

HELLO_KEYS = ["type", "protocol", "server", "session", "t", "device", "model", "pose", "devices", "streams", "encoding"]


@asynccontextmanager
async def stage(model: Path | None, info: Any = INFO, **settings: Any) -> AsyncIterator[tuple[Live, Puppet]]:
    """A server around one puppet that has connected."""
    puppet = Puppet(info)
    async with serving([puppet], model=model, **settings) as live:
        await puppet.running.wait()
        yield live, puppet


async def play(live: Live, puppet: Puppet, *pushed: Any) -> None:
    """Emit frames one by one, letting every pose be made."""
    engine = live.service.devices[0].engine
    for one in pushed:
        puppet.emit(one)
        if engine is not None:
            await live.until(lambda: engine.poses + engine.skipped + engine.invalid == engine.due)


async def closed(client: Any) -> tuple[int | None, list[Any]]:
    """The close code, and what came before it."""
    messages = []
    try:
        while True:
            messages.append(await receive(client))
    except ConnectionClosed as error:
        return error.rcvd.code if error.rcvd else None, messages


async def test_hello_comes_first_with_all_its_keys(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _), live.connect() as client:
        hello = await receive(client)
        spec = json.loads((live.service.devices[0].engine.predictor.spec).to_json())  # type: ignore[union-attr]
    assert list(hello) == HELLO_KEYS
    assert (hello["type"], hello["protocol"], hello["streams"], hello["encoding"]) == (
        "hello", "myocast.v1", ["pose"], "json",
    )  # fmt: skip
    assert hello["device"] == {
        "uri": "scripted:", "name": "Scripted armband", "channels": 8, "rate_hz": 200.0, "unit": "adc",
        "emg_mode": "raw", "hand": "right",
    }  # fmt: skip
    assert hello["model"] == {key: spec[key] for key in ("name", "kind", "window", "hop", "rate_hz", "parameters")} | {
        "sha256": hello["model"]["sha256"],
        "adapted": None,
    }
    assert len(hello["model"]["sha256"]) == 64
    assert hello["pose"] == {
        "points": 21, "order": "mediapipe21", "unit": "mm", "frame": "hand", "rate_hz": 50.0, "filter": None,
        "lag_ms": None,
    }  # fmt: skip
    assert hello["devices"] == [{key: hello[key] for key in ("device", "model", "pose")}]


async def test_without_a_fitting_model_model_and_pose_are_null() -> None:
    async with stage(None, replace(INFO, rate_hz=60.0, unit="uV")) as (live, puppet):  # noqa: SIM117
        async with live.connect("?streams=pose,emg") as client:
            hello = await receive(client)
            assert (hello["model"], hello["pose"]) == (None, None)
            assert hello["device"]["unit"] == "uV"
            await play(live, puppet, *frames(0, 10))
            assert (await receive(client))["type"] == "emg"


async def test_hello_again_when_the_device_becomes_known(tiny_window: Path) -> None:
    async with stage(tiny_window, replace(INFO, rate_hz=0.0, name="")) as (live, puppet), live.connect() as client:
        first = await receive(client)
        assert (first["model"], first["pose"]) == (None, None)
        puppet.tell(INFO)
        second = await receive(client)
        assert (second["device"]["rate_hz"], second["model"]["name"]) == (200.0, "tiny")
        puppet.tell(replace(INFO, hand="left"))
        assert (await receive(client))["device"]["hand"] == "left"
        puppet.tell(replace(INFO, hand="left"))
        puppet.tell(replace(INFO, hand="left", name="Other"))
        third = await receive(client)
        assert third["device"]["name"] == "Other"
        assert first["session"] == second["session"] == third["session"]


async def test_poses_as_json(tiny_window: Path) -> None:
    truth = np.random.default_rng(1).normal(0, 50, (2, 63)).astype(np.float32)
    async with stage(tiny_window) as (live, puppet), live.connect("", JSON) as client:
        assert client.subprotocol == JSON
        await receive(client)
        for pushed in frames(0, WINDOW + HOP, truth=truth):
            await play(live, puppet, pushed)
            if live.service.devices[0].engine.poses and (pushed.first_sample + 2 - WINDOW) % HOP == 0:  # type: ignore[union-attr]
                message = await receive(client)
                assert message["sample"] == pushed.first_sample + 1
                assert message["t"] == pytest.approx(1000.0 + message["sample"] / 200.0)
                expected = offline(tiny_window, ramp(message["sample"] + 1 - WINDOW, WINDOW)[None])[0]
                assert message["joints"] == pytest.approx(np.round(expected, 2).tolist(), abs=1e-4)
                assert message["truth"] == pytest.approx(np.round(truth[1], 2).tolist(), abs=1e-4)
                assert (message["device"], message["skipped"], message["state"], message["hand"]) == (
                    0,
                    0,
                    "live",
                    "right",
                )
        assert message["seq"] == 1


async def test_a_lost_signal_is_held_and_then_at_rest_in_both_encodings(tiny_window: Path) -> None:
    async with (
        stage(tiny_window, hold_s=0.0) as (live, puppet),
        live.connect() as reader,
        live.connect("", BINARY) as other,
    ):
        await play(live, puppet, *frames(0, WINDOW))
        made = await receive_until(reader, "pose")
        live.service.devices[0].status.set("stalled")
        held = [await receive_until(reader, "pose")]
        while held[-1]["confidence"] > 0.0:
            held.append(await receive_until(reader, "pose"))
        await play(live, puppet, *frames(WINDOW, WINDOW + HOP))
        back = await receive_until(reader, "pose")
        records: list[bytes] = []
        while len(records) < len(held) + 2:
            message = await receive(other)
            records += [message] if isinstance(message, bytes) else []
    assert held[0]["joints"] == made["joints"]
    assert {(pose["held"], pose["state"], pose["sample"], pose["t"]) for pose in held} == {
        (True, "stalled", made["sample"], made["t"])
    }
    assert [pose["seq"] for pose in (made, *held, back)] == list(range(len(held) + 2))
    assert held[-1]["joints"] != made["joints"]
    assert ("held" in back, back["sample"]) == (False, WINDOW + HOP - 1)
    flags = [struct.unpack_from("<H", record, 2)[0] for record in records]
    assert [flag & 2 for flag in flags] == [0, *[2] * len(held), 0]


async def test_poses_as_binary_are_bit_for_bit_the_models(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect("", BINARY) as client:
        assert client.subprotocol == BINARY
        hello = await receive(client)
        assert hello["encoding"] == "binary"
        for pushed in frames(0, WINDOW):
            await play(live, puppet, pushed)
        data = await receive(client)
    assert len(data) == 296
    kind, version, flags, seq, sample = struct.unpack_from("<BBHIQ", data)
    assert (kind, version, flags, seq, sample) == (1, 1, 0, 0, WINDOW - 1)
    np.testing.assert_array_equal(np.frombuffer(data, "<f4", 63, 40), offline(tiny_window, ramp(0, WINDOW)[None])[0])


@pytest.mark.parametrize("subprotocol", [JSON, BINARY])
async def test_confidence_is_on_the_wire_and_in_the_recording(tmp_path: Path, subprotocol: str) -> None:
    async with stage(None, recordings=tmp_path) as (live, puppet), live.connect("", subprotocol) as client:
        await receive(client)
        await live.post("/api/v1/recording", action="start", name="a")
        told = []
        for sample in range(0, 200, 4):
            await play(live, puppet, frame(sample, 4))
            message = await receive(client)
            if subprotocol == BINARY:
                assert struct.unpack_from("<H", message, 2)[0] & 16
                told.append(struct.unpack_from("<f", message, 292)[0])
            else:
                told.append(message["confidence"])
        assert all(0.0 <= one <= 1.0 for one in told)
        assert told[0] < 0.1
        await live.post("/api/v1/recording", action="stop")
    with (tmp_path / "a.mcap").open("rb") as file:
        written = [json.loads(m.data)["confidence"] for _, _, m in make_reader(file).iter_messages(topics=["/pose"])]
    assert written[: len(told)] == pytest.approx(told[: len(written)], abs=1e-3)
    assert len(written) >= len(told) - 1


async def test_a_gap_is_marked_once(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect() as client:
        await receive(client)
        await play(live, puppet, frame(0, 8))
        assert "gap" not in await receive(client)
        await play(live, puppet, frame(100, 8))
        assert (await receive(client))["gap"] is True
        await play(live, puppet, frame(108, 4))
        assert "gap" not in await receive(client)


async def test_a_left_arm(tiny_window: Path) -> None:
    async with stage(tiny_window, replace(INFO, hand="left")) as (live, puppet), live.connect() as client:
        assert (await receive(client))["device"]["hand"] == "left"
        await play(live, puppet, frame(0, WINDOW))
        pose = await receive(client)
    turned = np.ascontiguousarray(ramp(0, WINDOW)[:, [0, 7, 6, 5, 4, 3, 2, 1]])
    assert pose["hand"] == "left"
    assert pose["joints"] == pytest.approx(
        np.round(mirror(offline(tiny_window, turned[None])[0]), 2).tolist(), abs=1e-4
    )


async def test_nan_is_never_sent_and_the_state_is_failed(tmp_path: Path) -> None:
    model = window_model(tmp_path / "m.onnx", nan_above=500.0)
    async with stage(model) as (live, puppet), live.connect("?streams=pose,status") as client:
        await play(live, puppet, frame(0, WINDOW))
        assert (await receive_until(client, "pose"))["state"] == "live"
        bad = frame(WINDOW, HOP)
        bad.samples[0, 0] = 1000.0
        await play(live, puppet, bad)
        status = await receive_until(client, "status")
        while status["state"] != "failed":
            status = await receive_until(client, "status")
        assert status["error"]["code"] == "inference_failed"
        puppet.emit(frame(WINDOW + HOP, 2))
        assert live.service.devices[0].status.state == "failed"
        await play(live, puppet, *frames(WINDOW + HOP + 2, 60))
        pose = await receive_until(client, "pose")
        assert (pose["seq"], pose["state"]) == (1, "live")
        assert live.service.devices[0].status.error is None


async def test_emg_and_imu(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect("?streams=emg,imu") as client:
        assert (await receive(client))["streams"] == ["emg", "imu"]
        puppet.emit(*frames(0, 8), Imu(5.0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, 2.0, 3.0)))
        first, second, imu = [await receive(client) for _ in range(3)]
        assert (first["sample"], second["sample"], first["rate_hz"]) == (0, 4, 200.0)
        assert first["t"] == 1000.0
        np.testing.assert_array_equal(np.float32(first["samples"] + second["samples"]), ramp(0, 8))
        assert imu == {
            "type": "imu",
            "device": 0,
            "t": 5.0,
            "quaternion": [1, 0, 0, 0],
            "acceleration_g": [0, 0, 1],
            "gyro_dps": [1, 2, 3],
        }


async def test_status_at_once_and_on_every_change(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect("?streams=status") as client:
        await receive(client)
        status = await receive(client)
        assert list(status) == [
            "type",
            "device",
            "t",
            "state",
            "rate_hz",
            "lost",
            "battery",
            "recording",
            "replay",
            "error",
            "alignment",
            "personal",
            "signal",
            "labels",
            "clients",
            "dropped",
        ]
        assert (status["state"], status["clients"], status["battery"], status["replay"]) == (
            "connecting",
            1,
            None,
            None,
        )
        puppet.emit(frame(0))
        assert (await receive(client))["state"] == "live"
        puppet.emit(Battery(0.0, 87))
        assert (await receive(client))["battery"] == 87
        puppet.lose("the band is gone")
        status = await receive_until(client, "status")
        assert status["state"] == "reconnecting"
        assert status["error"] == {"code": "device_lost", "message": "the band is gone"}


async def test_status_comes_once_a_second_without_any_change(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _), live.connect("?streams=status") as client:
        await receive(client)
        times = [(await receive(client))["t"] for _ in range(3)]
        assert times == sorted(times)


async def test_several_devices(tiny_window: Path) -> None:
    one, two = Puppet(), Puppet(replace(INFO, uri="scripted:2", hand="left"))
    async with serving([one, two], model=tiny_window) as live, live.connect("?streams=pose,emg,status") as client:
        await one.running.wait()
        await two.running.wait()
        hello = await receive(client)
        assert [d["device"]["uri"] for d in hello["devices"]] == ["scripted:", "scripted:2"]
        assert hello["device"] == hello["devices"][0]["device"]
        assert [(await receive(client))["device"] for _ in range(2)] == [0, 1]
        two.emit(frame(0, WINDOW))
        pose = await receive_until(client, "pose")
        assert (pose["device"], pose["seq"], pose["hand"]) == (1, 0, "left")


OFFERED: dict[tuple[str, ...], str | None] = {
    (): None,
    (BINARY, JSON): BINARY,
    (JSON, BINARY): JSON,
    ("myocast.v9", BINARY): BINARY,
    ("token.abc", JSON): JSON,
}


async def test_the_first_known_subprotocol_is_taken(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _):
        for offered, chosen in OFFERED.items():
            async with live.connect("", *offered) as client:
                assert client.subprotocol == chosen
                assert (await receive(client))["encoding"] == ("binary" if chosen == BINARY else "json")


async def test_there_is_no_compression(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _), live.connect("", additional_headers={
        "Sec-WebSocket-Extensions": "permessage-deflate"
    }) as client:  # fmt: skip
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


async def refused(
    live: Live, query: str = "", *subprotocols: str, host: str = "127.0.0.1", **headers: str
) -> tuple[int, dict[str, str]]:
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    with pytest.raises(InvalidStatus) as denied:
        async with connect(
            f"ws://{host}:{live.port}/v1/stream{query}", host="127.0.0.1", port=live.port, additional_headers=headers,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        ):  # fmt: skip
            pass
    response = denied.value.response
    assert response.headers["content-type"] == "application/json"
    assert response.body is not None
    body = json.loads(response.body)
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message"]
    return response.status_code, body["error"]


BAD_PARAMETERS = [
    "?streams=poses",
    "?streams=",
    "?streams=pose,",
    "?streams=pose,,emg",
    "?max_rate=0",
    "?max_rate=-1",
    "?max_rate=1000.1",
    "?max_rate=",
    "?max_rate=fast",
    "?max_rate=nan",
    "?max_rate=inf",
    "?streams=pose&max_rate=1e9",
]


async def test_parameters_that_are_refused(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _):
        for query in BAD_PARAMETERS:
            status, error = await refused(live, query)
            assert (status, error["code"]) == (400, "bad_request"), query


async def test_only_unknown_subprotocols_are_refused(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _):
        status, error = await refused(live, "", "myocast.v2.json", "chat")
        assert (status, error["code"]) == (400, "bad_request")
        assert "myocast.v1.json" in error["message"]


async def test_checks_come_in_the_order_of_the_contract(tiny_window: Path) -> None:
    async with stage(tiny_window, policy=AccessPolicy(token="secret")) as (live, _):
        status, error = await refused(live, "?streams=x", host="evil.example", Origin="http://evil.example:1")
        assert (status, error["code"], "Host" in error["message"]) == (403, "forbidden", True)
        own = f"127.0.0.1:{live.port}"
        status, error = await refused(live, "?streams=x", Origin="http://evil.example:1")
        assert (status, error["code"], "origin" in error["message"]) == (403, "forbidden", True)
        status, error = await refused(live, "?streams=x", Origin=f"http://{own}")
        assert (status, error["code"]) == (401, "unauthorized")
        status, error = await refused(live, "?streams=x&token=secret", Origin=f"http://{own}")
        assert (status, error["code"]) == (400, "bad_request")
        async with live.connect("?streams=pose&token=secret", origin=f"http://{own}") as client:
            assert (await receive(client))["type"] == "hello"
        async with live.connect("", additional_headers={"Authorization": "Bearer secret"}) as client:
            assert (await receive(client))["type"] == "hello"


async def test_there_is_no_other_stream(tiny_window: Path) -> None:
    from websockets.asyncio.client import connect

    async with stage(tiny_window) as (live, _):
        for path in ("/", "/v1/streams", "/v1/stream/", "/assets/x", "/healthz", "/api/v1/status"):
            with pytest.raises(InvalidStatus) as denied:
                async with connect(f"ws://127.0.0.1:{live.port}{path}"):
                    pass
            assert denied.value.response.status_code == 404
            assert json.loads(denied.value.response.body or b"")["error"]["code"] == "not_found"


async def test_ping(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _), live.connect() as client:
        t0 = (await receive(client))["t"]
        for id_ in (7, "a", None, {"x": [1.5]}):
            await client.send(json.dumps({"type": "ping", "id": id_, "more": 1}))
            pong = await receive(client)
            assert list(pong) == ["type", "id", "t"]
            assert (pong["type"], pong["id"]) == ("pong", id_)
            assert pong["t"] >= t0
            t0 = pong["t"]


async def test_subscribe_replaces_and_is_answered_by_hello(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect() as client:
        await receive(client)
        await client.send('{"type":"subscribe","streams":["emg","status"],"max_rate":30}')
        hello = await receive(client)
        assert (hello["type"], hello["streams"]) == ("hello", ["emg", "status"])
        assert (await receive(client))["type"] == "status"
        await play(live, puppet, *frames(0, 20))
        kinds = {(await receive(client))["type"] for _ in range(6)}
        assert kinds == {"emg", "status"}
        await client.send('{"type":"subscribe"}')
        assert (await receive_until(client, "hello"))["streams"] == ["pose"]


async def test_an_invalid_subscription_changes_nothing(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect() as client:
        await receive(client)
        for message in ({"streams": ["x"]}, {"streams": ["emg"], "max_rate": 0}):
            await client.send(json.dumps({"type": "subscribe", **message}))
            error = await receive(client)
            assert list(error) == ["type", "code", "message"]
            assert (error["type"], error["code"]) == ("error", "bad_subscription")
        await play(live, puppet, *frames(0, WINDOW))
        assert (await receive(client))["type"] == "pose"


async def test_ten_bad_messages_close_with_1008(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _), live.connect() as client:
        await receive(client)
        for number in range(10):
            await client.send(b"\x00binary" if number % 2 else "no json")
        code, messages = await closed(client)
        assert code == 1008
        assert [m["code"] for m in messages if m["type"] == "error"] == ["bad_message"] * 10
        await live.until(lambda: not live.service.hub.clients)


async def test_a_good_message_between_forgives(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _), live.connect() as client:
        await receive(client)
        for _ in range(3):
            for _ in range(9):
                await client.send("{}")
            await client.send('{"type":"ping","id":1}')
            assert (await receive_until(client, "pong"))["id"] == 1


@pytest.mark.parametrize("binary", [False, True])
async def test_four_kib_is_enough_and_more_is_1009(tiny_window: Path, binary: bool) -> None:
    head, tail = '{"type":"ping","id":"', '"}'
    async with stage(tiny_window) as (live, _), live.connect() as client:
        await receive(client)
        await client.send(head + "x" * (4096 - len(head) - len(tail)) + tail)
        assert (await receive(client))["type"] == "pong"
        message = head + "x" * (4097 - len(head) - len(tail)) + tail
        await client.send(message.encode() if binary else message)
        assert (await closed(client))[0] == 1009


async def test_a_message_in_pieces_is_limited_too(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _), live.connect() as client:
        await receive(client)
        await client.send(["x" * 1000] * 4)
        assert (await receive(client))["code"] == "bad_message"
        await client.send(["x" * 1000] * 5)
        assert (await closed(client))[0] == 1009


async def test_a_server_that_stops_says_bye_to_everyone_and_closes_with_1001(tiny_window: Path) -> None:
    """However many they are, and although some of them do not read."""
    from websockets.asyncio.client import connect

    async with stage(tiny_window) as (live, puppet):
        clients = [await connect(live.stream, compression=None) for _ in range(60)]
        raw = RawClient(live)
        await raw.open()
        for client in clients:
            await receive(client)
        await play(live, puppet, *frames(0, 40))
        live.service.stop.set()
        for client in clients:
            code, messages = await closed(client)
            assert code == 1001
            assert messages[-1] == {"type": "bye", "reason": "the server is stopping"}
        raw.close()


async def test_a_client_that_leaves_while_the_server_stops_is_no_complaint() -> None:
    """A conversation that is cancelled before its first step ends what it would have waited for."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    hub = Hub()
    publisher = StatusPublisher(hub, lambda: None, complaints.append)
    publisher.devices = [Device(0, Puppet(INFO), ModelSelector(), hub, publisher)]
    endpoint = StreamEndpoint(hub, publisher)
    told: list[str] = []

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send" and "hello" not in message["text"]:
            raise ConnectionResetError
        told.append(message["type"])
        if message["type"] == "websocket.send":
            next(iter(hub.clients)).put("too late")
            asyncio.get_running_loop().call_soon(stopping.append, asyncio.ensure_future(endpoint.close_all("bye")))

    async def receive() -> Any:
        if "websocket.accept" in told:
            await asyncio.Event().wait()
        return {"type": "websocket.connect"}

    stopping: list[Any] = []
    await endpoint({"subprotocols": [], "query_string": b"", "extensions": {}}, receive, send)
    await asyncio.gather(*stopping)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    gc.collect()
    assert complaints == []


async def test_messages_that_came_together_leave_room_for_the_rest() -> None:
    """A client that sends ten thousand messages a second does not hold up poses."""
    hub, waiting = Hub(), ["websocket.receive"] * 1000
    publisher = StatusPublisher(hub, lambda: None, lambda error: None)
    publisher.devices = [Device(0, Puppet(INFO), ModelSelector(), hub, publisher)]
    turns = 0

    async def receive() -> Any:
        return {"type": waiting.pop() if waiting else "websocket.disconnect", "text": '{"type":"ping"}'}

    async def send(message: Any) -> None:
        pass

    async def others() -> None:
        nonlocal turns
        while waiting:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await StreamEndpoint(hub, publisher)({"subprotocols": [], "query_string": b"", "extensions": {}}, receive, send)
    await other
    assert turns > 500


async def test_too_many_clients_are_turned_away_with_1013(tiny_window: Path) -> None:
    async with stage(tiny_window, limits=Limits(clients=1)) as (live, _):
        async with live.connect() as first, live.connect() as second:
            await receive(first)
            code, messages = await closed(second)
            assert code == 1013
            assert messages == [{"type": "bye", "reason": "too many clients"}]
        await live.until(lambda: not live.service.hub.clients)
        async with live.connect() as third:
            assert (await receive(third))["type"] == "hello"


async def test_poses_skipped_and_invalid_are_all_that_was_due(tmp_path: Path) -> None:
    """What a client is told adds up to the windows of the grid."""
    model = window_model(tmp_path / "m.onnx", nan_above=500.0)
    async with stage(model) as (live, puppet), live.connect() as client:
        await receive(client)
        engine = live.service.devices[0].engine
        assert engine is not None
        poses = []
        sample = 0
        for turn in range(12):
            size = (2, 30, 7, 64)[turn % 4]
            pushed = frame(sample, size)
            pushed.samples[0, 0] = 1000.0 if turn == 6 else 0.0
            before = engine.poses
            await play(live, puppet, pushed)
            sample += size
            poses += [await receive(client) for _ in range(engine.poses - before)]
        grid = 1 + (sample - WINDOW) // HOP
        assert engine.due == grid
        assert len(poses) + sum(p["skipped"] for p in poses) + engine.invalid == grid
        assert [p["seq"] for p in poses] == list(range(len(poses)))


GARBAGE: dict[str, Callable[[], bytes]] = {
    "random": lambda: np.random.default_rng(1).bytes(20_000),
    "unmasked": lambda: b"\x81\x05hello",
    "reserved opcode": lambda: b"\x83\x80\0\0\0\0",
    "reserved bits": lambda: b"\xf1\x80\0\0\0\0",
    "endless length": lambda: b"\x81\xff" + b"\x7f" + b"\xff" * 7 + b"\0\0\0\0",
    "long control frame": lambda: b"\x89\xfe\x01\x00" + b"\0" * 260,
    "no UTF-8": lambda: b"\x81\x82\0\0\0\0\xff\xfe",
    "half a frame": lambda: b"\x81\xfe\x08\x00\0\0\0\0half",
    "continuation of nothing": lambda: b"\x80\x81\0\0\0\0x",
}


async def test_a_client_that_sends_garbage_affects_no_other(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect() as good:
        await receive(good)
        for number, (kind, make) in enumerate(GARBAGE.items()):
            raw = RawClient(live)
            await raw.open()
            await live.until(lambda: len(live.service.hub.clients) == 2)
            raw.send(make())
            if kind == "half a frame":
                raw.close()
            await live.until(lambda: len(live.service.hub.clients) == 1)
            raw.close()
            await play(live, puppet, *frames(number * WINDOW, (number + 1) * WINDOW))
            while (await receive(good))["sample"] != (number + 1) * WINDOW - 1:
                pass


async def test_a_client_that_never_reads_delays_nobody_and_memory_is_bounded(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect("?streams=pose") as good:
        await receive(good)
        raw = RawClient(live, buffer=4096)
        await raw.open("?streams=pose,emg,status")
        await live.until(lambda: len(live.service.hub.clients) == 2)
        stuck = next(c for c in live.service.hub.clients if c.wants("emg"))
        seqs = []
        sample = 0
        while stuck.dropped < 200:
            puppet.emit(frame(sample, WINDOW))
            sample += WINDOW
            seqs.append((await receive(good))["seq"])
        assert seqs == list(range(len(seqs)))
        assert len(stuck._backlog) == 64
        assert len(stuck._poses) == 1
        mine = next(c for c in live.service.hub.clients if c is not stuck)
        assert mine.dropped == 0
        raw.close()
        await live.until(lambda: len(live.service.hub.clients) == 1)
        assert live.service.hub.dropped >= 200


async def test_a_slow_client_gets_the_newest_pose_when_it_reads_again(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect("", max_queue=1) as slow:
        client = next(iter(live.service.hub.clients))
        sample = 0
        while client.dropped < 100:
            await play(live, puppet, frame(sample, WINDOW))
            sample += WINDOW
        made = live.service.devices[0].engine.poses  # type: ignore[union-attr]
        await receive(slow)
        seqs = [(await receive(slow))["seq"]]
        while seqs[-1] < made - 1:
            seqs.append((await receive(slow))["seq"])
        assert seqs == sorted(set(seqs))
        assert len(seqs) == made - client.dropped


@pytest.mark.parametrize("subprotocol", [JSON, BINARY])
async def test_labels_and_markers_are_recorded_and_wrong_ones_answered(
    tiny_window: Path, tmp_path: Path, subprotocol: str
) -> None:
    async with stage(tiny_window, recordings=tmp_path) as (live, puppet), live.connect("", subprotocol) as client:
        await receive(client)
        await play(live, puppet, *frames(0, 40))
        await live.post("/api/v1/recording", action="start", name="a")
        puppet.emit(*frames(40, 60))
        golden = Path(__file__).parents[2] / "golden/client"
        for _ in range(3):
            for name in ("label", "marker"):
                await client.send((golden / f"{name}.json").read_text())
            await client.send('{"type":"label","t":17.25,"angles":{"index_mcp_fe":42.0}}')
        for _ in range(12):
            await client.send('{"type":"label","t":17.25,"angles":{"elbow":1}}')
        await client.send('{"type":"ping","id":1}')
        errors = [await receive_until(client, "error") for _ in range(12)]
        assert {(error["code"], "elbow" in error["message"]) for error in errors} == {("bad_label", True)}
        assert (await receive_until(client, "pong"))["id"] == 1
        await live.post("/api/v1/recording", action="stop")
    recording = read_session(tmp_path / "a.mcap")
    label = json.loads((golden / "label.json").read_text())
    assert recording.label_t is not None
    assert recording.joints is not None
    np.testing.assert_allclose(recording.label_t, [label["t"]] * 3)
    points = np.array(label["joints"]).reshape(21, 3)
    np.testing.assert_allclose(recording.joints[0].reshape(21, 3), to_hand_frame(points, "right"), atol=2e-3)
    assert [marker.label for marker in recording.markers] == ["second donning"] * 3
