"""Which pages may use the Leap endpoint. It has no token, because the address in its clients is fixed."""

from __future__ import annotations

from collections.abc import Collection

from service.loopback import is_loopback_origin


def allowed(origin: str | None, listed: Collection[str] = ()) -> bool:
    """Return whether an Origin is allowed: absent, any loopback origin, or listed (`*` lists all).

    `null` must be listed, too: a frame of any page can have it.
    """
    return origin is None or origin in listed or "*" in listed or is_loopback_origin(origin)
