"""The headers by which a browser lets pages of other origins read answers (CORS)."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.access import AccessPolicy


class ListedOriginsMiddleware(CORSMiddleware):
    """Starlette's CORS headers for the origins that the policy lists.

    Only a preflight from an origin that may connect gets this far. It is granted, and the browser compares the method
    and the headers with what is allowed; Starlette would answer some with 400 and plain text, which is no error body.
    """

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        super().__init__(app, allow_methods=("GET", "POST", "OPTIONS"), allow_headers=("authorization", "content-type"))
        self._policy = policy

    def is_allowed_origin(self, origin: str) -> bool:
        return self._policy.origin_listed(origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and "origin" in headers:
            await self.preflight_response(headers)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        headers = dict(self.preflight_headers)
        if self.is_allowed_origin(request_headers["origin"]):
            headers["Access-Control-Allow-Origin"] = request_headers["origin"]
        return Response(status_code=204, headers=headers)
