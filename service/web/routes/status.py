"""What the service is doing, and the model in use."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fastapi import APIRouter, HTTPException

from models.spec import ModelSpec
from service.schemas.http import status_schema
from service.web.context import Context, JsonResponse
from service.web.openapi import answer, error_responses

router = APIRouter(tags=["status"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription(ModelSpec):
    """The metadata of a model file and its digest."""

    sha256: str


@router.head("/api/v1/status", include_in_schema=False)
@router.get("/api/v1/status", responses=answer(status_schema()))
async def status(context: Context) -> JsonResponse:
    """What the service is doing: device, model and pose as in `hello`, state and counts as in `status`."""
    return JsonResponse(context.status_publisher.overview())


@router.head("/api/v1/model", include_in_schema=False)
@router.get(
    "/api/v1/model",
    response_model=ModelDescription,
    responses=error_responses(not_found="No model fits the source"),
)
async def model(context: Context) -> JsonResponse:
    """What the model file in use says of itself, and its SHA-256."""
    engine = context.devices[0].engine
    if engine is None:
        raise HTTPException(404, "no model: none that is shipped fits this source")
    return JsonResponse({**asdict(engine.predictor.spec), "sha256": engine.predictor.sha256})
