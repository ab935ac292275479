"""Pause, resume, seek and change the speed of a replay."""

from __future__ import annotations

from fastapi import APIRouter, Depends, HTTPException

from drivers.source import SupportsReplay
from service.devices.status import replay_object
from service.schemas.http import replay_schema
from service.web.context import Context, JsonResponse, require_json
from service.web.openapi import answer, error_responses
from service.web.requests import PauseReplay, ReplayRequest, ResumeReplay, SeekReplay, SetReplaySpeed

router = APIRouter(tags=["control"], dependencies=[Depends(require_json)])


@router.post(
    "/api/v1/replay",
    responses={
        **answer(replay_schema()),
        **error_responses(
            bad_request="The body is not a request, or its value is out of range",
            conflict="The source is not a replay",
        ),
    },
)
async def replay(request: ReplayRequest, context: Context) -> JsonResponse:
    """Control a replay: `seek` takes seconds, `speed` a factor in (0, 100]; 409 where the source is none."""
    device = context.device(request.device)
    source = device.source
    if not isinstance(source, SupportsReplay):
        raise HTTPException(409, f"{source.info.uri} is not a replay")
    try:
        _control(source, request)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
    if isinstance(request, ResumeReplay | SeekReplay):
        device.play_again()
    return JsonResponse(replay_object(source.playback))


def _control(source: SupportsReplay, request: ReplayRequest) -> None:
    match request:
        case PauseReplay():
            source.pause()
        case ResumeReplay():
            source.resume()
        case SeekReplay():
            source.seek(request.value)
        case SetReplaySpeed():
            source.set_speed(request.value)
