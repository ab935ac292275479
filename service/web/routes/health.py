"""Whether the process runs, whether poses flow, and the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from service.devices.device import Device
from service.web.context import Context, JsonResponse
from service.web.openapi import REFUSALS, TOKEN, answer, error_responses

PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
FRESH_S: Final = 1.0
"""Seconds since the newest pose (without a model: sample) after which the service is no longer ready."""

router = APIRouter(tags=["health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_model=dict[str, bool])
async def healthz() -> JsonResponse:
    """200 as long as the process runs."""
    return JsonResponse({"ok": True})


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    response_model=dict[str, bool],
    responses={**REFUSALS, **error_responses(not_ready="Poses do not flow")},
    dependencies=TOKEN,
)
async def readyz(context: Context) -> JsonResponse:
    """200 only while poses flow (without a fitting model: while EMG flows); otherwise 503 with the reason."""
    reason = not_ready(context.devices, context.clock())
    if reason is not None:
        raise HTTPException(503, reason)
    return JsonResponse({"ready": True})


@router.head("/v1/stream", include_in_schema=False)
@router.get("/v1/stream", include_in_schema=False)
async def stream_without_upgrade() -> None:
    """426: the stream is a WebSocket, and this request did not ask for one."""
    raise HTTPException(
        426,
        "/v1/stream is a WebSocket; this request came without `Upgrade: websocket`: use a WebSocket client, and let "
        "proxies pass the headers Upgrade and Connection",
        {"Upgrade": "websocket", "Connection": "Upgrade"},
    )


@router.head("/metrics", include_in_schema=False)
@router.get(
    "/metrics",
    response_class=Response,
    responses={**REFUSALS, **answer({"type": "string"}, PROMETHEUS)},
    dependencies=TOKEN,
)
async def metrics(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    return Response(request.app.state.exposition(), media_type=PROMETHEUS)


def not_ready(devices: Sequence[Device], time: float) -> str | None:
    """Why poses (or EMG, where no model fits) do not flow, or None when they do."""
    for device in devices:
        if not device.status.flowing:
            return f"device {device.index} is {device.status.state}"
        newest = device.newest_pose_at if device.engine is not None else device.status.newest_arrival
        if time - newest > FRESH_S:
            missing = "pose" if device.engine is not None else "sample"
            return f"device {device.index}: no {missing} for over {FRESH_S:g} s"
    return None
