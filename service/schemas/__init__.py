"""The stream's messages as JSON Schemas, an AsyncAPI document made of them, and a page that shows both.

The schemas say what the server sends; clients must take more: unknown types and fields are to be ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
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
        "servers": {"this": {"host": host, "protocol": "ws", "security": [{"$ref": "#/components/securitySchemes/token"}]}},
        "channels": {"stream": {
            "address": "/v1/stream", "bindings": {"ws": {"method": "GET", "query": _query()}},
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        }},
        "operations": {
            "say": {"action": "send", "channel": {"$ref": channel}, "summary": "What the server sends",
                    "messages": [{"$ref": f"{channel}/messages/{name}"} for name in said]},
            "hear": {"action": "receive", "channel": {"$ref": channel}, "summary": "What a client may send, 4 KiB at most",
                     "messages": [{"$ref": f"{channel}/messages/{name}"} for name in CLIENT_MESSAGES]},
        },
        "components": {"messages": messages, "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "description": "Or ?token=T; none without --token"},
        }},
    }  # fmt: skip


def docs_page(openapi: Mapping[str, Any], version: str) -> str:
    """A page of all of it that needs nothing from anywhere: the HTTP routes of `openapi`, then the stream."""
    routes = "".join(_route(path, method, what) for path, method, what in _operations(openapi))
    said = "".join(_section(name) for name in SERVER_MESSAGES)
    heard = "".join(_section(name) for name in CLIENT_MESSAGES)
    records = "".join(_layout(name, layout) for name, layout in binary_layouts().items())
    return _PAGE.format(version=escape(version), routes=routes, said=said, heard=heard, records=records)


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


def _operations(openapi: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [
        (path, method.upper(), what)
        for path, methods in openapi.get("paths", {}).items()
        for method, what in methods.items()
        if isinstance(what, Mapping)
    ]


def _route(path: str, method: str, what: Mapping[str, Any]) -> str:
    words = what.get("description") or what.get("summary") or ""
    return f"<tr><td><b>{escape(method)}</b> <code>{escape(path)}</code></td><td>{escape(words)}</td></tr>"


def _section(name: str) -> str:
    content = schema(name)
    optional = set(content["properties"]) - set(content["required"])
    rows = "".join(
        f"<tr><td><code>{escape(key)}</code>{' (optional)' if key in optional else ''}</td>"
        f"<td><code>{escape(_kind(value))}</code></td><td>{escape(value.get('description', ''))}</td></tr>"
        for key, value in content["properties"].items()
    )
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(content["description"])}</p><table>{rows}</table>'


def _layout(name: str, layout: Json) -> str:
    rows = "".join(
        f"<tr><td>{field['offset']}</td><td><code>{escape(field['type'])}</code></td>"
        f"<td><code>{escape(field['name'])}</code></td><td>{escape(field['note'])}</td></tr>"
        for field in layout["fields"]
    )
    return f"<h3>{escape(name)}</h3><p>{escape(layout['description'])}</p><table>{rows}</table>"


def _kind(value: Json) -> str:
    if "const" in value:
        return json.dumps(value["const"])
    if "enum" in value:
        return " | ".join(map(str, value["enum"]))
    if "oneOf" in value:
        return " or ".join(_kind(option) for option in value["oneOf"])
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    if value.get("type") == "array":
        count = (
            f"[{value['minItems']}]" if value.get("minItems") == value.get("maxItems") and "minItems" in value else "[]"
        )
        return _kind(value["items"]) + count
    return str(value.get("type", "any"))


_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Myocast: interfaces</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b2430; background: #fff }}
table {{ border-collapse: collapse; width: 100% }}
td {{ border-top: 1px solid #8884; padding: .3rem .6rem .3rem 0; vertical-align: top }}
code {{ font: 13px ui-monospace, monospace }}
@media (prefers-color-scheme: dark) {{ body {{ color: #dde4ee; background: #10161f }} a {{ color: #7db4ff }} }}
</style>
<h1>Myocast {version}</h1>
<p>For programs: <a href="/openapi.json">OpenAPI</a> of the HTTP side, <a href="/asyncapi.json">AsyncAPI</a> of the stream.</p>
<h2>HTTP</h2><table>{routes}</table>
<h2>Stream: <code>WS /v1/stream?streams=pose,emg,imu,status&amp;max_rate=60</code></h2>
<p>Subprotocols <code>myocast.v1.json</code> (default) and <code>myocast.v1.binary</code>. Ignore types and fields you do
not know.</p>
<h2>From the server</h2>{said}
<h2>From the client</h2>{heard}
<h2>Binary records</h2><p>Little-endian; the first byte tells the kind. Everything else stays text.</p>{records}
</html>
"""
