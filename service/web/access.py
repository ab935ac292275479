"""Who may use the server: Host, Origin and token (docs/protocol.md#negotiation)."""

from __future__ import annotations

import hmac
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

from models.errors import MyocastError
from service.loopback import is_address, is_loopback, is_loopback_origin

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^][@/?#\\:\s]+))(?::[0-9]*)?")
ANY_LOOPBACK: Final = "localhost"
"""The entry among the listed origins that stands for every page of this machine, whatever its port."""
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(.+)")
_LISTABLE: Final = re.compile(r"(?i:file:///?)|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]+/?")


Scope = Literal["watch", "label", "control"]
"""What a token allows: to watch; to send labels and markers as well; everything."""
SCOPES: Final[tuple[Scope, ...]] = ("watch", "label", "control")
"""In this order each includes those before it."""
SHORTEST_TOKEN: Final = 6
"""Characters of a token at least; with the wait after wrong ones, a shorter one could still be guessed in days."""


def allows(held: Scope, needed: Scope) -> bool:
    """Whether a scope includes another one."""
    return SCOPES.index(held) >= SCOPES.index(needed)


class TokenError(MyocastError):
    """A token that could be guessed."""


def check_length(token: str) -> str:
    """Return a token that is long enough.

    Raises:
        TokenError: it is not.
    """
    if len(token) >= SHORTEST_TOKEN:
        return token
    found = "is empty" if not token else f"has {len(token)} character{'s' if len(token) > 1 else ''}"
    raise TokenError(f"the token {found}; give one of at least {SHORTEST_TOKEN}, better of sixteen")


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """Why a request is refused."""

    status: int
    message: str
    origin: str | None = None
    """The origin, if that is what was refused."""
    guessed: bool = False
    """Whether a token was given, and a wrong one."""


@dataclass(frozen=True)
class AccessPolicy:
    """The address that the server is bound to, the origins that are listed, and the tokens."""

    bind: str = "127.0.0.1"
    origins: tuple[str, ...] = ()
    token: str | None = None
    """Allows everything; where there is no token at all, nobody needs one."""
    label_token: str | None = None
    """Allows to watch and to send labels and markers."""
    watch_token: str | None = None
    """Allows to watch."""

    def check_host_and_origin(self, headers: Mapping[str, str]) -> AccessDenied | None:
        """Return None, or why a request is refused. `headers` has lower-case names."""
        host, origin = headers.get("host", ""), headers.get("origin")
        denied = self.check_host(host)
        if denied is not None:
            return denied
        if not self.origin_allowed(origin, host):
            return AccessDenied(
                403,
                f"pages from {origin} may not connect; {advice(origin or '')}",
                origin,
            )
        return None

    def check_host(self, host: str) -> AccessDenied | None:
        """Return None, or why no answer is given under this name."""
        if self._host_allowed(host):
            return None
        return AccessDenied(
            403, "this Host is not served; use the address that Myocast printed, or start it with --host or --origin"
        )

    def check_token(self, authorization: Sequence[str], query: str) -> Scope | AccessDenied:
        """Return what a request may do, or why it is refused.

        Args:
            authorization: the values of its `Authorization` headers.
            query: its query string.
        """
        known = self._tokens()
        if not known:
            return "control"
        given = _tokens_given(authorization, query)
        if len(given) > 1:
            return AccessDenied(401, "expected one token, in a header or in the address", guessed=True)
        # Every known token is compared, so that the time tells nothing of which one it is.
        found = [scope for scope, token in known.items() if given and hmac.compare_digest(given[0], token.encode())]
        if found:
            return found[0]
        return AccessDenied(
            401,
            "a token is needed: `Authorization: Bearer TOKEN` or `?token=TOKEN`, as Myocast printed it",
            guessed=bool(given),
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

    def _tokens(self) -> dict[Scope, str]:
        tokens: dict[Scope, str | None] = {
            "control": self.token,
            "label": self.label_token,
            "watch": self.watch_token,
        }  # the widest first: it counts where two are the same
        return {scope: token for scope, token in tokens.items() if token is not None}


def _tokens_given(authorization: Sequence[str], query: str) -> list[bytes]:
    """The tokens of a request; where a header has one, the address does not count."""
    given = []
    for value in authorization:
        scheme, _, bearer = value.partition(" ")
        if scheme.lower() == "bearer":
            # Headers are bytes, read here as Latin-1; a token is UTF-8.
            given.append(bearer.strip().encode("latin-1", "replace"))
    return given or [text.encode() for text in parse_qs(query).get("token", [])]


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
