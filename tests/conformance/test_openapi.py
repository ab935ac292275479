"""openapi.json as others see it: complete, well formed, and what the server does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from service.web.access import AccessPolicy
from tests.fakes.sources import INFO, Puppet, frames
from tests.integration.server.test_app import replay_source
from tests.support.live_server import Live, serving

METHODS = ("get", "post")
PATHS = {
    "/": ("get",),
    "/client.js": ("get",),
    "/client.mjs": ("get",),
    "/healthz": ("get",),
    "/readyz": ("get",),
    "/metrics": ("get",),
    "/api/v1/status": ("get",),
    "/api/v1/model": ("get", "post"),
    "/api/v1/models": ("get",),
    "/api/v1/alignment": ("get", "post"),
    "/api/v1/personal": ("get", "post"),
    "/api/v1/recording": ("post",),
    "/api/v1/recordings": ("get",),
    "/api/v1/recordings/{name}": ("get",),
    "/api/v1/replay": ("post",),
    "/api/v1/device": ("post",),
}
OPEN = ("/", "/client.js", "/client.mjs", "/healthz")

Json = dict[str, Any]


@pytest.fixture
async def live(tiny_window: Path, tmp_path: Path) -> AsyncIterator[Live]:
    async with serving([replay_source()], model=tiny_window, recordings=tmp_path) as running:
        yield running


async def document(live: Live) -> Json:
    parsed: Json = (await live.http.get("/openapi.json")).json()
    return parsed


def validator(document: Json, schema: Json) -> Draft202012Validator:
    """Checks values against a schema that refers into the document."""
    registry: Registry[Any] = Registry().with_resource("urn:openapi", DRAFT202012.create_resource(document))
    return Draft202012Validator(absolute(schema), registry=registry)


def absolute(node: Any) -> Any:
    """The schema with references that say which document they point into."""
    if isinstance(node, dict):
        return {
            key: f"urn:openapi{value}" if key == "$ref" else absolute(value)
            for key, value in node.items()
            if key != "discriminator"
        }
    return [absolute(item) for item in node] if isinstance(node, list) else node


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def answer_schema(document: Json, path: str, status: int, method: str | None = None) -> Json:
    responses = document["paths"][path][method or PATHS[path][0]]["responses"]
    schema: Json = responses[str(status)]["content"]["application/json"]["schema"]
    return schema


async def test_every_route_is_described_and_no_other(live: Live) -> None:
    found = await document(live)
    assert found["openapi"].startswith("3.1")
    assert {path: tuple(methods) for path, methods in found["paths"].items()} == PATHS
    ids = [operation["operationId"] for _, _, operation in operations(found)]
    assert len(ids) == len(set(ids))
    for path, _, operation in operations(found):
        assert operation["description"], path
        assert "422" not in operation["responses"], path
        for status, response in operation["responses"].items():
            if status != "200":
                (schema,) = (content["schema"] for content in response["content"].values())
                assert list(response["content"]) == ["application/json"], (path, status)
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}, (path, status)


async def test_the_routes_that_need_the_token_say_so(tiny_window: Path) -> None:
    async with serving([Puppet()], model=tiny_window, policy=AccessPolicy(token="secret")) as live:
        live.http.headers["authorization"] = "Bearer secret"
        found = await document(live)
        schemes = found["components"]["securitySchemes"]
        assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}
        del live.http.headers["authorization"]
        for path, method, operation in operations(found):
            response = await live.http.request(method, path)
            needs_token = response.status_code == 401
            assert needs_token is (path not in OPEN), path
            assert needs_token is ("401" in operation["responses"]) is bool(operation.get("security")), path


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_every_schema_is_one_and_every_reference_leads_somewhere(live: Live) -> None:
    found = await document(live)
    for schema in found["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for _, _, operation in operations(found):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (content for body in bodies for content in body.get("content", {}).values()):
            Draft202012Validator.check_schema(content["schema"])
    used = set(references(found))
    assert used == {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}


async def test_answers_are_as_described(live: Live) -> None:
    found = await document(live)
    device = live.service.devices[0]
    await live.until(lambda: device.engine is not None and device.engine.poses > 0)
    answers: list[tuple[str, httpx.Response]] = [
        (path, await live.http.get(path))
        for path in (
            "/healthz",
            "/readyz",
            "/api/v1/status",
            "/api/v1/model",
            "/api/v1/models",
            "/api/v1/alignment",
            "/api/v1/personal",
            "/api/v1/recordings",
        )
    ]
    answers += [
        ("/api/v1/replay", await live.post("/api/v1/replay", action="seek", value=1)),
        ("/api/v1/recording", await live.post("/api/v1/recording", action="start", name="a")),
        ("/api/v1/status", await live.http.get("/api/v1/status")),
        ("/api/v1/recording", await live.post("/api/v1/recording", action="stop")),
        ("/api/v1/recording", await live.post("/api/v1/recording", action="stop")),
        ("/api/v1/device", await live.post("/api/v1/device", action="vibrate", value="short")),
        ("/api/v1/replay", await live.post("/api/v1/replay", action="dance")),
    ]
    seen = set()
    for path, response in answers:
        schema = answer_schema(found, path, response.status_code)
        validator(found, schema).validate(response.json())
        assert not validator(found, schema).is_valid([]), path
        seen.add(response.status_code)
    assert seen == {200, 400, 409}


async def test_the_status_of_a_device_without_a_model_is_as_described() -> None:
    puppet = Puppet(replace(INFO, rate_hz=60.0, unit="uV"))
    async with serving([puppet]) as live:
        await puppet.running.wait()
        puppet.emit(*frames(0, 10))
        found = await document(live)
        for path, status in (("/api/v1/status", 200), ("/api/v1/model", 404)):
            response = await live.http.get(path)
            assert response.status_code == status
            validator(found, answer_schema(found, path, status)).validate(response.json())


BODIES: list[tuple[str, Any, bool]] = [
    ("/api/v1/replay", {"action": "pause"}, True),
    ("/api/v1/replay", {"action": "seek", "value": 2.5, "device": 0}, True),
    ("/api/v1/replay", {"action": "speed", "value": 100}, True),
    ("/api/v1/replay", {"action": "speed", "value": 0}, False),
    ("/api/v1/replay", {"action": "speed", "value": 101}, False),
    ("/api/v1/replay", {"action": "seek"}, False),
    ("/api/v1/replay", {"action": "seek", "value": -1}, False),
    ("/api/v1/replay", {"action": "seek", "value": "1"}, False),
    ("/api/v1/replay", {"action": "seek", "value": True}, False),
    ("/api/v1/replay", {"action": "pause", "device": -1}, False),
    ("/api/v1/replay", {"action": "dance"}, False),
    ("/api/v1/replay", {}, False),
    ("/api/v1/replay", [], False),
    ("/api/v1/device", {"action": "vibrate", "value": "short"}, True),
    ("/api/v1/device", {"action": "vibrate", "value": "loud"}, False),
    ("/api/v1/device", {"action": "vibrate"}, False),
    ("/api/v1/model", {"action": "use", "name": "x", "device": 0}, True),
    ("/api/v1/model", {"action": "use"}, False),
    ("/api/v1/personal", {"action": "start"}, True),
    ("/api/v1/personal", {"action": "stop", "device": 0}, True),
    ("/api/v1/personal", {"action": "keep", "name": "anna"}, True),
    ("/api/v1/personal", {"action": "keep", "name": "../anna"}, False),
    ("/api/v1/personal", {"action": "keep"}, False),
    ("/api/v1/personal", {"action": "discard"}, True),
    ("/api/v1/alignment", {"action": "start"}, True),
    ("/api/v1/alignment", {"action": "start", "cues": ["fist", "rest"], "seconds": 5, "device": 0}, True),
    ("/api/v1/alignment", {"action": "start", "cues": ["rest"]}, False),
    ("/api/v1/alignment", {"action": "start", "cues": ["fist", "open"]}, False),
    ("/api/v1/alignment", {"action": "start", "cues": ["rest", "wave"]}, False),
    ("/api/v1/alignment", {"action": "start", "cues": ["rest", "fist", "fist"]}, False),
    ("/api/v1/alignment", {"action": "start", "seconds": 0.1}, False),
    ("/api/v1/alignment", {"action": "cancel"}, True),
    ("/api/v1/alignment", {"action": "reset", "device": 0}, True),
    ("/api/v1/alignment", {"action": "use", "matrix": [0.5] * 64}, True),
    ("/api/v1/alignment", {"action": "use", "matrix": [0.5] * 63}, False),
    ("/api/v1/alignment", {"action": "use", "matrix": [[0.5] * 8] * 8}, False),
    ("/api/v1/model", {"action": "use", "name": 1}, False),
    ("/api/v1/recording", {"action": "start", "name": "ok-1.a"}, True),
    ("/api/v1/recording", {"action": "start", "name": None}, True),
    ("/api/v1/recording", {"action": "start", "name": ".hidden"}, False),
    ("/api/v1/recording", {"action": "start", "name": "x" * 65}, False),
    ("/api/v1/recording", {"action": "start", "name": 5}, False),
    ("/api/v1/recording", {"action": "stop"}, True),
]


async def test_the_server_takes_the_bodies_that_are_described(live: Live) -> None:
    found = await document(live)
    for path, body, fits in BODIES:
        schema = found["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert validator(found, schema).is_valid(body) is fits, (path, body)
        response = await live.http.post(path, json=body)
        assert (response.status_code != 400) is fits, (path, body, response.text)
