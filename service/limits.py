"""Every limit of the server in one place: what one client, one address and all of them may cost (docs/limits.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Final

from models.errors import MyocastError


class LimitError(MyocastError):
    """A `--limit` that names no limit, or a value that it cannot have."""


def _limit(default: float, least: float, most: float, text: str) -> float:
    """A field of `Limits`: its default, the values that it can have, and what it is, in words."""
    return field(default=default, metadata={"least": least, "most": most, "text": text})


def _count(default: int, least: int, most: int, text: str) -> int:
    return field(default=default, metadata={"least": least, "most": most, "text": text})


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that `serve --limit NAME=VALUE` sets."""

    clients: int = _count(4096, 1, 100_000, "clients of the stream; one more is closed with 1013")
    clients_per_address: int = _count(
        1024, 1, 100_000, "of them from one address other than this machine's; one more is closed with 1013"
    )
    unfinished_per_address: int = _count(
        256, 8, 100_000, "connections of an address that have asked for nothing yet; the oldest is cut"
    )
    handshake_s: float = _limit(10.0, 0.1, 600.0, "seconds for a TLS or WebSocket handshake")
    header_s: float = _limit(10.0, 0.1, 600.0, "seconds for the header of a request, from the connection on")
    body_s: float = _limit(10.0, 0.1, 600.0, "seconds for the body of a request, from the end of its header")
    header_bytes: int = _count(16_384, 1024, 1 << 20, "bytes of a request's header; a longer one is answered with 400")
    body_bytes: int = _count(65_536, 1024, 1 << 24, "bytes of a request's body; a longer one is answered with 413")
    messages_per_s: float = _limit(
        300.0, 1.0, 1e6, "messages of a client each second; those beyond get one `error`, then the client 1008"
    )
    message_burst: int = _count(600, 10, 1_000_000, "messages that a client may send at once after a pause")
    control_frames_per_s: float = _limit(
        50.0, 1.0, 1e6, "WebSocket pings and pongs of a client each second; beyond, it is closed with 1008"
    )
    control_frame_burst: int = _count(200, 10, 1_000_000, "pings and pongs that a client may send at once")
    wrong_tokens: int = _count(10, 1, 1_000_000, "wrong tokens of an address before it has to wait (429)")
    wrong_token_wait_s: float = _limit(
        5.0, 0.0, 3600.0, "seconds that it waits at most; the wait begins with 0.5 s and doubles"
    )
    pose_s: float = _limit(5.0, 0.1, 600.0, "seconds for one run of a model; beyond, it is broken off: `failed`")
    recording_buffer_bytes: int = _count(
        64 << 20, 1 << 20, 1 << 32, "bytes that may wait for the disk; beyond, the recording is closed"
    )


REQUESTS: Final = 64
"""Connections that clients of the stream leave to HTTP requests."""
DEFAULT_LIMITS: Final = Limits()


def described() -> Iterable[tuple[str, float, str]]:
    """Name, default and meaning of every limit."""
    return [(one.name, one.default, one.metadata["text"]) for one in fields(Limits)]  # type: ignore[misc]


def with_options(options: Iterable[str], limits: Limits = DEFAULT_LIMITS) -> Limits:
    """The limits after options such as `clients=100`.

    Raises:
        LimitError: an unknown name, or a value that this limit cannot have.
    """
    known = {one.name: one for one in fields(Limits)}
    for option in options:
        name, given, text = option.partition("=")
        if name not in known or not given:
            raise LimitError(f"--limit {option!r}: expected NAME=VALUE with NAME one of {', '.join(known)}")
        about = known[name].metadata
        whole = isinstance(known[name].default, int)
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = float("nan")
        if not about["least"] <= value <= about["most"]:
            kind = "a whole number" if whole else "a number"
            raise LimitError(f"--limit {option}: expected {kind} from {about['least']:g} to {about['most']:g}")
        limits = replace(limits, **{name: value})  # type: ignore[arg-type]
    return limits


def fitting(limits: Limits, connections: int) -> Limits:
    """The limits with no more clients than there may be connections, of which some stay free for requests."""
    return replace(limits, clients=max(1, min(limits.clients, connections - REQUESTS)))
