"""What OpenAPI says of all routes alike: errors, the token, and answers whose schema the stream has already."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Depends
from fastapi.routing import APIRoute
from fastapi.security import APIKeyQuery, HTTPBearer
from pydantic import BaseModel, Field

from service.schemas import Json
from service.web.errors import CODES

Responses = dict[int | str, dict[str, Any]]
"""Status = how OpenAPI describes that answer, as FastAPI's `responses` takes it."""

DESCRIPTION: Final = (
    "A moving 3-D hand from the EMG of a forearm armband. The poses themselves come over a WebSocket, "
    "which /asyncapi.json describes."
)
TOKEN: Final = [
    Depends(HTTPBearer(auto_error=False, description="The token that Myocast printed; none without a token")),
    Depends(APIKeyQuery(name="token", auto_error=False, description="The same, for clients that cannot set headers")),
]
"""How a token is given. It is only described here: `AccessMiddleware` checks it before any route is called."""


class ErrorDetails(BaseModel):
    """What went wrong."""

    code: str = Field(description="A word for programs")
    message: str = Field(description="One line for people")


class ErrorBody(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorDetails


ANY_ERROR: Final[Responses] = {"default": {"model": ErrorBody, "description": "Any other error"}}


def error_responses(**reasons: str) -> Responses:
    """The error answers of a route: code of the error = when it is given."""
    statuses = {code: status for status, code in reversed(CODES.items())}
    return {statuses[code]: {"model": ErrorBody, "description": reason} for code, reason in reasons.items()}


REFUSALS: Final = error_responses(
    unauthorized="The server has a token, and the request has none or another one",
    forbidden="The server does not answer to this Host, or to pages of this Origin",
)
TOO_LARGE: Final = error_responses(too_large="The body is too long")


def answer(schema: Json, media_type: str = "application/json") -> Responses:
    """The successful answer of a route, by its JSON Schema."""
    return {200: {"content": {media_type: {"schema": schema}}}}


def operation_id(route: APIRoute) -> str:
    """The name by which generated clients know a route."""
    return route.name
