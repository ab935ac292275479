"""What a client reads when a request is refused, or when a route fails."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException

from service.web.context import require_json
from service.web.errors import add_error_handlers, error_body
from service.web.requests import RecordingRequest, ReplayRequest, Vibrate


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    add_error_handlers(app)

    @app.post("/replay", dependencies=[Depends(require_json)])
    async def replay(request: ReplayRequest) -> str:
        return request.action

    @app.post("/device", dependencies=[Depends(require_json)])
    async def device(request: Vibrate) -> str:
        return request.value

    @app.post("/recording", dependencies=[Depends(require_json)])
    async def recording(request: RecordingRequest) -> str:
        return request.action

    @app.get("/conflict")
    async def conflict() -> None:
        raise HTTPException(409, "it is taken", {"X-Other": "1"})

    @app.get("/crash")
    async def crash() -> None:
        raise ZeroDivisionError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def error(response: httpx.Response) -> tuple[int, str, str]:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message"]
    return response.status_code, body["error"]["code"], body["error"]["message"]


REFUSED = [
    ("replay", "{", "the body is not JSON (Expecting property name enclosed in double quotes at character 1)"),
    ("replay", "", "expected a JSON object as the body"),
    ("replay", "[]", "expected a JSON object as the body"),
    ("replay", "null", "expected a JSON object as the body"),
    ("replay", "{}", "`action` is missing"),
    ("replay", '{"action":"dance"}', "`action`: expected pause or resume or seek or speed, got 'dance'"),
    ("replay", '{"action":["seek"]}', "`action`: expected pause or resume or seek or speed, got ['seek']"),
    ("replay", '{"action":null}', "`action`: expected pause or resume or seek or speed, got None"),
    ("replay", '{"action":"seek"}', "`value` is missing"),
    ("replay", '{"action":"seek","value":"1"}', "`value`: expected a number, got '1'"),
    ("replay", '{"action":"seek","value":true}', "`value`: expected a number, got True"),
    ("replay", '{"action":"speed","value":NaN}', "`value`: expected a finite number, got nan"),
    ("replay", '{"action":"pause","device":-1}', "`device`: expected at least 0, got -1"),
    ("replay", '{"action":"pause","device":"0"}', "`device`: expected a whole number, got '0'"),
    ("replay", '{"action":"pause","device":true}', "`device`: expected a whole number, got True"),
    ("device", "{}", "`action` is missing"),
    ("device", '{"action":"dance"}', "`action`: expected vibrate, got 'dance'"),
    ("device", '{"action":"vibrate"}', "`value` is missing"),
    ("device", '{"action":"vibrate","value":"loud"}', "`value`: expected short or medium or long, got 'loud'"),
    ("recording", '{"action":"go"}', "`action`: expected start or stop, got 'go'"),
    ("recording", '{"action":"start","name":5}', "`name`: expected a text, got 5"),
]


@pytest.mark.parametrize(("path", "body", "message"), REFUSED)
async def test_a_refused_body(http: httpx.AsyncClient, path: str, body: str, message: str) -> None:
    response = await http.post(path, content=body, headers={"content-type": "application/json"})
    assert error(response) == (400, "bad_request", message)


async def test_a_long_value_is_shortened_and_stays_on_one_line(http: httpx.AsyncClient) -> None:
    status, _, message = error(await http.post("/replay", json={"action": "x\n" * 20_000}))
    assert (status, len(message) < 200, "\n" in message) == (400, True, False)


@pytest.mark.parametrize("body", [b"\xff", b"[" * 60_000])
async def test_what_the_parser_cannot_take(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.post("/replay", content=body, headers={"content-type": "application/json"})
    assert error(response)[:2] == (400, "bad_request")


ACCEPTED = [
    ("replay", {"action": "pause"}),
    ("replay", {"action": "seek", "value": 3}),
    ("replay", {"action": "speed", "value": 0.5, "device": 1}),
    ("replay", {"action": "resume", "value": "of no use to this action", "unknown": [1]}),
    ("device", {"action": "vibrate", "value": "long"}),
    ("recording", {"action": "start"}),
    ("recording", {"action": "start", "name": None}),
    ("recording", {"action": "stop", "name": 5}),
]


@pytest.mark.parametrize(("path", "body"), ACCEPTED)
async def test_an_accepted_body(http: httpx.AsyncClient, path: str, body: dict[str, object]) -> None:
    assert (await http.post(path, json=body)).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "named"),
    [("text/plain", "text/plain"), ("application/problem+json", "application/problem+json"), ("", "none")],
)
async def test_a_body_of_another_type(http: httpx.AsyncClient, content_type: str, named: str) -> None:
    response = await http.post("/replay", content=b'{"action":"pause"}', headers={"content-type": content_type})
    assert error(response) == (400, "bad_request", f"expected a body of type application/json, got {named}")
    for good in ("application/json; charset=utf-8", "APPLICATION/JSON"):
        response = await http.post("/replay", content=b'{"action":"pause"}', headers={"content-type": good})
        assert response.status_code == 200


async def test_errors_of_routes_and_of_the_framework(http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    refused = await http.get("/conflict")
    assert error(refused) == (409, "conflict", "it is taken")
    assert refused.headers["x-other"] == "1"
    assert error(await http.get("/nothing")) == (404, "not_found", "GET /nothing: not found")
    assert int((await http.head("/nothing")).headers["content-length"]) == len((await http.get("/nothing")).content)
    wrong = await http.delete("/conflict")
    assert error(wrong) == (405, "method_not_allowed", "DELETE /conflict: method not allowed")
    assert wrong.headers["allow"] == "GET, HEAD"
    assert (await http.get("/replay")).headers["allow"] == "POST"
    with caplog.at_level(logging.ERROR):
        assert error(await http.get("/crash")) == (500, "internal_error", "an error inside Myocast; its log says more")
    assert "ZeroDivisionError" in caplog.text


def test_a_message_may_hold_quotes() -> None:
    assert json.loads(error_body(400, 'a "quoted" thing')) == {
        "error": {"code": "bad_request", "message": 'a "quoted" thing'}
    }
