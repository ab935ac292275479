"""Bodies around the limit, in one piece and in many."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import HTTPException
from starlette.types import Message, Receive, Scope, Send

from service.limits import DEFAULT_LIMITS
from service.web import body_limit
from service.web.body_limit import BodyLimitMiddleware

MAX_BODY = DEFAULT_LIMITS.body_bytes


class Body:
    """A request body in pieces, and how much of it the application got."""

    def __init__(self, *sizes: int, endless: bool = False) -> None:
        self.messages: list[Message] = [
            {"type": "http.request", "body": b"x" * size, "more_body": endless or index < len(sizes) - 1}
            for index, size in enumerate(sizes)
        ]
        self.taken = 0

    async def receive(self) -> Message:
        return self.messages.pop(0)

    async def read(self, kind: str = "http") -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            more = True
            while more:
                message = await receive()
                self.taken += len(message["body"])
                more = message["more_body"]

        async def send(message: Message) -> None:
            raise AssertionError("nothing is sent from here")

        scope: dict[str, Any] = {"type": kind}
        await BodyLimitMiddleware(application)(scope, self.receive, send)


@pytest.mark.parametrize("sizes", [(0,), (MAX_BODY,), (MAX_BODY - 1, 1), (1,) * 100])
async def test_a_body_within_the_limit_arrives(sizes: tuple[int, ...]) -> None:
    body = Body(*sizes)
    await body.read()
    assert body.taken == sum(sizes)


@pytest.mark.parametrize("sizes", [(MAX_BODY + 1,), (MAX_BODY, 1), (MAX_BODY, 1, MAX_BODY, 5)])
async def test_a_longer_body_is_read_to_its_end_and_refused(sizes: tuple[int, ...]) -> None:
    body = Body(*sizes)
    with pytest.raises(HTTPException) as refused:
        await body.read()
    assert (refused.value.status_code, refused.value.headers) == (413, None)
    assert body.messages == []
    assert body.taken <= MAX_BODY


async def test_a_body_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "DISCARDED", 3 * MAX_BODY)
    body = Body(*(MAX_BODY,) * 10, endless=True)
    with pytest.raises(HTTPException) as refused:
        await body.read()
    assert (refused.value.status_code, refused.value.headers) == (413, {"Connection": "close"})
    assert len(body.messages) == 6


async def test_a_client_that_leaves_ends_the_reading() -> None:
    body = Body(MAX_BODY, 1, 1)
    body.messages[2] = {"type": "http.disconnect"}
    with pytest.raises(HTTPException) as refused:
        await body.read()
    assert refused.value.status_code == 413


async def test_a_websocket_has_no_body_to_limit() -> None:
    body = Body(MAX_BODY + 1)
    await body.read("websocket")
    assert body.taken == MAX_BODY + 1
