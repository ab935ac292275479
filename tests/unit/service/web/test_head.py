"""HEAD by itself, whatever the server around it does with bodies."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from service.web.head import HeadAsGet


async def ask(method: str, response: Response) -> tuple[list[str], list[Message]]:
    """The methods that were seen inside, and what was sent."""
    seen: list[str] = []
    sent: list[Message] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["method"])
        await response(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": "/", "asgi": {"spec_version": "2.4"}}
    await HeadAsGet(inside)(scope, receive, send)
    assert scope["method"] == method, "the server still knows what was asked"
    return seen, sent


async def test_the_body_is_left_out_and_its_length_is_told() -> None:
    seen, (start, body) = await ask("HEAD", Response("abc", media_type="text/plain"))
    assert (seen, start["status"], body["body"]) == (["GET"], 200, b"")
    assert (b"content-length", b"3") in start["headers"]


async def test_a_body_in_pieces_still_ends() -> None:
    async def pieces() -> Any:
        yield b"a"
        yield b"b"

    _, (_, *bodies) = await ask("HEAD", StreamingResponse(pieces()))
    assert {message["body"] for message in bodies} == {b""}
    assert [message["more_body"] for message in bodies][-1] is False


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_other_methods_are_left_alone(method: str) -> None:
    seen, (_, body) = await ask(method, Response("abc"))
    assert (seen, body["body"]) == ([method], b"abc")
