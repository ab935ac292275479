"""The recordings that were made, and each one's file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Annotated, BinaryIO, Final

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as PathParameter
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.types import Message, Receive, Scope, Send

from service.recording.errors import RecordingNameError
from service.recording.library import SUFFIX, RecordingRuns, UnknownRecording
from service.recording.paths import NAME
from service.web.context import Context, JsonResponse
from service.web.openapi import answer, error_responses
from service.web.uvicorn_adapter import ABORT

log = logging.getLogger("myocast")

MCAP: Final = "application/octet-stream"
"""There is no registered type for MCAP."""
BLOCK_BYTES: Final = 1 << 18
DOWNLOAD_HEADERS: Final = {
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
"""A recording is the person's own: pages of other sites cannot take it in, and no cache keeps it."""

router = APIRouter(tags=["control"])


class RecordingEntry(BaseModel):
    """A recording in the folder."""

    name: str = Field(description="The file's name without `.mcap`")
    bytes: int
    modified: float = Field(description="When it was last written, Unix seconds")
    running: bool = Field(description="Whether it is still being written")


class RecordingList(BaseModel):
    """All recordings in the folder."""

    folder: str = Field(description="The folder of recordings, absolute, on the server's machine")
    recordings: list[RecordingEntry]


@router.head("/api/v1/recordings", include_in_schema=False)
@router.get("/api/v1/recordings", response_model=RecordingList)
async def recordings(context: Context) -> JsonResponse:
    """The recordings in `--recordings DIR`, the newest first."""
    library = context.recordings
    found = await asyncio.to_thread(library.recordings)
    entries = [
        {"name": one.name, "bytes": one.bytes, "modified": one.modified, "running": one.running} for one in found
    ]
    return JsonResponse({"folder": str(library.folder), "recordings": entries})


@router.head("/api/v1/recordings/{name}", include_in_schema=False)
@router.get(
    "/api/v1/recordings/{name}",
    response_class=Response,
    responses={
        **answer({"type": "string", "format": "binary"}, MCAP),
        **error_responses(
            bad_request="The name is no plain file name",
            not_found="There is no recording of that name",
            conflict="It is still being recorded",
        ),
    },
)
async def recorded_file(
    name: Annotated[str, PathParameter(json_schema_extra={"pattern": f"^{NAME.pattern}$"})],
    context: Context,
    request: Request,
) -> Response:
    """The session file of a recording, to be saved."""
    try:
        file, size = await asyncio.to_thread(context.recordings.open, name)
    except RecordingNameError as error:
        raise HTTPException(400, str(error)) from None
    except UnknownRecording as error:
        raise HTTPException(404, str(error)) from None
    except RecordingRuns as error:
        raise HTTPException(409, str(error)) from None
    # The name is a plain one, so it needs no quoting.
    about = {"content-length": str(size), "content-disposition": f'attachment; filename="{name}{SUFFIX}"'}
    if request.method == "HEAD":
        file.close()
        return Response(media_type=MCAP, headers={**DOWNLOAD_HEADERS, **about})
    return Download(name, file, size, {**DOWNLOAD_HEADERS, **about})


class Download(StreamingResponse):
    """A file of a size that was told in advance. If it turns out shorter, the connection is cut off: so the client sees
    that something is missing."""

    def __init__(self, name: str, file: BinaryIO, size: int, headers: dict[str, str]) -> None:
        super().__init__(_bytes(file, size), media_type=MCAP, headers=headers)
        self._name, self._left = name, size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_cut = False

        async def send_whole(message: Message) -> None:
            nonlocal is_cut
            self._left -= len(message.get("body", b""))
            is_cut = message["type"] == "http.response.body" and not message.get("more_body") and self._left > 0
            if not is_cut:
                await send(message)

        await super().__call__(scope, receive, send_whole)
        if is_cut:
            log.warning("%s%s became shorter while it was downloaded; the download was cut off", self._name, SUFFIX)
            scope["extensions"][ABORT]()
            while (await receive())["type"] != "http.disconnect":
                pass


def _bytes(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The first bytes of a file, whatever is written behind them meanwhile."""
    with file:
        while size > 0 and (block := file.read(min(size, BLOCK_BYTES))):
            size -= len(block)
            yield block
