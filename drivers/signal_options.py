"""Options that every source takes: `?gain=` and `?mains=50|60|off`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args
from urllib.parse import parse_qsl

from drivers.errors import DriverError
from models.conditioning import Mains

SIGNAL_OPTIONS: Final = ("gain", "mains")


@dataclass(frozen=True, slots=True)
class SignalOptions:
    """What a user says of a source's signal."""

    gain: float | None = None
    """Factor to the level of the model's own armband; None: found from the signal."""
    mains: Mains = "auto"
    """Frequency of the mains to take out; `auto`: found from the signal where the device does not take it out."""


def signal_options(options: dict[str, str], text: str) -> SignalOptions:
    """Read the options of a source, `text`, of which some may be these. Raises DriverError."""
    gain, mains = options.get("gain"), options.get("mains", "auto")
    for choice in get_args(Mains):
        if choice == mains:
            return SignalOptions(None if gain is None else _gain(gain, text), choice)
    raise DriverError(f"`mains={mains}` in {text!r}: expected one of {', '.join(get_args(Mains))}")


def _gain(given: str, text: str) -> float:
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise DriverError(f"`gain={given}` in {text!r}: expected a factor above 0, such as 0.5")
    return value


def signal_options_of(uri: str) -> SignalOptions:
    """The same of a whole source URI, as `SourceInfo.uri` has it. Raises DriverError."""
    return signal_options(dict(parse_qsl(uri.partition("?")[2])), uri)
