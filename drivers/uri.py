"""Source URIs: `scheme:target?option=value`, and the driver behind each scheme."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, TypeVar, cast, get_args
from urllib.parse import parse_qsl, unquote

from drivers.errors import DriverError
from drivers.signal_options import SIGNAL_OPTIONS, signal_options
from drivers.source import Source
from models.hand import CHANNELS, Side
from models.installation import install_command

S = TypeVar("S", bound=str)

SIDES: Final[tuple[Side, ...]] = get_args(Side)
SCHEMES: Final = {
    "demo": "drivers.replay.source",
    "replay": "drivers.replay.source",
    "synthetic": "drivers.synthetic.source",
    "myo": "drivers.myo.source",
    "dongle": "drivers.myo.source",
    "gforce": "drivers.gforce.source",
    "cyton": "drivers.cyton.source",
    "chords": "drivers.chords.source",
    "serial": "drivers.text.source",
    "tcp": "drivers.text.source",
    "udp": "drivers.text.source",
    "lsl": "drivers.lsl.source",
    "nats": "drivers.nats.source",
    "brainflow": "drivers.brainflow.source",
    "mindrove": "drivers.brainflow.source",
}
"""Module of each scheme, imported when it is first used; it has `from_uri(SourceUri) -> Source`."""

EXTRAS: Final = {
    "myo": "ble",
    "gforce": "ble",
    "lsl": "lsl",
    "nats": "nats",
    "brainflow": "brainflow",
    "mindrove": "mindrove",
}
"""The extra that brings the package of a scheme's driver, where it is not `serial`."""


@dataclass(frozen=True)
class SourceUri:
    """A parsed source URI; drivers read its options through the methods below."""

    text: str
    scheme: str
    target: str = ""
    options: dict[str, str] = field(default_factory=dict)

    def allow(self, names: Iterable[str], *, signal: bool = True) -> None:
        """Raise DriverError if an option is given that is not one of `names`.

        Args:
            names: options of the driver; `channels` among them where it has more than eight.
            signal: whether it is a source, which also takes what every source takes (`drivers.signal_options`).
        """
        own = set(names)
        known = sorted(own.union(SIGNAL_OPTIONS if signal else ()))
        if signal:
            signal_options(self.options, self.text)
            if "channels" not in own and "channels" in self.options:
                all_eight(self)
                known.append("channels")
        for name in self.options:
            if name not in known:
                offer = f"known are: {', '.join(known)}" if known else "it takes none"
                raise DriverError(f"unknown option `{name}` in {self.text!r}; {offer}")

    def number(self, name: str, default: float, low: float = float("-inf"), high: float = float("inf")) -> float:
        """Read a number within [low, high]. Raises DriverError."""
        text = self.options.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            span = f"of at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
            raise self.problem(name, f"expected a number {span}")
        return value

    def choice(self, name: str, default: S, choices: Sequence[S]) -> S:
        """Read one of `choices`; `default` where the option is not given. Raises DriverError."""
        given = self.given_choice(name, choices)
        return default if given is None else given

    def given_choice(self, name: str, choices: Sequence[S]) -> S | None:
        """Read one of `choices`; None where the option is not given. Raises DriverError."""
        text = self.options.get(name)
        for choice in choices:
            if choice == text:
                return choice
        if text is None:
            return None
        raise self.problem(name, f"expected one of {', '.join(choices)}")

    def required_target(self, kind: str, expected: str) -> str:
        """Return the target; raise DriverError, with the kind of target and what is expected, if there is none."""
        if not self.target:
            raise DriverError(f"{self.text!r} names no {kind}; expected {expected}")
        return self.target

    def no_target(self, expected: str, *, kind: str = "target") -> None:
        """Raise DriverError if there is a target; `kind` says what it would be."""
        if self.target:
            raise DriverError(
                f"`{self.scheme}:` takes no {kind}, found {self.target!r} in {self.text!r}; expected {expected}"
            )

    def problem(self, name: str, text: str) -> DriverError:
        """Make the error to raise for the value of an option."""
        return DriverError(f"`{name}={self.options.get(name, '')}` in {self.text!r}: {text}")

    def flag(self, name: str, default: bool) -> bool:
        """Read 1 or 0 (also true/false, yes/no, on/off). Raises DriverError."""
        text = self.options.get(name, "1" if default else "0").lower()
        if text in ("1", "true", "yes", "on"):
            return True
        if text in ("0", "false", "no", "off"):
            return False
        raise self.problem(name, "expected 1 or 0")


def hand_option(uri: SourceUri) -> Side | None:
    """Read `?hand=left` or `right`; None where it is not given."""
    return uri.given_choice("hand", SIDES)


def channels_option(uri: SourceUri) -> list[int]:
    """Read `?channels=1-8`: which eight of a source's channels are used, as indices from 0; by default the first.

    Raises:
        DriverError: not eight different channels.
    """
    found = eight_channels(uri.options.get("channels", f"1-{CHANNELS}"))
    if not found:
        raise uri.problem("channels", f"expected {CHANNELS} different ones, such as 1-8 or 1,3,5-10")
    return found


def all_eight(uri: SourceUri) -> None:
    """Check `?channels=` of a source that has eight: it can only name them in their order. Raises DriverError."""
    if channels_option(uri) != list(range(CHANNELS)):
        raise uri.problem("channels", "this source has eight channels; leave it out")


def eight_channels(text: str) -> list[int]:
    """Indices from 0 of the eight channels that a text such as `1,3,5-10` names; [] if it does not name eight."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if len(part) > 20 or not first.strip().isdecimal() or not (last or first).strip().isdecimal():
            return []
        found += range(int(first) - 1, min(int(last or first), int(first) + CHANNELS))
    return found if len(found) == CHANNELS == len(set(found)) and min(found) >= 0 else []


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
    return SourceUri(shown(text), scheme, unquote(target), options_of(query, text))


def shown(text: str) -> str:
    """A text of the command line as it can be shown and sent: bytes that are no UTF-8 become replacement characters."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def options_of(query: str, text: str) -> dict[str, str]:
    """Split the options behind the question mark in `text`. Raises DriverError if one is given twice."""
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in options:
            raise DriverError(f"option `{name}` is given twice in {text!r}")
        options[name] = value
    return options


def source_from_uri(text: str) -> Source:
    """Make the source that a URI names. Nothing is connected yet; files are read.

    Raises:
        DriverError: the URI is wrong, or the package its driver needs is not installed.
    """
    uri = parse(text)
    try:
        return cast(Source, import_module(SCHEMES[uri.scheme]).from_uri(uri))
    except ModuleNotFoundError as error:
        raise DriverError(_missing(uri.scheme, error)) from None


def _missing(scheme: str, error: ModuleNotFoundError) -> str:
    extra = {"myo": "ble", "gforce": "ble", "lsl": "lsl", "brainflow": "brainflow", "mindrove": "mindrove"}.get(
        scheme, "serial"
    )
    return f"`{scheme}:` needs the package `{error.name}`, which is not installed; run: {install_command(extra)}"
