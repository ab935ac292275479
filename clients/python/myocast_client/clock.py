"""This machine's clock, and the server's as measured by pings."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from myocast_client.deprecated import deprecated

_ANCHOR: Final = time.time() - time.perf_counter()


def local_now() -> float:
    """Unix seconds of this machine, from its monotonic clock, anchored once: the clock of `received`."""
    return time.perf_counter() + _ANCHOR


class ClockOffset:
    """The server's clock minus ours: the exchange with the shortest round trip among the last eight."""

    def __init__(self) -> None:
        self._exchanges: deque[tuple[float, float]] = deque(maxlen=8)
        self._best: tuple[float, float] | None = None

    def add(self, sent: float, received: float, server: float) -> None:
        """Take in one ping and its answer.

        Args:
            sent: when the ping was sent, Unix seconds of this machine.
            received: when its answer came, likewise.
            server: when the server read the ping, Unix seconds of the server.
        """
        self._exchanges.append((received - sent, server - (sent + received) / 2))
        self._best = min(self._exchanges)

    @property
    def offset(self) -> float | None:
        """Seconds to add to our time to get the server's; None before the first exchange."""
        return None if self._best is None else self._best[1]

    @property
    def round_trip(self) -> float | None:
        """Round trip of the exchange that counts, seconds: the offset is off by half of it at most."""
        return None if self._best is None else self._best[0]

    @property
    def seconds(self) -> float | None:
        """Deprecated: use `offset`; goes with version 0.2."""
        deprecated("ClockOffset.seconds", "ClockOffset.offset")
        return self.offset

    @property
    def round_trip_s(self) -> float | None:
        """Deprecated: use `round_trip`; goes with version 0.2."""
        deprecated("ClockOffset.round_trip_s", "ClockOffset.round_trip")
        return self.round_trip
