"""JSON Schemas of what the HTTP routes answer, made of those of the stream's messages, for OpenAPI."""

from __future__ import annotations

from service.schemas import Json, resolved


def device_schema() -> Json:
    """`hello.device`."""
    return _value("hello", "device")


def recording_schema() -> Json:
    """`status.recording`."""
    return _value("status", "recording")


def replay_schema() -> Json:
    """`status.replay`."""
    return _value("status", "replay")


def alignment_schema() -> Json:
    """`status.alignment`."""
    schema: Json = resolved("status")["properties"]["alignment"]
    return schema


def personal_schema() -> Json:
    """`status.personal`."""
    schema: Json = resolved("status")["properties"]["personal"]
    return schema


def status_schema() -> Json:
    """`GET /api/v1/status`: the objects of `hello` and the fields of `status`, of armband 0 and of each one."""
    hello, status = resolved("hello")["properties"], resolved("status")["properties"]
    of_device = {name: status[name] for name in status if name not in ("type", "clients", "dropped")}
    description = {name: hello[name] for name in ("device", "model", "pose")}
    server = {name: hello[name] for name in ("server", "protocol", "session")}
    counts = {name: status[name] for name in ("clients", "dropped")}
    devices = {"type": "array", "items": _object({"status": _object(of_device), **description})}
    return _object({**server, **of_device, **description, **counts, "devices": devices})


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _value(message: str, name: str) -> Json:
    """The schema of a field of a message that may be null, where it is not."""
    value: Json = next(
        option for option in resolved(message)["properties"][name]["oneOf"] if option.get("type") != "null"
    )
    return value
