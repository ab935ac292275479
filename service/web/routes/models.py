"""The models that can be chosen, and the choice."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, Field

from models.spec import ModelError
from service.devices.device import Device
from service.engine.model_library import UnknownModel, name_of
from service.engine.predictor import ModelFile
from service.web.context import AppContext, Context, JsonResponse, require_json
from service.web.openapi import error_responses
from service.web.requests import UseModel

router = APIRouter(tags=["arm"])


class ModelEntry(BaseModel):
    """A model that can be chosen."""

    name: str = Field(description="The file's name without `.onnx`")
    fits: bool = Field(description="Whether it fits the armband")
    personal: bool = Field(description="Whether it was fitted to one person")
    used_by: list[int] = Field(description="Armbands that use it now")


class ModelList(BaseModel):
    """All models that can be chosen."""

    models: list[ModelEntry]


@router.head("/api/v1/models", include_in_schema=False)
@router.get(
    "/api/v1/models",
    response_model=ModelList,
    responses=error_responses(bad_request="There is no such armband"),
)
async def models(context: Context, device: Annotated[int, Query(ge=0)] = 0) -> JsonResponse:
    """The files in `--models DIR` and the shipped ones; `fits` is about the armband `device`."""
    return JsonResponse(await _list(context, context.device(device)))


@router.post(
    "/api/v1/model",
    response_model=ModelEntry,
    dependencies=[Depends(require_json)],
    responses=error_responses(
        bad_request="The body is not a request",
        not_found="There is no model of that name",
        conflict="The model does not fit the armband, or another one was chosen meanwhile",
    ),
)
async def use_model(request: UseModel, context: Context) -> JsonResponse:
    """Swap a model in: poses of the old one go on until it has caught up with the signal; `hello` follows."""
    device = context.device(request.device)
    try:
        model = await asyncio.to_thread(context.library.get, request.name)
        await context.arm(request.device).use_model(model)
    except UnknownModel as error:
        raise HTTPException(404, str(error)) from None
    except ModelError as error:
        raise HTTPException(409, str(error)) from None
    return JsonResponse(_entry(context, device, request.name, model))


async def _list(context: AppContext, device: Device) -> dict[str, object]:
    found = await asyncio.to_thread(context.library.models)
    return {"models": [_entry(context, device, name, model) for name, model in found.items()]}


def _entry(context: AppContext, device: Device, name: str, model: ModelFile) -> dict[str, object]:
    return {
        "name": name,
        "fits": device.model_mismatch(model) is None,
        "personal": model.spec.personal is not None,
        "used_by": [
            one.index
            for one in context.devices
            if one.model is not None and name_of(one.model) == name and one.model.sha256 == model.sha256
        ],
    }
