"""WebSocket frames of the messages that are sent to many clients."""

from __future__ import annotations

from typing import Final

from websockets.frames import Frame, Opcode


class FrameCache:
    """Serializes a message once for all clients that receive it one after another."""

    def __init__(self, opcode: Opcode) -> None:
        self._opcode = opcode
        self._message: bytes | str | None = None
        self._frame = b""

    def frame(self, message: bytes | str) -> bytes:
        """Return the message as one unmasked frame (RFC 6455, section 5.2)."""
        if message is not self._message:
            payload = message.encode() if isinstance(message, str) else message
            self._message, self._frame = message, Frame(self._opcode, payload).serialize(mask=False)
        return self._frame


FRAME_CACHES: Final = {bytes: FrameCache(Opcode.BINARY), str: FrameCache(Opcode.TEXT)}
"""By the type of a message; one each, so that clients of both encodings do not displace each other's frame."""
