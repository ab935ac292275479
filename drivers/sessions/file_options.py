"""Options behind the name of a session file, as in `FILE?rate=50&mode=envelope` (docs/protocol.md#text)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from drivers.events import EMG_MODES
from drivers.sessions.read_config import FILE_UNITS, ReadConfig
from drivers.uri import SourceUri, hand_option, options_of

READ_OPTIONS: Final = ("rate", "mode", "unit", "hand", "columns", "device")
_MOST_DEVICES: Final = 1e6


def split_options(path: str | Path) -> tuple[Path, ReadConfig, int]:
    """Split a file's name from the options behind it: path, values for what the file lacks, index of the armband.

    A file whose own name has a question mark is taken as it is. `~` is the home folder.

    Raises:
        DriverError: an option is unknown or has no such value.
    """
    text = str(path)
    file, query = split_query(text)
    if not query:
        return file, ReadConfig(), 0
    uri = SourceUri(text, "replay", str(file), options_of(query.removeprefix("?"), text))
    uri.allow(READ_OPTIONS)
    return file, read_config(uri), device_option(uri)


def split_query(path: str | Path) -> tuple[Path, str]:
    """Split a file's or a folder's name from the options behind it, which begin with `?`; empty without any."""
    text = str(path)
    whole = Path(text).expanduser()
    name, mark, query = text.rpartition("?")
    if not mark or not name or "=" not in query or _exists(whole):
        return whole, ""
    return Path(name).expanduser(), mark + query


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # Longer than a name can be, or in a folder that may not be read.
        return False


def read_config(uri: SourceUri) -> ReadConfig:
    """Read the options of a URI that say what its file does not. Raises DriverError."""
    return ReadConfig(
        rate=uri.number("rate", 0.0, 1.0, 100_000.0) if "rate" in uri.options else None,
        mode=uri.given_choice("mode", EMG_MODES),
        unit=uri.given_choice("unit", FILE_UNITS),
        hand=hand_option(uri),
        columns=uri.options.get("columns"),
    )


def device_option(uri: SourceUri) -> int:
    """Read `?device=`: the index of the armband in a file of several. Raises DriverError."""
    return round(uri.number("device", 0.0, 0.0, _MOST_DEVICES))
