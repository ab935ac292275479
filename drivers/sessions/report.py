"""What was left out while reading a session, and the errors of session files."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from drivers.errors import DriverError

DERIVED: Final = frozenset({"format", "path", "index", "devices", "events", "dropped", "notes"})
"""Keys of `Recording.meta` that the reader adds to what the file says."""

_FIRST: Final = 5


class SessionError(DriverError):
    """A session file that cannot be read or written as asked."""


class SessionExists(SessionError):
    """A file of that name is there already; it is never overwritten."""


class SessionWriteError(SessionError):
    """The disk refused to make or to fill a file; what was written before remains readable."""

    exit_code = 1

    def __init__(self, message: str, *, disk_full: bool = False) -> None:
        super().__init__(message)
        self.disk_full = disk_full


def refused(path: Path | None, error: OSError) -> SessionWriteError:
    """What to tell of an error of the system while writing `path` (None: a stream)."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "free some space" if full else "choose another place"
    return SessionWriteError(f"{path or 'session'}: cannot be written ({error.strerror}); {advice}", disk_full=full)


@dataclass(slots=True)
class Drop:
    """Lines or messages left out for one reason."""

    reason: str
    count: int = 0
    lines: list[int] = field(default_factory=list)
    """Where the first few are."""
    place: str = "line"
    """What `lines` counts: `line` from 1, or `byte` from the beginning of the file."""

    def __str__(self) -> str:
        where = ", ".join(str(line) for line in self.lines)
        more = ", …" if self.count > len(self.lines) else ""
        return f"{self.count} dropped: {self.reason}" + (f" ({self.place} {where}{more})" if where else "")


@dataclass(slots=True)
class ReadReport:
    """Counts of what was dropped and why, with the first few places; and what else a user should know."""

    drops: dict[str, Drop] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> ReadReport:
        """The report that `as_meta` put into `Recording.meta`."""
        return cls({drop["reason"]: Drop(**drop) for drop in meta.get("dropped", ())}, list(meta.get("notes", ())))

    def drop(self, reason: str, at: int | None = None, *, count: int = 1, place: str = "line") -> None:
        drop = self.drops.setdefault(reason, Drop(reason, place=place))
        drop.count += count
        if at is not None and len(drop.lines) < _FIRST:
            drop.lines.append(at)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @property
    def dropped(self) -> int:
        return sum(drop.count for drop in self.drops.values())

    def as_meta(self) -> dict[str, Any]:
        """For `Recording.meta`: `dropped` = [{reason, count, lines, place}], `notes` = [text]."""
        return {"dropped": [asdict(drop) for drop in self.drops.values()], "notes": list(self.notes)}
