"""What has been published and what has not: EMG until the broker has kept it, everything else until it is written."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

BYTES: Final = 32 << 20
"""Bytes that wait at most: about ten minutes of an armband's EMG."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message for the broker."""

    subject: str
    payload: bytes
    kept: str = ""
    """Number by which the broker knows it again, where it keeps it; empty for others."""


class Backlog:
    """Messages in the order in which they came. Of those to be kept none is given up before the oldest is due.

    When too many bytes wait, others go first: a pose of the past is of no use.
    """

    def __init__(self, limit: int = BYTES) -> None:
        self.lost = 0
        """Messages that would have been kept, and were given up because the broker was away for too long."""
        self._limit = limit
        self._bytes = 0
        self._waiting: deque[Message] = deque()
        self._sent: deque[Message] = deque()
        self.empty = asyncio.Event()
        """Set while nothing waits, neither to be sent nor to be confirmed."""
        self.empty.set()

    def put(self, message: Message) -> None:
        """Add a message."""
        self.empty.clear()
        self._waiting.append(message)
        self._bytes += len(message.payload)
        if self._bytes > self._limit:
            self._shrink()

    def take(self) -> Message | None:
        """Return the next message to send; one that is kept counts as unconfirmed from then on."""
        if not self._waiting:
            self._note_if_empty()
            return None
        message = self._waiting.popleft()
        if message.kept:
            self._sent.append(message)
        else:
            self._bytes -= len(message.payload)
        return message

    def confirmed(self) -> None:
        """The broker has kept the oldest message that was sent: it answers in order."""
        if self._sent:
            self._bytes -= len(self._sent.popleft().payload)
            self._note_if_empty()

    def again(self) -> None:
        """The connection was lost: what was not confirmed is to be sent again, before everything else."""
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()

    def forget_sent(self) -> None:
        """Nothing confirms what was sent: it counts as kept."""
        while self._sent:
            self.confirmed()

    def _note_if_empty(self) -> None:
        if not self._waiting and not self._sent:
            self.empty.set()

    def _shrink(self) -> None:
        kept = deque(message for message in self._waiting if message.kept)
        self._bytes -= sum(len(message.payload) for message in self._waiting if not message.kept)
        self._waiting = kept
        while self._bytes > self._limit and self._waiting:
            self._bytes -= len(self._waiting.popleft().payload)
            self.lost += 1
