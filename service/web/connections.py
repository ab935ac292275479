"""The connections that hold a descriptor and have asked for nothing yet: how many there may be, and which go first.

Nobody is refused because others wait: where there are too many, the one that has waited longest is cut.
"""

from __future__ import annotations

from typing import Final, Protocol

GRACE_S: Final = 1.0
"""Seconds that a connection may wait however many there are: a busy server reads late what came at once."""


class Connection(Protocol):
    """A connection that can be cut."""

    def cut(self) -> None: ...


class ConnectionTable:
    """Counts open connections, and keeps those that are unfinished, by address.

    Args:
        per_address: unfinished connections of one address; those beyond are cut once they are `GRACE_S` old.
        most: connections of all kinds; one more cuts the oldest unfinished one.
        reserve: connections beyond `most` that are accepted all the same where none is unfinished, so that health
            checks are answered; one more is cut at once.
    """

    def __init__(self, per_address: int, most: int, reserve: int = 32) -> None:
        self._per_address, self._most, self._reserve = per_address, most, reserve
        self._unfinished: dict[Connection, tuple[str, float]] = {}
        self._of_address: dict[str, dict[Connection, None]] = {}
        self.open = 0
        """Connections that are open now."""
        self.cut = 0
        """Connections cut so far because there were too many."""

    @property
    def unfinished(self) -> int:
        """Connections that have asked for nothing yet."""
        return len(self._unfinished)

    def opened(self, connection: Connection, address: str, time: float) -> None:
        """Count a new connection, and make room for it."""
        self.open += 1
        if self.open > self._most:
            oldest = next(iter(self._unfinished), None)
            if oldest is not None:
                self._cut(oldest)
            elif self.open > self._most + self._reserve:
                self.cut += 1
                connection.cut()
                return
        self.begin(connection, address, time)

    def closed(self, connection: Connection) -> None:
        """Count a connection that is gone."""
        self.open -= 1
        self.finish(connection)

    def begin(self, connection: Connection, address: str, time: float) -> None:
        """Count a connection as unfinished from now on: its next request has not come."""
        self.finish(connection)
        self._unfinished[connection] = address, time
        same = self._of_address.setdefault(address, {})
        same[connection] = None
        if len(same) > self._per_address:
            oldest = next(iter(same))
            if time - self._unfinished[oldest][1] > GRACE_S:
                self._cut(oldest)

    def finish(self, connection: Connection) -> None:
        """A connection has asked for something; it counts as unfinished no more."""
        address, _ = self._unfinished.pop(connection, ("", 0.0))
        same = self._of_address.get(address)
        if same is not None:
            same.pop(connection, None)
            if not same:
                del self._of_address[address]

    def _cut(self, connection: Connection) -> None:
        self.cut += 1
        self.finish(connection)
        connection.cut()
