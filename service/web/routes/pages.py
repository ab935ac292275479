"""Pages and files: the viewer, the JavaScript client and its examples, and the descriptions of the interfaces."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.staticfiles import PathLike

from service.web.context import JsonResponse
from service.web.openapi import Responses, answer, error_responses
from service.web.security_headers import page_policy

BUILT: Final = Path(str(files("service") / "viewer" / "dist"))
"""What the installation built from service/viewer and clients/js."""
NOT_BUILT: Final = "the viewer is not built; run `make install`, or `npm ci && npm run build` in service/viewer"
FROM_ANYWHERE: Final = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
"""Headers of files without data, which pages of other sites may import."""

router = APIRouter(tags=["pages"])


def _file(media_type: str) -> Responses:
    return {**answer({"type": "string"}, media_type), **error_responses(not_found="It is not built")}


@router.head("/", include_in_schema=False)
@router.get("/", response_class=Response, responses=_file("text/html"))
async def viewer() -> Response:
    """The viewer."""
    # The tracker of hands in a camera's pictures is WebAssembly.
    policy = page_policy(scripts=("'wasm-unsafe-eval'",))
    return _built("index.html", "text/html", {"content-security-policy": policy})


@router.head("/client.js", include_in_schema=False)
@router.get("/client.js", response_class=Response, responses=_file("text/javascript"))
async def client_script() -> Response:
    """The JavaScript client as a script: `<script src="…/client.js">` makes a global `myocast`."""
    return _built("client.js", "text/javascript", FROM_ANYWHERE)


@router.head("/client.mjs", include_in_schema=False)
@router.get("/client.mjs", response_class=Response, responses=_file("text/javascript"))
async def client_module() -> Response:
    """The JavaScript client as a module, which pages of other sites may import, too."""
    return _built("client.mjs", "text/javascript", FROM_ANYWHERE)


async def _examples(request: Request) -> Response:
    return RedirectResponse("examples/")


async def _docs(request: Request) -> Response:
    from service.schemas.page import docs_page

    page = docs_page(request.app.openapi(), request.app.version)
    return HTMLResponse(page, headers={"content-security-policy": page_policy(page)})


async def _asyncapi(request: Request) -> Response:
    from service.schemas.asyncapi import asyncapi

    return JsonResponse(asyncapi(request.app.version, request.headers["host"]))


router.add_route("/examples", _examples, include_in_schema=False)
router.add_route("/docs", _docs, include_in_schema=False)
router.add_route("/asyncapi.json", _asyncapi, include_in_schema=False)


def mount_files(app: FastAPI) -> None:
    """Serve the folders that the installation built."""
    if (BUILT / "assets").is_dir():
        app.mount("/assets", StaticFiles(directory=BUILT / "assets"))
    if (BUILT / "examples").is_dir():
        app.mount("/examples/", _Examples(directory=BUILT / "examples", html=True))


class _Examples(StaticFiles):
    """Pages with scripts in them, which may show the poses of another server."""

    def file_response(self, full_path: PathLike, *args: Any, **more: Any) -> Response:
        response = super().file_response(full_path, *args, **more)
        path = Path(full_path)
        if path.suffix == ".html":
            response.headers["content-security-policy"] = _example_policy(path)
        return response


@cache
def _example_policy(path: Path) -> str:
    return page_policy(path.read_text(encoding="utf-8"), connect=("'self'", "http:", "https:", "ws:", "wss:"))


def _built(name: str, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    path = BUILT / name
    if not path.is_file():
        raise HTTPException(404, NOT_BUILT)
    return FileResponse(path, media_type=media_type, headers={"cache-control": "no-cache", **(headers or {})})
