"""Which pages may open the Leap endpoint, which has no token because its clients' address is fixed."""

from __future__ import annotations

from collections.abc import Collection

from service.loopback import is_loopback_origin


def allowed(origin: str | None, listed: Collection[str] = ()) -> bool:
    """Whether an Origin may pass: absent, `null`, any loopback origin, or listed (`*` lists all)."""
    return origin is None or origin == "null" or origin in listed or "*" in listed or is_loopback_origin(origin)
