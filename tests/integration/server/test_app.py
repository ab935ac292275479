"""The HTTP side as in docs/protocol.md#http, over real sockets."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import pytest

from drivers.errors import DriverError
from drivers.replay.source import ReplaySource
from drivers.sessions import read_session
from models.recording import Recording
from service.recording.writer import open_writer
from service.run import run
from service.web.access import AccessPolicy
from service.web.routes import pages
from service.web.routes.health import not_ready
from tests.fakes.models_onnx import WINDOW
from tests.fakes.sources import INFO, Puppet, frame, frames, ramp
from tests.support.live_server import Live, receive, receive_until, recorded, serving


@asynccontextmanager
async def stage(model: Path | None, **settings: Any) -> AsyncIterator[tuple[Live, Puppet]]:
    puppet = Puppet(settings.pop("info", INFO))
    async with serving([puppet], model=model, **settings) as live:
        await puppet.running.wait()
        yield live, puppet


def error_of(response: httpx.Response, status: int) -> dict[str, str]:
    """The error of an answer that has the contract's body and nothing else."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message"]
    assert "\n" not in body["error"]["message"]
    error: dict[str, str] = body["error"]
    return error


async def test_health_and_readiness(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet):
        assert (await live.http.get("/healthz")).status_code == 200
        error = error_of(await live.http.get("/readyz"), 503)
        assert (error["code"], "connecting" in error["message"]) == ("not_ready", True)
        device = live.service.devices[0]
        now = device._clock
        puppet.emit(frame(0, 2, arrival=now()))
        assert "no pose" in error_of(await live.http.get("/readyz"), 503)["message"]
        puppet.emit(frame(2, WINDOW, arrival=now()))
        await live.until(lambda: device.engine is not None and device.engine.poses > 0)
        assert (await live.http.get("/readyz")).status_code == 200
        puppet.lose()
        await live.until(lambda: device.status.state == "reconnecting")
        assert "reconnecting" in error_of(await live.http.get("/readyz"), 503)["message"]
        assert (await live.http.get("/healthz")).status_code == 200


async def test_without_a_model_it_is_ready_while_emg_flows() -> None:
    async with stage(None, info=replace(INFO, rate_hz=60.0, unit="uV")) as (live, puppet):
        device = live.service.devices[0]
        puppet.emit(frame(0, arrival=device._clock()))
        assert (await live.http.get("/readyz")).status_code == 200
        device.status.newest_arrival -= 2.0
        assert "no sample" in error_of(await live.http.get("/readyz"), 503)["message"]
        assert not_ready(live.service.devices, device._clock()) is not None


async def test_metrics(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, puppet), live.connect():
        puppet.emit(*frames(0, 10), *frames(20, 40))
        engine = live.service.devices[0].engine
        assert engine is not None
        await live.until(lambda: engine.poses + engine.skipped == engine.due)
        response = await live.http.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        values = dict(line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#"))
    assert float(values['myocast_samples_total{device="0"}']) == 30.0
    assert float(values['myocast_samples_lost_total{device="0"}']) == 10.0
    assert float(values['myocast_frames_total{device="0"}']) == 15.0
    due, poses, skipped, invalid = (
        float(values[f'myocast_{name}_total{{device="0"}}'])
        for name in ("windows_due", "poses", "windows_skipped", "windows_invalid")
    )
    assert (due, invalid) == (5.0, 0.0)
    assert poses + skipped == due
    assert float(values['myocast_state{device="0",state="live"}']) == 1.0
    assert float(values["myocast_clients"]) == 1.0
    assert "process_resident_memory_bytes" in values


async def test_status_has_all_of_hello_and_status(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _puppet), live.connect("?streams=status") as client:
        hello, status = await receive(client), await receive(client)
        body = (await live.http.get("/api/v1/status")).json()
        for key in ("device", "model", "pose", "session", "protocol", "server"):
            if key != "device":
                assert body[key] == hello[key]
        assert body["device"] == hello["device"]
        for key in ("state", "rate_hz", "lost", "battery", "recording", "replay", "error", "clients"):
            assert body[key] == status[key]
        assert len(body["devices"]) == 1
        assert body["devices"][0]["device"] == hello["device"]


async def test_the_model(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _):
        body = (await live.http.get("/api/v1/model")).json()
        assert (body["name"], body["kind"], body["window"], body["format"]) == ("tiny", "window", WINDOW, 1)
        assert len(body["sha256"]) == 64
    async with stage(None, info=replace(INFO, rate_hz=60.0, unit="uV")) as (live, _):
        assert error_of(await live.http.get("/api/v1/model"), 404)["code"] == "not_found"


async def test_every_error_has_the_contracts_body(tiny_window: Path) -> None:
    async with stage(tiny_window, policy=AccessPolicy(token="secret", origins=("https://app.example",))) as (live, _):
        http = live.http
        assert error_of(await http.get("/api/v1/status"), 401)["code"] == "unauthorized"
        assert error_of(await http.get("/metrics"), 401)["code"] == "unauthorized"
        assert error_of(await http.get("/readyz"), 401)["code"] == "unauthorized"
        assert (await http.get("/healthz")).status_code == 200
        http.headers["authorization"] = "Bearer secret"
        for path in ("/api/v1/nothing", "/nothing", "/assets/nothing.js", "/api/v1/status/"):
            assert error_of(await http.get(path), 404)["code"] == "not_found"
        assert error_of(await http.get("/v1/stream"), 426)["code"] == "upgrade_required"
        for method, path in (
            ("DELETE", "/api/v1/status"),
            ("GET", "/api/v1/recording"),
            ("POST", "/api/v1/status"),
            ("PUT", "/"),
        ):
            response = await http.request(method, path)
            assert error_of(response, 405)["code"] == "method_not_allowed"
            assert response.headers["allow"]
        assert error_of(await http.get("/api/v1/status", headers={"host": "evil.example"}), 403)["code"] == "forbidden"
        bad = {"origin": "http://evil.example"}
        assert error_of(await http.get("/api/v1/status", headers=bad), 403)["code"] == "forbidden"
        good = await http.get("/api/v1/status", headers={"origin": "https://app.example"})
        assert good.headers["access-control-allow-origin"] == "https://app.example"
        assert (await http.get("/api/v1/status?token=wrong")).status_code == 200


def standing(response: httpx.Response) -> dict[str, str]:
    """Headers except those that depend on the time."""
    return {name: value for name, value in response.headers.items() if name != "date"}


async def test_head_is_get_without_the_body(tiny_window: Path) -> None:
    assets = [f"/assets/{path.name}" for path in (pages.BUILT / "assets").glob("*")]
    async with stage(tiny_window) as (live, _):
        for path in (
            *assets,
            "/",
            "/client.js",
            "/client.mjs",
            "/healthz",
            "/readyz",
            "/api/v1/model",
            "/docs",
            "/asyncapi.json",
            "/nothing",
        ):
            got, head = await live.http.get(path), await live.http.head(path)
            assert (head.status_code, standing(head), head.content) == (got.status_code, standing(got), b""), path
            assert len(got.content) == int(head.headers["content-length"]) > 0
        for path in ("/metrics", "/api/v1/status"):
            head = await live.http.head(path)
            assert (head.status_code, head.content) == (200, b"")
        refused = await live.http.head("/api/v1/recording")
        assert (refused.status_code, refused.headers["allow"], refused.content) == (405, "POST", b"")
        assert (await live.http.delete("/healthz")).headers["allow"] == "GET, HEAD"
        assert (await live.http.head("/healthz")).status_code == 200, "the connection is of use after all of it"
    async with stage(tiny_window, policy=AccessPolicy(token="secret")) as (live, _):
        refused = await live.http.head("/api/v1/status")
        assert (refused.status_code, refused.headers["www-authenticate"], refused.content) == (401, "Bearer", b"")


BAD_BODIES: tuple[tuple[dict[str, str], bytes], ...] = (
    ({"content-type": "text/plain"}, b'{"action":"start"}'),
    ({"content-type": "application/x-www-form-urlencoded"}, b"action=start"),
    ({}, b'{"action":"start"}'),
    ({"content-type": "application/json"}, b""),
    ({"content-type": "application/json"}, b"{"),
    ({"content-type": "application/json"}, b"[]"),
    ({"content-type": "application/json"}, b"\xff"),
    ({"content-type": "application/json"}, b"{}"),
    ({"content-type": "application/json"}, b'{"action":"dance"}'),
    ({"content-type": "application/json"}, b'{"action":["start"]}'),
    ({"content-type": "application/json"}, b'{"action":null}'),
)


BAD_REQUESTS: tuple[dict[str, Any], ...] = (
    {"action": "seek"},
    *({"action": "seek", "value": value} for value in ("1", -1, 1e9)),
    *({"action": "speed", "value": value} for value in (0, 101, True, [1])),
    *({"action": "pause", "device": index} for index in (1, -1, "0")),
)


async def test_bodies_that_are_refused(tiny_window: Path, tmp_path: Path) -> None:
    async with serving([replay_source()], model=tiny_window, recordings=tmp_path / "r") as live:
        for path in ("/api/v1/recording", "/api/v1/replay", "/api/v1/device"):
            for headers, body in BAD_BODIES:
                response = await live.http.post(path, content=body, headers=headers)
                assert error_of(response, 400)["code"] == "bad_request", (path, body)
        for name in (5, "", "../x", ".hidden", "x" * 65, "a/b", "a\n"):
            response = await live.post("/api/v1/recording", action="start", name=name)
            assert error_of(response, 400)["code"] == "bad_request", name
        for request in BAD_REQUESTS:
            assert error_of(await live.post("/api/v1/replay", **request), 400)["code"] == "bad_request", request
        assert error_of(await live.post("/api/v1/device", action="vibrate", value="loud"), 400)["code"] == "bad_request"
        assert not (tmp_path / "r").exists() or recorded(tmp_path / "r") == []


async def test_recording(tiny_window: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    async with stage(tiny_window, recordings=folder) as (live, puppet), live.connect("?streams=status") as client:
        error = error_of(await live.post("/api/v1/recording", action="stop"), 409)
        assert error["code"] == "conflict"
        started = await live.post("/api/v1/recording", action="start", name="session-1")
        assert started.status_code == 200
        assert (list(started.json()), started.json()["name"]) == (["name", "seconds", "bytes"], "session-1")
        status = await receive_until(client, "status")
        while status["recording"] is None:
            status = await receive_until(client, "status")
        assert status["recording"]["name"] == "session-1"
        assert (await live.http.get("/api/v1/status")).json()["recording"]["name"] == "session-1"
        assert error_of(await live.post("/api/v1/recording", action="start", name="b"), 409)["code"] == "conflict"
        puppet.emit(*frames(0, 400))
        stopped = await live.post("/api/v1/recording", action="stop")
        assert stopped.json()["bytes"] == (folder / "session-1.mcap").stat().st_size
        assert (await live.http.get("/api/v1/status")).json()["recording"] is None
        assert (
            error_of(await live.post("/api/v1/recording", action="start", name="session-1"), 409)["code"] == "conflict"
        )
        assert (await live.post("/api/v1/recording", action="start")).status_code == 200
        assert (await live.post("/api/v1/recording", action="stop")).status_code == 200
    session = read_session(folder / "session-1.mcap")
    np.testing.assert_array_equal(session.emg, ramp(0, 400))
    assert len(recorded(folder)) == 2


async def test_a_recording_that_runs_when_the_server_stops_is_whole(tiny_window: Path, tmp_path: Path) -> None:
    async with stage(tiny_window, record=tmp_path / "all.mcap") as (live, puppet):
        puppet.emit(*frames(0, 300))
        assert live.service.recorder.active
    np.testing.assert_array_equal(read_session(tmp_path / "all.mcap").emg, ramp(0, 300))


@pytest.mark.parametrize("place", ["file/recordings", "x" * 300])
async def test_a_recording_that_cannot_be_made_is_409(tiny_window: Path, tmp_path: Path, place: str) -> None:
    """A folder that is none, and one that the system does not even look for."""
    (tmp_path / "file").write_text("mine")
    async with stage(tiny_window, recordings=tmp_path / place) as (live, _):
        for more in ({"name": "a"}, {}):
            error = error_of(await live.post("/api/v1/recording", action="start", **more), 409)
            assert error["code"] == "conflict"
            assert error["message"].endswith("; choose another place")
            assert "cannot be written" in error["message"]
        assert not live.service.recorder.active
    assert (tmp_path / "file").read_text() == "mine"


async def test_no_room_for_a_recording_is_507(
    tiny_window: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def full(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.suffix == ".mcap":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", full)
    async with stage(tiny_window, recordings=tmp_path) as (live, _):
        error = error_of(await live.post("/api/v1/recording", action="start", name="a"), 507)
        assert error["code"] == "disk_full"
        assert not live.service.recorder.active


async def test_a_new_recording_clears_the_error_of_the_last(
    tiny_window: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage(tiny_window, recordings=tmp_path) as (live, _):

        async def told() -> Any:
            return (await live.http.get("/api/v1/status")).json()["error"]

        await live.post("/api/v1/recording", action="start", name="a")
        recording = live.service.recorder._recording
        assert recording is not None
        with recording._ready:
            recording._give_up("disk_full", "no room")
        await live.until(lambda: live.service.devices[0].status.error is not None)
        assert (await told())["code"] == "disk_full"
        message = "recording a was closed: no room; what was written is readable in a.mcap, 0 samples are missing"
        assert (await told())["message"] == message
        assert caplog.messages.count(message) == 1
        assert "nothing" in error_of(await live.post("/api/v1/recording", action="stop"), 409)["message"]
        assert (await told())["code"] == "disk_full"
        assert (await live.post("/api/v1/recording", action="start", name="b")).status_code == 200
        assert await told() is None
        live.service.devices[0].status.report("link_lost", "the link is gone")
        await live.post("/api/v1/recording", action="stop")
        assert (await live.post("/api/v1/recording", action="start", name="c")).status_code == 200
        assert (await told())["code"] == "link_lost"


def replay_source(seconds: float = 20.0, **how: Any) -> ReplaySource:
    count = int(200 * seconds)
    index = np.arange(count, dtype=np.int64)
    recording = Recording(ramp(0, count), index / 200.0, index, 200.0, name="ramp")
    return ReplaySource(recording, uri="replay:ramp", **how)


async def test_replay(tiny_window: Path) -> None:
    async with serving([replay_source()], model=tiny_window) as live, live.connect("?streams=status,pose") as client:
        device = live.service.devices[0]
        await live.until(lambda: device.status.state == "replay")
        paused = await live.post("/api/v1/replay", action="pause")
        assert list(paused.json()) == ["position_s", "duration_s", "speed", "loop"]
        assert (paused.json()["duration_s"], paused.json()["speed"], paused.json()["loop"]) == (20.0, 1.0, False)
        assert device.status.state == "paused"
        assert "paused" in error_of(await live.http.get("/readyz"), 503)["message"]
        assert (await live.post("/api/v1/replay", action="seek", value=10)).json()["position_s"] == 10.0
        assert device.status.state == "paused"
        assert (await live.post("/api/v1/replay", action="speed", value=4)).json()["speed"] == 4.0
        resumed = await live.post("/api/v1/replay", action="resume")
        assert resumed.json()["position_s"] >= 10.0
        pose = await receive_until(client, "pose")
        while "gap" not in pose:
            pose = await receive_until(client, "pose")
        hello = await hello_of(live)
        assert hello["pose"]["rate_hz"] == 200.0
        assert hello["device"]["rate_hz"] == 200.0


async def hello_of(live: Live) -> dict[str, Any]:
    async with live.connect() as client:
        hello: dict[str, Any] = await receive(client)
        return hello


async def test_a_replay_that_ended_plays_again_on_resume_and_seek(tiny_window: Path) -> None:
    async with serving([replay_source(0.5, speed=20.0)], model=tiny_window) as live:
        device = live.service.devices[0]
        await live.until(lambda: device.status.state == "ended")
        assert device.status.samples == 100
        assert "ended" in error_of(await live.http.get("/readyz"), 503)["message"]
        assert (await live.post("/api/v1/replay", action="resume")).status_code == 200
        await live.until(lambda: device.status.samples == 200 and device.status.state == "ended")
        assert (await live.post("/api/v1/replay", action="seek", value=0.25)).json()["position_s"] == 0.25
        await live.until(lambda: device.status.samples == 250 and device.status.state == "ended")
        assert (device.status.newest_sample, device.status.lost) == (249, 0)


async def test_what_is_no_replay_cannot_be_steered(tiny_window: Path) -> None:
    async with stage(tiny_window) as (live, _):
        assert error_of(await live.post("/api/v1/replay", action="pause"), 409)["code"] == "conflict"


class Buzzing(Puppet):
    """A band that can vibrate, until it has gone."""

    def __init__(self) -> None:
        super().__init__()
        self.buzzed: list[str] = []

    async def vibrate(self, kind: Literal["short", "medium", "long"]) -> None:
        if len(self.buzzed) == 1:
            raise DriverError("the band is not connected")
        self.buzzed.append(kind)


async def test_vibrate(tiny_window: Path) -> None:
    buzzing = Buzzing()
    async with serving([buzzing], model=tiny_window) as live:
        await buzzing.running.wait()
        answer = await live.post("/api/v1/device", action="vibrate", value="short")
        assert answer.json() == (await live.http.get("/api/v1/status")).json()["device"]
        assert buzzing.buzzed == ["short"]
        error = error_of(await live.post("/api/v1/device", action="vibrate", value="long"), 409)
        assert error == {"code": "conflict", "message": "the band is not connected"}
    async with stage(tiny_window) as (live, _):
        assert error_of(await live.post("/api/v1/device", action="vibrate", value="short"), 409)["code"] == "conflict"


async def test_a_crash_inside_is_an_error_of_the_contract(tiny_window: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with stage(tiny_window) as (live, _):
        live.service.status_publisher._recording = lambda: 1 / 0  # type: ignore[assignment,return-value]
        assert error_of(await live.http.get("/api/v1/status"), 500)["code"] == "internal_error"
        live.service.status_publisher._recording = live.service.recorder.describe
        assert (await live.http.get("/healthz")).status_code == 200
    assert "ZeroDivisionError" in caplog.text


async def test_a_browser_from_another_site_gets_nothing(tiny_window: Path, tmp_path: Path) -> None:
    """Neither a page elsewhere, nor a name that resolves to this machine (DNS rebinding)."""
    async with stage(tiny_window, recordings=tmp_path) as (live, _):
        for headers in ({"origin": "https://evil.example"}, {"host": f"evil.example:{live.port}"}, {"origin": "null"}):
            response = await live.http.post("/api/v1/recording", json={"action": "start"}, headers=headers)
            assert error_of(response, 403)["code"] == "forbidden"
            assert "access-control-allow-origin" not in response.headers
        form = {"content-type": "text/plain", "origin": f"http://127.0.0.1:{live.port}"}
        response = await live.http.post("/api/v1/recording", content=b'{"action":"start"}', headers=form)
        assert error_of(response, 400)["code"] == "bad_request"
        assert recorded(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "text/html"), ("/client.js", "text/javascript"), ("/client.mjs", "text/javascript")]
)
async def test_the_viewers_page_and_the_client_need_no_token(tiny_window: Path, path: str, kind: str) -> None:
    async with stage(tiny_window, policy=AccessPolicy(token="secret")) as (live, _):
        response = await live.http.get(path)
        if response.status_code == 404:
            assert "viewer is not built" in error_of(response, 404)["message"]
        else:
            assert response.headers["content-type"].startswith(kind)
            assert response.headers["cache-control"] == "no-cache"


async def test_examples_are_files_and_nothing_beside_them(tiny_window: Path) -> None:
    async with stage(tiny_window, policy=AccessPolicy(token="secret")) as (live, _):
        redirect = await live.http.get("/examples")
        assert (redirect.status_code, redirect.headers["location"]) == (307, "examples/")
        for path in (
            "/examples/nothing",
            "/examples/..%2findex.html",
            "/examples/%2e%2e/client.js",
            "/examples/../app",
        ):
            assert (await live.http.get(path)).status_code in (401, 404), path


def test_the_server_opens_the_session_writer(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "a.mcap")
    writer.close()
    assert (tmp_path / "a.mcap").stat().st_size > 0
    assert asyncio.iscoroutinefunction(run)
