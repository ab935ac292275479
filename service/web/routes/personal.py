"""A personal model, learned while it is served."""

from __future__ import annotations

import errno
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query

from models.spec import ModelError
from service.arm.arm import Arm
from service.arm.personal import CannotLearn
from service.engine.model_library import ModelExists
from service.schemas.http import personal_schema
from service.web.context import Context, JsonResponse, require_json
from service.web.openapi import answer, error_responses
from service.web.requests import (
    DiscardPersonal,
    KeepPersonal,
    PersonalRequest,
    StartPersonal,
    StopPersonal,
)

router = APIRouter(tags=["arm"])


@router.head("/api/v1/personal", include_in_schema=False)
@router.get(
    "/api/v1/personal",
    responses={**answer(personal_schema()), **error_responses(bad_request="There is no such armband")},
)
async def personal(context: Context, device: Annotated[int, Query(ge=0)] = 0) -> JsonResponse:
    """How much was learned from labels, and the error before and after, on the same seconds held back."""
    return JsonResponse(context.arm(device).personal.describe())


@router.post(
    "/api/v1/personal",
    dependencies=[Depends(require_json)],
    responses={
        **answer(personal_schema()),
        **error_responses(
            bad_request="The body is not a request",
            conflict="The model cannot learn, nothing was learned, it is worse than before, or the name is taken",
            disk_full="There is no room for the file",
        ),
    },
)
async def learn(request: PersonalRequest, context: Context) -> JsonResponse:
    """Learn from labels, stop, keep what was learned as a model file, or discard it."""
    arm = context.arm(request.device)
    try:
        await _act(arm, request)
    except (CannotLearn, ModelExists, ModelError) as error:
        raise HTTPException(409, str(error)) from None
    except OSError as error:
        status = 507 if error.errno == errno.ENOSPC else 409
        raise HTTPException(status, f"the model cannot be written: {error.strerror}; choose another --models") from None
    return JsonResponse(arm.personal.describe())


async def _act(arm: Arm, request: PersonalRequest) -> None:
    match request:
        case StartPersonal(labels="prompts"):
            await arm.prompts.learn()
        case StartPersonal():
            await arm.personal.start()
        case StopPersonal():
            await arm.personal.stop()
        case KeepPersonal():
            await arm.personal.keep(request.name)
        case DiscardPersonal():
            await arm.personal.discard()
