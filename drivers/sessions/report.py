"""Report of what was left out while reading a session, and the errors of session files."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from drivers.errors import DriverError

JsonObject = dict[str, Any]
"""A JSON object, as parsed or to be written."""

DERIVED: Final = frozenset(
    {"format", "path", "index", "devices", "events", "poses", "dropped", "notes", "other_counts"}
)
"""Keys of `Recording.meta` that the reader adds to the file's own."""

_FIRST: Final = 5


class SessionError(DriverError):
    """A session file that cannot be read or written."""


class SessionExists(SessionError):
    """A file of that name exists; it is never overwritten."""


class SessionWriteError(SessionError):
    """A file cannot be created or filled; what was written before remains readable."""

    exit_code = 1

    def __init__(self, message: str, *, disk_full: bool = False) -> None:
        super().__init__(message)
        self.disk_full = disk_full


class FileChanged(OSError):
    """Another program removed or changed a file while it was being written."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ESTALE, reason)


def refused(path: Path | None, error: OSError) -> SessionWriteError:
    """Make the error to raise for an OSError while writing `path` (None: a stream)."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "free some space" if full else "choose another place"
    return SessionWriteError(f"{path or 'session'}: cannot be written ({error.strerror}); {advice}", disk_full=full)


@dataclass(slots=True)
class Drop:
    """Lines or messages left out for one reason."""

    reason: str
    count: int = 0
    lines: list[int] = field(default_factory=list)
    """Places of the first few."""
    place: str = "line"
    """Unit of `lines`: `line` from 1, or `byte` from the beginning of the file."""

    def __str__(self) -> str:
        where = ", ".join(str(line) for line in self.lines)
        more = ", …" if self.count > len(self.lines) else ""
        return f"{self.count} dropped: {self.reason}" + (f" ({self.place} {where}{more})" if where else "")


@dataclass(slots=True)
class ReadReport:
    """Numbers and reasons of what was dropped, with the first few places, and notes for the user."""

    drops: dict[str, Drop] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    other_counts: bool = False
    """Whether nothing states the unit, and the counts are none of a Myo."""

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> ReadReport:
        """Restore the report that `as_meta` put into `Recording.meta`."""
        drops = {drop["reason"]: Drop(**drop) for drop in meta.get("dropped", ())}
        return cls(drops, list(meta.get("notes", ())), bool(meta.get("other_counts")))

    def drop(self, reason: str, at: int | None = None, *, count: int = 1, place: str = "line") -> None:
        """Count dropped lines or messages, and keep the place of the first few."""
        drop = self.drops.setdefault(reason, Drop(reason, place=place))
        drop.count += count
        if at is not None and len(drop.lines) < _FIRST:
            drop.lines.append(at)

    def note(self, text: str) -> None:
        """Add a note for the user, once."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def dropped(self) -> int:
        """Number of dropped lines or messages."""
        return sum(drop.count for drop in self.drops.values())

    def as_meta(self) -> JsonObject:
        """Return the report for `Recording.meta`: `dropped` = [{reason, count, lines, place}], `notes` = [text].

        `other_counts` is there where it is true.
        """
        told = {"dropped": [asdict(drop) for drop in self.drops.values()], "notes": list(self.notes)}
        return told | ({"other_counts": True} if self.other_counts else {})
