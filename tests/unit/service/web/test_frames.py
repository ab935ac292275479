"""Frames of messages of every length, as websockets itself reads them."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from service.web.frames import FRAME_CACHES


def received(data: bytes) -> list[Frame]:
    """What a client reads from these bytes."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    frames = client.events_received()
    assert all(isinstance(frame, Frame) for frame in frames)
    return [frame for frame in frames if isinstance(frame, Frame)]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 296, 65535, 65536])
def test_a_client_reads_what_was_sent(length: int) -> None:
    text = "x" * length
    for message, opcode in ((text, Opcode.TEXT), (text.encode(), Opcode.BINARY)):
        (frame,) = received(FRAME_CACHES[type(message)].frame(message))
        assert (frame.opcode, frame.fin, frame.data) == (opcode, True, text.encode())


def test_text_is_utf8() -> None:
    (frame,) = received(FRAME_CACHES[str].frame("Elbe \N{GREEK SMALL LETTER ALPHA}"))
    assert bytes(frame.data).decode() == "Elbe \N{GREEK SMALL LETTER ALPHA}"


def test_the_same_message_is_serialized_once() -> None:
    first, second = b"first message", b"second message"
    frame = FRAME_CACHES[bytes].frame(first)
    assert FRAME_CACHES[bytes].frame(first) is frame
    assert FRAME_CACHES[bytes].frame(second) != frame
    assert FRAME_CACHES[bytes].frame(first) == frame
