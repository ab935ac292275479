"""The stream's messages as JSON Schemas (docs/protocol.md#the-stream).

The schemas say what the server sends. Clients must accept more: unknown types and fields are to be ignored.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

SERVER_MESSAGES: Final = ("hello", "pose", "emg", "imu", "status", "bye", "pong", "error")
CLIENT_MESSAGES: Final = ("ping", "subscribe", "label", "marker")
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


def resolved(message: str) -> Json:
    """The schema of a message with its definitions put where they are used, to be part of another document.

    A reference inside another document would point to that document's root.
    """
    content = schema(message)
    definitions: Json = content.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolve(definitions[node["$ref"].rpartition("/")[2]])
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(item) for item in node] if isinstance(node, list) else node

    parsed: Json = resolve(content)
    return parsed


def binary_layouts() -> Json:
    """Offset, type and name of every field of the binary messages."""
    parsed: Json = json.loads(_text("binary"))
    return parsed
