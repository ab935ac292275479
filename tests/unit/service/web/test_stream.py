"""What a client asks for when it connects to `WS /v1/stream`: docs/protocol.md#negotiation."""

from __future__ import annotations

import pytest

from service.broadcast.messages import SubscriptionError
from service.settings import ServiceConfig
from service.web.stream import negotiate, query_value
from tests.support.live_server import BINARY, JSON


@pytest.mark.parametrize(
    ("query", "offered"),
    [(b"streams=x", []), (b"max_rate=0", []), (b"", ["other"]), (b"max_rate=1&max_rate=x", [])],
)
def test_negotiation_refuses(query: bytes, offered: list[str]) -> None:
    with pytest.raises(SubscriptionError):
        negotiate({"query_string": query, "subprotocols": offered})


def test_query_value_takes_the_last_one() -> None:
    scope = {"query_string": b"streams=pose&streams=emg&x=&y=%20"}
    assert [query_value(scope, name) for name in ("streams", "x", "y", "z")] == ["emg", "", " ", None]


def test_negotiation() -> None:
    subscription, encoding, subprotocol = negotiate(
        {"query_string": b"streams=emg%2Cpose&max_rate=30", "subprotocols": ["x", BINARY, JSON]}
    )
    assert (subscription.streams, subscription.max_rate, encoding, subprotocol) == (
        ("pose", "emg"),
        30.0,
        "binary",
        BINARY,
    )
    assert ServiceConfig(("demo:",)).port == 8765
