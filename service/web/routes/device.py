"""Let an armband vibrate."""

from __future__ import annotations

from fastapi import APIRouter, Depends, HTTPException

from drivers.errors import DriverError
from drivers.source import SupportsVibration
from service.schemas.http import device_schema
from service.web.context import Context, JsonResponse, require_json
from service.web.openapi import answer, error_responses
from service.web.requests import Vibrate

router = APIRouter(tags=["control"], dependencies=[Depends(require_json)])


@router.post(
    "/api/v1/device",
    responses={
        **answer(device_schema()),
        **error_responses(bad_request="The body is not a request", conflict="The armband cannot vibrate"),
    },
)
async def device(request: Vibrate, context: Context) -> JsonResponse:
    """Let the armband vibrate; 409 where it cannot."""
    device = context.device(request.device)
    if not isinstance(device.source, SupportsVibration):
        raise HTTPException(409, f"{device.source.info.uri} cannot vibrate")
    try:
        await device.source.vibrate(request.value)
    except DriverError as error:
        raise HTTPException(409, str(error)) from None
    return JsonResponse(device.describe()["device"] or {})
