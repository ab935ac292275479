"""Messages as clients see them: schemas, golden messages, documents and the server agree."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import pytest
from jsonschema import Draft202012Validator
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from service.schemas import (
    BINARY_MESSAGES,
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    binary_layouts,
    schema,
)
from service.schemas.asyncapi import asyncapi
from service.schemas.page import docs_page
from tests.fakes.small_session import write_session
from tests.support.console import Console

GOLDEN = Path(__file__).parents[1] / "golden"
TYPES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "f32": "f", "f64": "d"}


def golden(name: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    return message


def validator(message: str) -> Draft202012Validator:
    return Draft202012Validator(schema(message))


@pytest.mark.parametrize("name", SERVER_MESSAGES + CLIENT_MESSAGES)
def test_every_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["properties"]["type"] == {"const": name}
    with pytest.raises(KeyError):
        schema("gesture")


@pytest.mark.parametrize("path", sorted(GOLDEN.rglob("*.json")), ids=lambda path: path.stem)
def test_golden_messages_keep_to_their_schemas(path: Path) -> None:
    message = json.loads(path.read_text("utf-8"))
    check = validator(message["type"])
    check.validate(message)
    for key in schema(message["type"])["required"]:
        assert not check.is_valid({k: v for k, v in message.items() if k != key}), key
    assert message.keys() <= schema(message["type"])["properties"].keys()


def test_every_message_has_a_golden_one() -> None:
    assert {golden(path.stem)["type"] for path in GOLDEN.glob("*.json")} == set(SERVER_MESSAGES)
    assert {golden(path.stem)["type"] for path in GOLDEN.glob("*.bin")} == set(BINARY_MESSAGES)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("pose", {"confidence": 1.5}), ("pose", {"confidence": None}),
        ("pose", {"joints": [0.0] * 62}), ("pose", {"joints": [[0.0] * 3] * 21}), ("pose", {"gap": False}),
        ("pose", {"state": "alive"}), ("pose", {"hand": None}), ("pose", {"seq": -1}), ("emg", {"samples": []}),
        ("emg", {"samples": [[0.0] * 7]}), ("imu", {"quaternion": [1.0, 0.0, 0.0]}), ("status", {"battery": 101}),
        ("status", {"replay": {}}), ("hello", {"protocol": "myocast.v2"}), ("hello", {"model": {"name": "x"}}),
        ("hello", {"streams": ["pots"]}), ("error", {"code": "oops"}), ("error", {"message": ""}),
    ],
)  # fmt: skip
def test_schemas_refuse_what_the_contract_does(name: str, change: dict[str, Any]) -> None:
    assert not validator(name).is_valid(golden(name) | change)


@pytest.mark.parametrize(
    ("message", "fits"),
    [
        ({"type": "ping"}, True), ({"type": "ping", "id": [1, {"a": None}]}, True),
        ({"type": "subscribe"}, True), ({"type": "subscribe", "streams": ["emg"], "max_rate": 1000}, True),
        ({"type": "subscribe", "max_rate": 0}, False), ({"type": "subscribe", "max_rate": 1000.5}, False),
        ({"type": "subscribe", "streams": []}, False), ({"type": "subscribe", "streams": "pose"}, False),
        ({"type": "label", "t": 1.0, "angles": {"index_mcp_fe": 180}}, True),
        ({"type": "label", "t": 1.0, "angles": {"index_mcp_fe": 181}}, False),
        ({"type": "label", "t": 1.0, "angles": {"elbow": 1}}, False), ({"type": "label", "t": 1.0}, False),
        ({"type": "label", "t": 1.0, "joints": [0.0] * 62}, False),
        ({"type": "label", "t": 1.0, "joints": [0.0] * 63, "angles": {"index_mcp_fe": 1}}, False),
        ({"type": "marker", "label": "a"}, True), ({"type": "marker", "label": ""}, False),
    ],
)  # fmt: skip
def test_what_clients_may_say(message: dict[str, Any], fits: bool) -> None:
    assert validator(message["type"]).is_valid(message) is fits


def fields(name: str, data: bytes) -> Iterator[tuple[str, Any]]:
    """A binary message taken apart as its layout says."""
    for field in binary_layouts()[name]["fields"]:
        kind, _, count = field["type"].partition(" x ")
        size = struct.calcsize(TYPES[kind])
        number = (len(data) - field["offset"]) // size if "n" in count else int(count or 1)
        if field["offset"] < len(data):
            values = struct.unpack_from(f"<{number}{TYPES[kind]}", data, field["offset"])
            yield field["name"], list(values) if count else values[0]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bin")), ids=lambda path: path.stem)
def test_layouts_describe_the_golden_records(path: Path) -> None:
    expected = golden(path.stem)
    found = dict(fields(expected["type"], path.read_bytes()))
    assert (found.pop("kind"), found.pop("version")) == (1 + (expected["type"] == "emg"), 1)
    if expected["type"] == "emg":
        assert found.pop("rows") == len(expected["samples"])
        expected["samples"] = [value for row in expected["samples"] for value in row]
    else:
        flags = (expected["hand"] == "left") | expected.get("held", 0) << 1 | expected.get("gap", 0) << 2
        assert found.pop("flags") == flags | ("truth" in expected) << 3 | ("confidence" in expected) << 4
        assert found.pop("confidence") == expected.get("confidence", 0.0)
    assert found == {key: expected[key] for key in found}
    assert {"sample", "t", "device"} <= found.keys()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_asyncapi_document_holds_together() -> None:
    document = asyncapi("1.2.3", "h:1")
    assert json.loads(json.dumps(document)) == document
    assert (document["asyncapi"], document["info"]["version"]) == ("3.0.0", "1.2.3")
    assert document["servers"]["this"]["host"] == "h:1"
    found = set(references(document))
    assert len(found) > 20
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    messages = document["components"]["messages"]
    assert set(messages) == {*SERVER_MESSAGES, *CLIENT_MESSAGES, "pose_binary", "emg_binary"}
    for name in SERVER_MESSAGES + CLIENT_MESSAGES:
        Draft202012Validator.check_schema(messages[name]["payload"]["schema"])
    Draft202012Validator(messages["hello"]["payload"]["schema"]).validate(golden("hello"))


class Page(HTMLParser):
    """Checks nesting and collects what a page would fetch."""

    VOID: ClassVar = {"meta", "link", "br", "img"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.fetched += [value for name, value in attrs if name == "src" and value]
        self.fetched += [value for name, value in attrs if tag == "link" and name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_needs_nothing_from_anywhere() -> None:
    paths = {"/healthz": {"get": {"summary": "Runs <b>"}, "parameters": []}}
    text = docs_page({"paths": paths}, "1.2.3<")
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.fetched == []
    assert "http" not in re.sub(r"https?-equiv", "", text.replace("HTTP", ""))
    assert "Runs <b>" in page.words
    assert "Myocast 1.2.3<" in page.words
    for name in SERVER_MESSAGES + CLIENT_MESSAGES:
        assert f'id="{name}"' in text


async def test_what_the_server_says_keeps_to_the_schemas(console: Console, tiny_window: Path) -> None:
    session = write_session(console.folder / "session.csv", 30)
    server = console.serve(f"replay:{session}", "--model", tiny_window)
    url = f"{server.stream}?streams=pose,emg,imu,status"
    seen: dict[str, int] = {}
    async with connect(url, subprotocols=[Subprotocol("myocast.v1.json")], proxy=None) as client:
        await client.send('{"type":"ping","id":{"any":[1,null]}}')
        await client.send('{"type":"subscribe","streams":["pots"]}')
        await client.send("nonsense")
        await client.send('{"type":"subscribe","streams":["pose","emg","status"],"max_rate":40}')
        while not (min(seen.get(kind, 0) for kind in ("pose", "emg")) >= 20 and seen.get("status", 0) >= 2):
            message = json.loads(await client.recv())
            kind = message["type"]
            seen[kind] = seen.get(kind, 0) + 1
            validator(kind).validate(message)
            assert message.keys() <= schema(kind)["properties"].keys()
        server.process.terminate()
        async for text in client:
            message = json.loads(text)
            seen[message["type"]] = seen.get(message["type"], 0) + 1
            validator(message["type"]).validate(message)
    assert seen["hello"] >= 2
    assert (seen["pong"], seen["error"], seen["bye"]) == (1, 2, 1)
