"""The HTTP side: routes, and errors that always have the contract's body."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.routing import WebSocketRoute

from drivers.clock import Clock, now
from drivers.errors import DriverError
from drivers.source import SupportsReplay, SupportsVibration
from service.broadcast.hub import Hub
from service.devices.device import Device
from service.devices.status import replay_object
from service.devices.status_publisher import StatusPublisher
from service.recording.recorder import FAILURES, DiskFull, Recorder, RecordingError, RecordingExists, RecordingNameError
from service.web.access import AccessMiddleware, AccessPolicy
from service.web.errors import error_body
from service.web.head import HeadAsGet
from service.web.metrics import exposition
from service.web.stream import NoSuchStream, StreamEndpoint

log = logging.getLogger("myocast")

BUILT: Final = Path(str(files("service") / "viewer" / "dist"))
"""What the installation built from service/viewer and clients/js."""
FRESH_S: Final = 1.0
MAX_BODY: Final = 65536
DISCARDED: Final = 1 << 25
"""A longer body is read so far and thrown away, for many clients look at the answer only when they have sent all."""
REPLAY: Final = ("pause", "resume", "seek", "speed")
VIBRATIONS: Final = ("short", "medium", "long")


class ApiError(Exception):
    """An answer that is an error; the code follows from the status."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


@dataclass(frozen=True)
class Parts:
    """What the routes speak to."""

    devices: Sequence[Device]
    hub: Hub
    announcer: StatusPublisher
    recorder: Recorder
    stream: StreamEndpoint
    policy: AccessPolicy
    clock: Clock = now


def create_app(parts: Parts) -> FastAPI:
    """The ASGI application of one server."""
    app = FastAPI(
        title="Myocast",
        version=parts.announcer.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(HeadAsGet), Middleware(AccessMiddleware, policy=parts.policy)],
    )
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_crash)
    app.router.routes.append(WebSocketRoute("/v1/stream", parts.stream))
    app.router.routes.append(WebSocketRoute("/{path:path}", NoSuchStream()))
    _add_health(app, parts)
    _add_api(app, parts)
    _add_docs(app)
    _add_files(app)
    return app


def _add_health(app: FastAPI, parts: Parts) -> None:
    metrics = exposition(parts.devices, parts.hub)

    @app.get("/healthz")
    async def healthz() -> Response:
        """200 as long as the process turns."""
        return JSONResponse({"ok": True})

    @app.get("/readyz")
    async def readyz() -> Response:
        """200 only while poses flow (without a fitting model: while EMG flows); else 503 with the reason."""
        reason = not_ready(parts.devices, parts.clock())
        if reason is not None:
            raise ApiError(503, reason)
        return JSONResponse({"ready": True})

    @app.get("/metrics")
    async def prometheus() -> Response:
        """Prometheus text."""
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_api(app: FastAPI, parts: Parts) -> None:
    @app.get("/api/v1/status")
    async def status() -> Response:
        """What the service is doing: device, model and pose as in `hello`, state and counts as in `status`."""
        return _json(parts.announcer.overview())

    @app.get("/api/v1/model")
    async def model() -> Response:
        """What the model file in use says of itself, and its SHA-256."""
        engine = parts.devices[0].engine
        if engine is None:
            raise ApiError(404, "no model: none that is shipped fits this source")
        return _json({**asdict(engine.predictor.spec), "sha256": engine.predictor.sha256})

    @app.post("/api/v1/recording", openapi_extra=_takes({"action": ("start", "stop"), "name": "string"}))
    async def recording(request: Request) -> Response:
        """Start a recording (`name` absent: date and time; 409 if it cannot be made, or one is running), or stop it."""
        answer = await _recording(parts.recorder, await _body(request))
        for device in parts.devices:
            if parts.recorder.active:
                device.status.forgive(FAILURES)
            parts.announcer.status_changed(device)
        return _json(answer)

    @app.post("/api/v1/replay", openapi_extra=_takes({"action": REPLAY, "value": "number", "device": "integer"}))
    async def replay(request: Request) -> Response:
        """Steer a replay: `seek` takes seconds, `speed` a factor in (0, 100]; 409 where the source is none."""
        body = await _body(request)
        return _json(_replay(_device(parts.devices, body), body))

    vibrate = {"action": ("vibrate",), "value": VIBRATIONS, "device": "integer"}

    @app.post("/api/v1/device", openapi_extra=_takes(vibrate))
    async def device(request: Request) -> Response:
        """Let the armband vibrate; 409 where it cannot."""
        body = await _body(request)
        return _json(await _vibrate(_device(parts.devices, body), body))


def _add_docs(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        from service.schemas.page import docs_page

        return HTMLResponse(docs_page(app.openapi(), app.version))

    @app.get("/asyncapi.json", include_in_schema=False)
    async def stream_description(request: Request) -> Response:
        from service.schemas import asyncapi

        return _json(asyncapi(app.version, request.headers["host"]))


def _takes(fields: Mapping[str, str | Sequence[str]]) -> dict[str, Any]:
    """The OpenAPI description of a JSON body whose first field is required; a tuple lists a text's values."""
    properties = {
        name: {"type": kind} if isinstance(kind, str) else {"type": "string", "enum": list(kind)}
        for name, kind in fields.items()
    }
    schema = {"type": "object", "properties": properties, "required": [next(iter(fields))]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _add_files(app: FastAPI) -> None:
    """The viewer, the client for pages, and its examples: built files without data."""
    if (BUILT / "assets").is_dir():
        app.mount("/assets", StaticFiles(directory=BUILT / "assets"))
    if (BUILT / "examples").is_dir():
        app.mount("/examples/", StaticFiles(directory=BUILT / "examples", html=True))

    @app.get("/")
    async def viewer() -> Response:
        """The viewer."""
        return _built("index.html", "text/html")

    @app.get("/client.js")
    async def client_script() -> Response:
        """The JavaScript client as a script: `<script src="…/client.js">` makes a global `myocast`."""
        return _built("client.js", "text/javascript", {"access-control-allow-origin": "*"})

    @app.get("/client.mjs")
    async def client_module() -> Response:
        """The JavaScript client as a module, which pages of other sites may import, too."""
        return _built("client.mjs", "text/javascript", {"access-control-allow-origin": "*"})

    @app.get("/examples", include_in_schema=False)
    async def examples() -> Response:
        return RedirectResponse("examples/")


def _built(name: str, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    path = BUILT / name
    if not path.is_file():
        raise ApiError(
            404, "the viewer is not built; run `make install`, or `npm ci && npm run build` in service/viewer"
        )
    return FileResponse(path, media_type=media_type, headers={"cache-control": "no-cache", **(headers or {})})


async def _recording(recorder: Recorder, body: dict[str, Any]) -> dict[str, Any]:
    action = _choice(body, "action", ("start", "stop"))
    if action == "stop":
        running = recorder.active
        stopped = await asyncio.get_running_loop().run_in_executor(None, recorder.stop)
        if stopped is None or not running:
            raise ApiError(409, "nothing is being recorded")
        return stopped
    name = body.get("name")
    if name is not None and not isinstance(name, str):
        raise ApiError(400, f"`name`: expected a text, got {name!r}")
    try:
        return recorder.start(name)
    except RecordingExists as error:
        raise ApiError(409, str(error)) from None
    except RecordingNameError as error:
        raise ApiError(400, str(error)) from None
    except RecordingError as error:
        raise ApiError(507 if isinstance(error, DiskFull) else 409, str(error)) from None


def _replay(device: Device, body: dict[str, Any]) -> dict[str, Any]:
    source = device.source
    if not isinstance(source, SupportsReplay):
        raise ApiError(409, f"{source.info.uri} is not a replay")
    action = _choice(body, "action", REPLAY)
    try:
        if action == "pause":
            source.pause()
        elif action == "resume":
            source.resume()
        elif action == "seek":
            source.seek(_number(body))
        else:
            source.set_speed(_number(body))
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    if action in ("resume", "seek"):
        device.play_again()
    return replay_object(source.playback)


async def _vibrate(device: Device, body: dict[str, Any]) -> dict[str, Any]:
    _choice(body, "action", ("vibrate",))
    kind = _choice(body, "value", VIBRATIONS)
    if not isinstance(device.source, SupportsVibration):
        raise ApiError(409, f"{device.source.info.uri} cannot vibrate")
    try:
        await device.source.vibrate(kind)  # type: ignore[arg-type]
    except DriverError as error:
        raise ApiError(409, str(error)) from None
    description: dict[str, Any] = device.describe()["device"] or {}
    return description


async def _body(request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(400, f"expected a body of type application/json, got {kind or 'none'}")
    try:
        value = orjson.loads(await _bytes(request))
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise ApiError(400, "the body is not a JSON object")
    return value


async def _bytes(request: Request) -> bytes:
    """The body, of which no more is ever kept than a request can need."""
    body = bytearray()
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > DISCARDED:
                break
            body += chunk if size <= MAX_BODY else b""
    except ClientDisconnect:
        raise ApiError(400, "the body ended before it was complete") from None
    if size > MAX_BODY:
        headers = {"connection": "close"} if size > DISCARDED else None
        raise ApiError(413, f"the body is longer than {MAX_BODY} bytes; expected a small JSON object", headers)
    return bytes(body)


def _device(devices: Sequence[Device], body: dict[str, Any]) -> Device:
    index = body.get("device", 0)
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(devices):
        raise ApiError(400, f"`device`: expected 0 to {len(devices) - 1}, got {index!r}")
    return devices[index]


def _choice(body: dict[str, Any], key: str, allowed: Sequence[str]) -> str:
    value = body.get(key)
    if value not in allowed:
        raise ApiError(400, f"`{key}`: expected {' or '.join(allowed)}, got {value!r}")
    return str(value)


def _number(body: dict[str, Any]) -> float:
    value = body.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ApiError(400, f"`value`: expected a number, got {value!r}")
    return float(value)


def not_ready(devices: Sequence[Device], time: float) -> str | None:
    """Why poses (or EMG, where no model fits) do not flow, or None when they do."""
    for device in devices:
        if not device.status.flowing:
            return f"device {device.index} is {device.status.state}"
        newest = device.newest_pose_at if device.engine is not None else device.status.newest_arrival
        if time - newest > FRESH_S:
            return (
                f"device {device.index}: no {'pose' if device.engine is not None else 'sample'} for over {FRESH_S:g} s"
            )
    return None


def _json(value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(error_body(status, message), status, headers, media_type="application/json")


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _error(error.status, str(error), error.headers)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = f"{request.method} {request.url.path}: {HTTPStatus(error.status_code).phrase.lower()}"
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = headers["Allow"].replace("GET", "GET, HEAD")
    return _error(error.status_code, text, headers)


async def _on_crash(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _error(500, "an error inside Myocast; its log says more")
