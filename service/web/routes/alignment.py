"""How the band sits on the arm: what is known, and the cues that find it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Query

from models.hand import CHANNELS
from models.spec import ModelError
from service.arm.alignment import CannotAlign, LiveAlignment
from service.schemas.http import alignment_schema
from service.web.context import Context, JsonResponse, require_json
from service.web.openapi import answer, error_responses
from service.web.requests import AlignmentRequest, CancelAlignment, ResetAlignment, StartAlignment, UseAlignment

router = APIRouter(tags=["arm"])


@router.head("/api/v1/alignment", include_in_schema=False)
@router.get(
    "/api/v1/alignment",
    responses={**answer(alignment_schema()), **error_responses(bad_request="There is no such armband")},
)
async def alignment(context: Context, device: Annotated[int, Query(ge=0)] = 0) -> JsonResponse:
    """How the band sits, the cue that runs, and why one is asked for again."""
    return JsonResponse(context.arm(device).alignment.describe())


@router.post(
    "/api/v1/alignment",
    dependencies=[Depends(require_json)],
    responses={
        **answer(alignment_schema()),
        **error_responses(
            bad_request="The body is not a request",
            conflict="Nothing to align to, an alignment is running already, none is, or the matrix cannot be used",
        ),
    },
)
async def align(request: AlignmentRequest, context: Context) -> JsonResponse:
    """Ask for cues (by default nine of two seconds), stop that, go back to the model's matrix, or use a given one."""
    live = context.arm(request.device).alignment
    try:
        await _act(live, request)
    except (CannotAlign, ModelError) as error:
        raise HTTPException(409, str(error)) from None
    return JsonResponse(live.describe())


async def _act(live: LiveAlignment, request: AlignmentRequest) -> None:
    match request:
        case StartAlignment():
            live.start(request.cues, request.seconds)
        case CancelAlignment():
            live.cancel()
        case ResetAlignment():
            await live.reset()
        case UseAlignment():
            await live.use(np.array(request.matrix, np.float32).reshape(CHANNELS, CHANNELS), request.gain)
