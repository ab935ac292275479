"""Source URIs: `scheme:target?option=value`, and the driver behind each scheme."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, cast
from urllib.parse import parse_qsl, unquote

from drivers.errors import DriverError
from drivers.source import Source
from models.hand import Side
from models.installation import install_command

SCHEMES: Final = {
    "demo": "drivers.replay.source",
    "replay": "drivers.replay.source",
    "synthetic": "drivers.synthetic.source",
    "myo": "drivers.myo.source",
    "dongle": "drivers.myo.source",
    "cyton": "drivers.cyton.source",
    "serial": "drivers.text.source",
    "lsl": "drivers.lsl.source",
}
"""Each module has `from_uri(SourceUri) -> Source`; it is imported when first asked for."""


@dataclass(frozen=True)
class SourceUri:
    """A parsed source URI. Options are read once, by the driver, through the methods below."""

    text: str
    scheme: str
    target: str = ""
    options: dict[str, str] = field(default_factory=dict)

    def allow(self, names: Iterable[str]) -> None:
        """Raises DriverError if an option is given that is not one of `names`."""
        known = sorted(names)
        for name in self.options:
            if name not in known:
                offer = f"known are: {', '.join(known)}" if known else "it takes none"
                raise DriverError(f"unknown option `{name}` in {self.text!r}; {offer}")

    def number(self, name: str, default: float, low: float = float("-inf"), high: float = float("inf")) -> float:
        """A number within [low, high]."""
        text = self.options.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise DriverError(f"`{name}={text}` in {self.text!r}: expected a number from {low:g} to {high:g}")
        return value

    def choice(self, name: str, default: str, choices: Iterable[str]) -> str:
        """One of `choices`."""
        value = self.options.get(name, default)
        allowed = tuple(choices)
        if value not in allowed:
            raise DriverError(f"`{name}={value}` in {self.text!r}: expected one of {', '.join(allowed)}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """1 or 0 (also true/false, yes/no, on/off)."""
        text = self.options.get(name, "1" if default else "0").lower()
        if text in ("1", "true", "yes", "on"):
            return True
        if text in ("0", "false", "no", "off"):
            return False
        raise DriverError(f"`{name}={text}` in {self.text!r}: expected 1 or 0")


def hand_option(uri: SourceUri) -> Side | None:
    """`?hand=left` or `right`; None where it is not given."""
    return cast(Side, uri.choice("hand", "right", ("left", "right"))) if "hand" in uri.options else None


def parse(text: str) -> SourceUri:
    """Split a source URI.

    Raises:
        DriverError: no scheme, an unknown scheme, or an option given twice or without a value.
    """
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SCHEMES:
        offer = ", ".join(f"{name}:" for name in SCHEMES)
        raise DriverError(f"{text!r} is not a source; expected one of {offer} (a recording is `replay:FILE`)")
    target, _, query = rest.partition("?")
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in options:
            raise DriverError(f"option `{name}` is given twice in {text!r}")
        options[name] = value
    return SourceUri(text, scheme, unquote(target), options)


def source_from_uri(text: str) -> Source:
    """The source that a URI names. Nothing is connected yet; files are read.

    Raises:
        DriverError: the URI is wrong, or the package its driver needs is not installed.
    """
    uri = parse(text)
    try:
        return cast(Source, import_module(SCHEMES[uri.scheme]).from_uri(uri))
    except ModuleNotFoundError as error:
        raise DriverError(_missing(uri.scheme, error)) from None


def _missing(scheme: str, error: ModuleNotFoundError) -> str:
    extra = {"myo": "ble", "lsl": "lsl"}.get(scheme, "serial")
    return f"`{scheme}:` needs the package `{error.name}`, which is not installed; run: {install_command(extra)}"
