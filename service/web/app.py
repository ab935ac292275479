"""The ASGI application of one server: middleware, errors and routes."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from service.web.access_middleware import AccessMiddleware
from service.web.body_limit import BodyLimitMiddleware
from service.web.context import AppContext, JsonResponse
from service.web.errors import add_error_handlers
from service.web.metrics import LimitCounts, exposition
from service.web.openapi import ANY_ERROR, DESCRIPTION, REFUSALS, TOKEN, TOO_LARGE, operation_id
from service.web.routes import alignment, device, health, models, pages, personal, recording, recordings, replay, status
from service.web.security_headers import SecurityHeadersMiddleware
from service.web.stream import NoSuchStream
from service.web.token_guesses import TokenGuesses


def create_app(context: AppContext) -> FastAPI:
    """The ASGI application of one server."""
    guesses = TokenGuesses(context.limits.wrong_tokens, context.limits.wrong_token_wait_s)
    app = FastAPI(
        title="Myocast",
        description=DESCRIPTION,
        version=context.status_publisher.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        default_response_class=JsonResponse,
        responses=ANY_ERROR,
        generate_unique_id_function=operation_id,
        middleware=[
            Middleware(SecurityHeadersMiddleware),
            Middleware(
                AccessMiddleware,
                policy=context.policy,
                guesses=guesses,
            ),
            Middleware(BodyLimitMiddleware, most=context.limits.body_bytes),
        ],
        routes=[WebSocketRoute("/v1/stream", context.stream), WebSocketRoute("/{path:path}", NoSuchStream())],
    )
    app.state.context = context
    app.state.exposition = exposition(context.devices, context.hub, partial(_limited, context, guesses))
    add_error_handlers(app)
    _add_routes(app)
    return app


def _limited(context: AppContext, guesses: TokenGuesses) -> LimitCounts:
    """What limits and the guard have counted."""
    refused = {**context.stream.refused, "connections": context.connections.cut, "wrong_tokens": guesses.refused}
    recording = context.recorder.describe()
    written = 0 if recording is None else int(recording["bytes"])
    return LimitCounts(context.connections.open, context.connections.unfinished, refused, context.guard.faults, written)


def _add_routes(app: FastAPI) -> None:
    app.include_router(status.router, dependencies=TOKEN, responses=REFUSALS)
    for module in (recording, recordings, replay, device, models, alignment, personal):
        app.include_router(module.router, dependencies=TOKEN, responses={**REFUSALS, **TOO_LARGE})
    app.include_router(health.router)
    app.include_router(pages.router)
    pages.mount_files(app)
