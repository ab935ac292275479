"""Wrong tokens make an address wait, so that none can be guessed."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from service.limits import DEFAULT_LIMITS

FIRST_WAIT_S: Final = 0.5
"""Seconds of the first wait; each further wrong token doubles them."""
FORGET_S: Final = 60.0
"""Seconds without a wrong token after which an address begins anew."""
ADDRESSES: Final = 4096
"""Addresses that are remembered; with more of them the one that was wrong longest ago is forgotten."""
KNOWN: Final = 4096
"""Connections that are remembered because their token was right."""


@dataclass(slots=True)
class _Wrong:
    count: int
    until: float
    newest: float


class TokenGuesses:
    """Counts wrong tokens by address (by network of 64 bits in IPv6).

    While an address waits no token of it is looked at, not even the right one; else the wait would not slow guessing
    down. Streams that are open go on, and so do connections that have shown the right token before.

    Args:
        free: wrong tokens before the first wait.
        longest_s: seconds that an address waits at most.
    """

    def __init__(
        self,
        free: int = DEFAULT_LIMITS.wrong_tokens,
        longest_s: float = DEFAULT_LIMITS.wrong_token_wait_s,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free, self._longest_s, self._clock = free, longest_s, clock
        self._wrong: OrderedDict[str, _Wrong] = OrderedDict()
        self._known: OrderedDict[tuple[Any, ...], None] = OrderedDict()
        self.refused = 0
        """Requests that were refused unseen so far."""

    def wait_s(self, client: tuple[Any, ...]) -> float:
        """Seconds that a client (address and port) has to wait; 0 where it need not."""
        wrong = self._wrong.get(network_of(client))
        if wrong is None or client in self._known:
            return 0.0
        left_s = wrong.until - self._clock()
        self.refused += left_s > 0.0
        return max(left_s, 0.0)

    def wrong(self, client: tuple[Any, ...]) -> None:
        """Count a wrong token."""
        now, network = self._clock(), network_of(client)
        self._known.pop(client, None)
        wrong = self._wrong.pop(network, None)
        if wrong is None or now - wrong.newest > FORGET_S:
            wrong = _Wrong(0, 0.0, now)
        wrong.count += 1
        wrong.newest = now
        if wrong.count >= self._free:
            doublings = min(wrong.count - self._free, 16)
            wrong.until = now + min(FIRST_WAIT_S * 2.0**doublings, self._longest_s)
        self._wrong[network] = wrong
        while len(self._wrong) > ADDRESSES:
            self._wrong.popitem(last=False)

    def right(self, client: tuple[Any, ...]) -> None:
        """Remember that a connection has shown the right token."""
        self._known[client] = None
        self._known.move_to_end(client)
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)


def network_of(client: tuple[Any, ...]) -> str:
    """What an address counts as: itself, or in IPv6 the first 64 bits of it."""
    text = str(client[0]) if client else ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
    return text
