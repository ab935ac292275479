"""Who may use the server: Host, Origin and token (docs/protocol.md#negotiation)."""

from __future__ import annotations

import hmac
import re
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from service.loopback import is_address, is_loopback, is_loopback_origin

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^][@/?#\\:\s]+))(?::[0-9]*)?")
ANY_LOOPBACK: Final = "localhost"
"""The entry among the listed origins that stands for every page of this machine, whatever its port."""
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(.+)")
_LISTABLE: Final = re.compile(r"(?i:file:///?)|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]+/?")


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """Why a request is refused."""

    status: int
    message: str
    origin: str | None = None
    """The origin, if that is what was refused."""


@dataclass(frozen=True)
class AccessPolicy:
    """The address that the server is bound to, the origins that are listed, and the token."""

    bind: str = "127.0.0.1"
    origins: tuple[str, ...] = ()
    token: str | None = None

    def check_host_and_origin(self, headers: Mapping[str, str]) -> AccessDenied | None:
        """Return None, or why a request is refused. `headers` has lower-case names."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._host_allowed(host):
            return AccessDenied(
                403,
                "this Host is not served; use the address that Myocast printed, or start it with --host or --origin",
            )
        if not self.origin_allowed(origin, host):
            return AccessDenied(
                403,
                f"pages from {origin} may not connect; {advice(origin or '')}",
                origin,
            )
        return None

    def check_token(self, headers: Mapping[str, str], query: str) -> AccessDenied | None:
        """Return None, or why a request is refused. `headers` has lower-case names."""
        if self._token_fits(headers.get("authorization", ""), query):
            return None
        return AccessDenied(
            401, "a token is needed: `Authorization: Bearer TOKEN` or `?token=TOKEN`, as Myocast printed it"
        )

    def origin_allowed(self, origin: str | None, host: str) -> bool:
        return origin is None or self.origin_listed(origin) or authority(origin) == host.lower() != ""

    def origin_listed(self, origin: str) -> bool:
        """Whether an `--origin` names this origin, all of them (`*`), or all of this machine's (`localhost`)."""
        origin = origin.lower().rstrip("/")
        if "*" in self.origins or (ANY_LOOPBACK in self.origins and is_loopback_origin(origin)):
            return True
        return origin in (listed.lower().rstrip("/") for listed in self.origins)

    def _host_allowed(self, host: str) -> bool:
        name = host_name(host)
        if name in LOOPBACK_NAMES or name in (host_name(authority(o)) for o in self.origins):
            return bool(name)
        if name == self.bind.lower():
            return True
        return not is_loopback(self.bind) and (is_address(name) or name in machine_names())

    def _token_fits(self, authorization: str, query: str) -> bool:
        if self.token is None:
            return True
        scheme, _, bearer = authorization.partition(" ")
        if scheme.lower() == "bearer":
            # Headers are bytes, read here as Latin-1; a token is UTF-8.
            given = [bearer.strip().encode("latin-1", "replace")]
        else:
            given = [text.encode() for text in parse_qs(query).get("token", [])]
        return any(hmac.compare_digest(text, self.token.encode()) for text in given)


def is_origin(text: str) -> bool:
    """Whether `--origin` takes a text: an origin like https://example.org or file://, `null`, `localhost` or `*`."""
    if text in ("*", "null", ANY_LOOPBACK):
        return True
    try:
        return _LISTABLE.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:  # a port or an address that cannot be
        return False


def advice(origin: str) -> str:
    """How to let the pages of an origin in, where that can be said."""
    if not is_origin(origin):
        return "its pages say an origin that cannot be listed"
    return f"start Myocast with --origin {shlex.quote(origin)} to allow them"


def host_name(host: str) -> str:
    """The name in a Host header, without its port and brackets, in lower case; empty where it is none."""
    found = _HOST.fullmatch(host.lower())
    return (found[1] or found[2]) if found else ""


def authority(origin: str) -> str:
    """`host:port` of an origin, in lower case; empty where it has none (`null`)."""
    found = _ORIGIN.fullmatch(origin.lower().rstrip("/"))
    return found[1] if found else ""


def machine_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({name, f"{name}.local", name.split(".")[0]})
