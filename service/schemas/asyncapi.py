"""The stream as an AsyncAPI 3.0 document, made of the schemas of its messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from service.schemas import BINARY_MESSAGES, CLIENT_MESSAGES, SERVER_MESSAGES, Json, binary_layouts, resolved, schema

CHANNEL: Final = "#/channels/stream"
DESCRIPTION: Final = (
    "A moving 3-D hand from the EMG of a forearm armband. WebSocket subprotocols myocast.v1.json and "
    "myocast.v1.binary; hello, status, imu and bye are text in both."
)
TOKEN: Final = {"type": "http", "scheme": "bearer", "description": "Or ?token=T; none without --token"}


def asyncapi(version: str, host: str = "127.0.0.1:8765") -> Json:
    """The stream as an AsyncAPI 3.0 document.

    Args:
        version: the server's.
        host: HOST:PORT where it is served.
    """
    messages = {name: _message(name) for name in SERVER_MESSAGES + CLIENT_MESSAGES}
    messages |= {f"{name}_binary": _binary_message(name) for name in BINARY_MESSAGES}
    from_server = [name for name in messages if name not in CLIENT_MESSAGES]
    security = [{"$ref": "#/components/securitySchemes/token"}]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Myocast stream", "version": version, "description": DESCRIPTION},
        "servers": {"this": {"host": host, "protocol": "ws", "security": security}},
        "channels": {"stream": _channel(messages)},
        "operations": {
            "send": _operation("send", "What the server sends", from_server),
            "receive": _operation("receive", "What a client may send", CLIENT_MESSAGES),
        },
        "components": {"messages": messages, "securitySchemes": {"token": TOKEN}},
    }


def _channel(messages: Iterable[str]) -> Json:
    return {
        "address": "/v1/stream",
        "bindings": {"ws": {"method": "GET", "query": _query()}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(action: str, summary: str, messages: Iterable[str]) -> Json:
    references = [{"$ref": f"{CHANNEL}/messages/{name}"} for name in messages]
    return {"action": action, "channel": {"$ref": CHANNEL}, "summary": summary, "messages": references}


def _message(name: str) -> Json:
    payload = resolved(name)
    return {
        "name": name,
        "title": payload.pop("title"),
        "summary": payload["description"],
        "contentType": "application/json",
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": payload},
    }


def _binary_message(name: str) -> Json:
    layout = binary_layouts()[name]
    return {
        "name": f"{name}_binary",
        "title": f"{name} (binary)",
        "summary": layout["description"],
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary"},
        "x-layout": layout["fields"],
    }


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
