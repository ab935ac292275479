"""Times that a file writes as text: ISO 8601 dates (`2026-11-28T00:35:47.123`) and times of day (`00:35:47.123`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_OF_DAY: Final = re.compile(r"(\d{1,2}):(\d{2}):(\d{2}(?:[.,]\d+)?)")
_ISO: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2})(?:[.,](\d+))?\s*(Z|[+-]\d{2}:?\d{2})?", re.IGNORECASE
)


def time_of(token: str) -> float | None:
    """Seconds of a time as text: since 1970 for a date (UTC where it has no zone), else since midnight.

    None if it is no such time.
    """
    found = _ISO.fullmatch(token)
    if found is None:
        day = _OF_DAY.fullmatch(token)
        if day is None:
            return None
        return int(day[1]) * 3600.0 + int(day[2]) * 60.0 + float(day[3].replace(",", "."))
    try:
        whole = datetime.fromisoformat(found[1] + (found[3] or "").upper())
    except ValueError:
        return None
    # The fraction apart: some programs write nine digits.
    return (whole if whole.tzinfo else whole.replace(tzinfo=UTC)).timestamp() + float(f"0.{found[2] or 0}")
