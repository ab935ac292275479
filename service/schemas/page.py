"""A page for people who use the server: armbands, models, recordings, and the HTTP routes and the stream, made of their
schemas. It loads nothing from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import Final

from service.schemas import CLIENT_MESSAGES, SERVER_MESSAGES, Json, binary_layouts, schema


def docs_page(openapi: Json, version: str) -> str:
    """The page as HTML: a short guide, the HTTP routes of `openapi`, then the stream."""
    routes = "".join(_route(path, method, operation) for path, method, operation in _operations(openapi))
    from_server = "".join(_section(name) for name in SERVER_MESSAGES)
    from_client = "".join(_section(name) for name in CLIENT_MESSAGES)
    binary = "".join(_layout(name, layout) for name, layout in binary_layouts().items())
    return _PAGE.format(
        version=escape(version),
        guide=_GUIDE,
        routes=routes,
        from_server=from_server,
        from_client=from_client,
        binary=binary,
    )


def _operations(openapi: Json) -> list[tuple[str, str, Json]]:
    return [
        (path, method.upper(), operation)
        for path, methods in openapi.get("paths", {}).items()
        for method, operation in methods.items()
        if isinstance(operation, dict)
    ]


def _route(path: str, method: str, operation: Json) -> str:
    words = operation.get("description") or operation.get("summary") or ""
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


_GUIDE: Final = """<h2 id="armband">Connect an armband</h2>
<p>Wear it on the thick part of the forearm. <code>myocast scan</code> lists what is in reach, each with the
source to give to <code>myocast serve</code>: <code>myo:</code> a Myo over Bluetooth, <code>dongle:</code> a
Myo with its USB dongle, <code>gforce:</code> a gForce, <code>cyton:PORT</code> an OpenBCI Cyton,
<code>chords:PORT</code> a Chords board, <code>serial:PORT</code> a board that sends lines of eight numbers.
<code>myocast doctor</code> tells what is missing on this computer.</p>
<h2 id="models">Models</h2>
<p>A model computes the hand from the EMG. The shipped models read a Myo: raw EMG at 200 Hz or envelopes at 50
Hz, in the Myo’s own unit. <code>myocast serve</code> takes the one that fits; where none fits, it serves and
records EMG without poses. For another band, record sessions with labels (ground truth of the hand), make a
model with <code>myocast train</code> and <code>myocast export</code>, and serve it with <code>--model
FILE.onnx</code>.</p>
<h2 id="recordings">Recordings</h2>
<p>A recording is the file <code>NAME.mcap</code> in the folder <code>recordings</code> where the server was
started, or in the one given with <code>--recordings</code>. <code>myocast serve recordings/NAME.mcap</code>
plays it as if it were an armband, <code>myocast info</code> tells what it contains, <code>myocast
convert</code> writes it as CSV. Any program for MCAP files opens it.</p>"""

_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Myocast: interfaces</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
body {{ color: #1b2430; background: #fff }}
table {{ border-collapse: collapse; width: 100% }}
td {{ border-top: 1px solid #8884; padding: .3rem .6rem .3rem 0; vertical-align: top }}
code {{ font: 13px ui-monospace, monospace }}
@media (prefers-color-scheme: dark) {{ body {{ color: #dde4ee; background: #10161f }} a {{ color: #7db4ff }} }}
</style>
<h1>Myocast {version}</h1>
{guide}
<h2>Interfaces</h2>
<p>For programs: <a href="/openapi.json">OpenAPI</a> of the HTTP side,
<a href="/asyncapi.json">AsyncAPI</a> of the stream.</p>
<h2>HTTP</h2><table>{routes}</table>
<h2>Stream: <code>WS /v1/stream?streams=pose,emg,imu,status&amp;max_rate=60</code></h2>
<p>Subprotocols <code>myocast.v1.json</code> (default) and <code>myocast.v1.binary</code>.
Ignore types and fields you do not know.</p>
<h2>From the server</h2>{from_server}
<h2>From the client</h2>{from_client}
<h2>Binary records</h2><p>Little-endian; the first byte tells the kind. Everything else stays text.</p>{binary}
</html>
"""
