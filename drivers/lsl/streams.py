"""Find streams of the Lab Streaming Layer, and keep two sources of a process from reading the same one."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pylsl

MOST_NAMED: Final = 8
_lock: Final = threading.Lock()
_read: Final[set[str]] = set()
"""Identifiers of the outlets that sources of this process read."""


def silence(lsl: ModuleType) -> None:
    """Keep liblsl from telling on stderr which configuration it has loaded, unless the user has written one.

    It looks for one in these places (https://labstreaminglayer.readthedocs.io/info/lslapicfg.html). To be called
    before any other function of liblsl.
    """
    files = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
    written = "LSLAPICFG" in os.environ or any(Path(file).expanduser().is_file() for file in files)
    if not written and hasattr(lsl, "set_config_content"):
        lsl.set_config_content("[log]\nlevel = -2\n")


def streams_there(lsl: ModuleType, seconds: float) -> list[pylsl.StreamInfo]:
    """Every stream that answers within some seconds, by name. This waits. `lsl` is the module `pylsl`."""
    return sorted(lsl.resolve_streams(seconds), key=lambda stream: (stream.name(), stream.source_id()))


def claim(found: Sequence[pylsl.StreamInfo], *, shared: bool) -> pylsl.StreamInfo | None:
    """Take the first stream that no other source of this process reads; any one if it may be shared.

    `release` gives it back.
    """
    with _lock:
        for stream in sorted(found, key=lambda one: (one.source_id(), one.uid())):
            if shared or stream.uid() not in _read:
                _read.add(stream.uid())
                return stream
    return None


def release(stream: pylsl.StreamInfo) -> None:
    """Let another source read a stream."""
    with _lock:
        _read.discard(stream.uid())


def names_of(found: Sequence[pylsl.StreamInfo]) -> str:
    """The streams in words: what may be asked for."""
    if not found:
        return "no stream at all"
    named = [
        f"{stream.name()!r} ({stream.type() or 'no type'}, {stream.channel_count()} channels"
        + (f", source_id={stream.source_id()})" if stream.source_id() else ")")
        for stream in found[:MOST_NAMED]
    ]
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return ", ".join(named) + more
