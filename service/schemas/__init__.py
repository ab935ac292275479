"""The stream's messages as JSON Schemas, and an AsyncAPI document made of them.

The schemas say what the server sends; clients must take more: unknown types and fields are to be ignored.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

SERVER_MESSAGES: Final = ("hello", "pose", "emg", "imu", "status", "bye", "pong", "error")
CLIENT_MESSAGES: Final = ("ping", "subscribe")
BINARY_MESSAGES: Final = ("pose", "emg")
SUBPROTOCOLS: Final = ("myocast.v1.json", "myocast.v1.binary")

Json = dict[str, Any]


@cache
def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")


def schema(message: str) -> Json:
    """The JSON Schema (2020-12) of one message by its `type`.

    Raises:
        KeyError: there is no such message.
    """
    if message not in SERVER_MESSAGES + CLIENT_MESSAGES:
        raise KeyError(message)
    parsed: Json = json.loads(_text(message))
    return parsed


def binary_layouts() -> Json:
    """Offset, type and name of every field of the binary messages."""
    parsed: Json = json.loads(_text("binary"))
    return parsed


def asyncapi(version: str, host: str = "127.0.0.1:8765") -> Json:
    """The stream as an AsyncAPI 3.0 document.

    Args:
        version: the server's.
        host: HOST:PORT where it is served.
    """
    messages = {name: _message(name) for name in SERVER_MESSAGES + CLIENT_MESSAGES}
    messages |= {f"{name}_binary": _binary_message(name) for name in BINARY_MESSAGES}
    channel = "#/channels/stream"
    said = [*SERVER_MESSAGES, *(f"{name}_binary" for name in BINARY_MESSAGES)]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Myocast stream", "version": version,
            "description": "A moving 3-D hand from the EMG of a forearm armband. WebSocket subprotocols "
            "myocast.v1.json and myocast.v1.binary; hello, status, imu and bye are text in both.",
        },
        "servers": {"this": {
            "host": host, "protocol": "ws", "security": [{"$ref": "#/components/securitySchemes/token"}],
        }},
        "channels": {"stream": {
            "address": "/v1/stream", "bindings": {"ws": {"method": "GET", "query": _query()}},
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        }},
        "operations": {
            "say": {"action": "send", "channel": {"$ref": channel}, "summary": "What the server sends",
                    "messages": [{"$ref": f"{channel}/messages/{name}"} for name in said]},
            "hear": {"action": "receive", "channel": {"$ref": channel}, "summary": "What a client may send",
                     "messages": [{"$ref": f"{channel}/messages/{name}"} for name in CLIENT_MESSAGES]},
        },
        "components": {"messages": messages, "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "description": "Or ?token=T; none without --token"},
        }},
    }  # fmt: skip


def _message(name: str) -> Json:
    payload = schema(name)
    return {
        "name": name, "title": payload.pop("title"), "summary": payload["description"],
        "contentType": "application/json",
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": _inline(payload)},
    }  # fmt: skip


def _inline(payload: Json) -> Json:
    """Put definitions where they are used, for a reference inside the document would point to its root."""
    definitions = payload.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolve(definitions[node["$ref"].rpartition("/")[2]])
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(item) for item in node] if isinstance(node, list) else node

    resolved: Json = resolve(payload)
    return resolved


def _binary_message(name: str) -> Json:
    layout = binary_layouts()[name]
    return {
        "name": f"{name}_binary", "title": f"{name} (binary)", "summary": layout["description"],
        "contentType": "application/octet-stream", "payload": {"type": "string", "format": "binary"},
        "x-layout": layout["fields"],
    }  # fmt: skip


def _query() -> Json:
    subscribe = schema("subscribe")["properties"]
    return {
        "type": "object",
        "properties": {
            "streams": {"type": "string", "description": "Comma list of pose (default), emg, imu, status"},
            "max_rate": subscribe["max_rate"],
            "token": {"type": "string", "description": "For clients that cannot set headers"},
        },
    }
