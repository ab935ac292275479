"""Start and stop a recording."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Depends, HTTPException

from service.recording.errors import DiskFull, RecordingError, RecordingNameError
from service.recording.recorder import Recorder
from service.recording.recording import FAILURES
from service.schemas.http import recording_schema
from service.web.context import Context, JsonResponse, require_json
from service.web.errors import CodedError
from service.web.openapi import answer, error_responses
from service.web.requests import RecordingRequest, StartRecording

router = APIRouter(tags=["control"], dependencies=[Depends(require_json)])


@router.post(
    "/api/v1/recording",
    responses={
        **answer(recording_schema()),
        **error_responses(
            bad_request="The body is not a request, or the name is no plain file name",
            conflict="A recording is running already, none is, the file exists, it cannot be made, or the one that is "
            "to be stopped had been closed before its time (`recording_failed`, `recording_too_slow`, `disk_full`)",
            disk_full="There is no room for the file",
        ),
    },
)
async def recording(request: RecordingRequest, context: Context) -> JsonResponse:
    """Start a recording (`name` absent: date and time; 409 if it cannot be made, or one is running), or stop it."""
    recorder = context.recorder
    answer = await (_start(recorder, request.name) if isinstance(request, StartRecording) else _stop(recorder))
    for device in context.devices:
        if recorder.active:
            device.status.clear_error(FAILURES)
        context.status_publisher.status_changed(device)
    return JsonResponse(answer)


async def _start(recorder: Recorder, name: str | None) -> Mapping[str, object]:
    try:
        return await asyncio.to_thread(recorder.start, name)
    except RecordingNameError as error:
        raise HTTPException(400, str(error)) from None
    except RecordingError as error:
        raise HTTPException(507 if isinstance(error, DiskFull) else 409, str(error)) from None


async def _stop(recorder: Recorder) -> Mapping[str, object]:
    running = recorder.active
    stopped = await asyncio.to_thread(recorder.stop)
    if recorder.failure is not None:
        code, message = recorder.failure
        raise CodedError(409, f"nothing is being recorded any more: {message}", code)
    if stopped is None or not running:
        raise HTTPException(409, "nothing is being recorded")
    return stopped
