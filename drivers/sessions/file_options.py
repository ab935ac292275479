"""Options behind the name of a session file, as in `FILE?rate=50&mode=envelope` (docs/protocol.md#options)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

from drivers.errors import DriverError
from drivers.events import EMG_MODES
from drivers.sessions.read_config import (
    CLOCK_RULES,
    FILE_UNITS,
    JOINS,
    LENGTH_UNITS,
    ClockRule,
    LabelsConfig,
    ReadConfig,
)
from drivers.uri import SourceUri, hand_option, options_of

LABEL_OPTIONS: Final = tuple(f"labels.{name}" for name in ("offset", "join", "unit", "rate", "columns"))
READ_OPTIONS: Final = (
    *("rate", "mode", "unit", "hand", "columns", "channels", "scale", "part", "device", "preset", "labels"),
    *LABEL_OPTIONS,
)
PLAY_OPTIONS: Final = ("speed", "loop", "start")
"""How a replay plays a file: a source may be copied from `serve` to commands that read the file as a whole."""
PRESET_OPTIONS: Final = frozenset(READ_OPTIONS) - {"preset", "device"}
FASTEST: Final = 100.0
"""Recorded seconds per real second."""
_MOST_DEVICES: Final = 1e6
_RATES: Final = (1.0, 100_000.0)
_LARGEST_SCALE: Final = 1e12
_LARGEST_OFFSET: Final = 1e11
_LARGEST_PRESET: Final = 1 << 20


def split_options(path: str | Path) -> tuple[Path, ReadConfig, int]:
    """Split a file's name from the options behind it: path, values for what the file lacks, index of the armband.

    A file whose own name has a question mark is taken as it is. `~` is the home folder. Options that say how a replay
    plays, or how its signal is adapted to a model, are checked and have no effect.

    Raises:
        DriverError: an option is unknown or has no such value.
    """
    text = str(path)
    file, query = split_query(text)
    if not query:
        return file, ReadConfig(), 0
    uri = SourceUri(text, "replay", str(file), options_of(query.removeprefix("?"), text))
    uri.allow((*PLAY_OPTIONS, *READ_OPTIONS))
    play_options(uri)
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
    uri = _with_preset(uri)
    return ReadConfig(
        rate=uri.number("rate", 0.0, *_RATES) if "rate" in uri.options else None,
        mode=uri.given_choice("mode", EMG_MODES),
        unit=uri.given_choice("unit", FILE_UNITS),
        hand=hand_option(uri),
        columns=uri.options.get("columns"),
        channels=uri.options.get("channels"),
        scale=_scale(uri),
        part=uri.options.get("part"),
        labels=_labels(uri),
    )


def play_options(uri: SourceUri, loop: bool = False) -> tuple[float, bool, float]:
    """Read `?speed=&loop=&start=`, with the default of `loop`. Raises DriverError."""
    speed = uri.number("speed", 1.0, 0.0, FASTEST)
    if speed == 0.0:
        raise uri.problem("speed", f"expected a number above 0, up to {FASTEST:g}")
    return speed, uri.flag("loop", loop), uri.number("start", 0.0, 0.0)


def device_option(uri: SourceUri) -> int:
    """Read `?device=`: the index of the armband in a file of several. Raises DriverError."""
    return round(uri.number("device", 0.0, 0.0, _MOST_DEVICES))


def _scale(uri: SourceUri) -> float | None:
    if "scale" not in uri.options:
        return None
    scale = uri.number("scale", 1.0, -_LARGEST_SCALE, _LARGEST_SCALE)
    if not scale:
        raise uri.problem("scale", "expected a number other than 0")
    return scale


def _labels(uri: SourceUri) -> LabelsConfig | None:
    file = uri.options.get("labels")
    given = [name for name in LABEL_OPTIONS if name in uri.options]
    if file is None:
        if given:
            raise uri.problem(given[0], "there are no labels; name their file, as in `labels=hand.csv`")
        return None
    if not file:
        raise uri.problem("labels", "expected the file of the labels")
    offset: float | ClockRule | None = None
    if said := uri.options.get("labels.offset"):
        offset = next((rule for rule in CLOCK_RULES if rule == said), None)
        if offset is None:
            offset = uri.number("labels.offset", 0.0, -_LARGEST_OFFSET, _LARGEST_OFFSET)
    return LabelsConfig(
        Path(file).expanduser(),
        offset,
        uri.choice("labels.join", "interpolated", JOINS),
        uri.given_choice("labels.unit", LENGTH_UNITS),
        uri.number("labels.rate", 0.0, 0.01, _RATES[1]) if "labels.rate" in uri.options else None,
        uri.options.get("labels.columns"),
    )


def _with_preset(uri: SourceUri) -> SourceUri:
    """The URI with the options of its preset file; those that it has itself win."""
    if "preset" not in uri.options:
        return uri
    path = Path(uri.options["preset"]).expanduser()
    return SourceUri(uri.text, uri.scheme, uri.target, {**read_preset(path), **uri.options})


def read_preset(path: Path) -> dict[str, str]:
    """Read a preset: a TOML file of the options, those of labels in a table `[labels]` with their file as `file`.

    Raises:
        DriverError: it cannot be read, or it has an option that there is not.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.loads(file.read(_LARGEST_PRESET).decode())
    except OSError as error:
        raise DriverError(
            f"preset {path}: cannot be read ({error.strerror}); expected a TOML file of options"
        ) from None
    except ValueError as error:
        raise DriverError(f"preset {path}: is not TOML ({error}); expected lines such as `rate = 500`") from None
    labels = table.pop("labels", {})
    if isinstance(labels, dict):
        file_name = labels.pop("file", None)
        table |= {f"labels.{name}": value for name, value in labels.items()}
        labels = file_name
    if labels is not None:
        table["labels"] = labels
    for name, value in table.items():
        if name not in PRESET_OPTIONS:
            raise DriverError(f"preset {path}: unknown option `{name}`; known are: {', '.join(sorted(PRESET_OPTIONS))}")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise DriverError(f"preset {path}: `{name}`: expected a text or a number")
    return {name: str(value) for name, value in table.items()}
