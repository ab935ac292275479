"""uvicorn's HTTP connection, with the contract's body where a request is none (section 3, "HTTP")."""

from __future__ import annotations

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.web.errors import error_body


class HttpConnection(H11Protocol):
    """A connection that answers what is no HTTP with the JSON error object, as every other error."""

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = error_body(400, msg)
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        # Else an answer was under way already, and what follows it is cut off.
        self.transport.close()
