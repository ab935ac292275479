"""Wrong use in plain words: the one place where click's messages are turned into ours."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = r"(-?\d+(?:\.\d+)?)"
RANGES: Final = (
    (re.compile(_NUMBER + "<=x<=" + _NUMBER), r"\1 to \2"),
    (re.compile("x>=" + _NUMBER), r"at least \1"),
    (re.compile("x<=" + _NUMBER), r"at most \1"),
)
"""How click writes the range of a number, and how we do."""
_KINDS: Final = {"integer": "a whole number", "float": "a number", "boolean": "true or false"}
_INVALID: Final = re.compile(r"Invalid value for '?(?P<name>[^':]+)'?(?: / [^:]+)?: (?P<why>.*)", re.DOTALL)
_OUTSIDE: Final = re.compile(r"(?P<given>\S+) is not in the range (?P<range>\S+)")
_KIND: Final = re.compile(r"(?P<given>'.*') is not a valid (?P<kind>\w+)(?: range)?", re.DOTALL)
_CHOICE: Final = re.compile(r"(?P<given>'.*') is not one of (?P<choices>'.*')", re.DOTALL)


def plain(message: str) -> str:
    """Say what click found wrong with an option or argument: which, what was expected, what was given."""
    found = _INVALID.fullmatch(message.strip().rstrip("."))
    return message if found is None else f"{found['name']}: {_why(found['why'])}"


def _why(text: str) -> str:
    if outside := _OUTSIDE.fullmatch(text):
        return f"expected {in_words(outside['range'])}, got {outside['given']}"
    if kind := _KIND.fullmatch(text):
        return f"expected {_KINDS.get(kind['kind'], kind['kind'])}, got {kind['given']}"
    if choice := _CHOICE.fullmatch(text):
        return f"expected {' or '.join(choice['choices'].replace(chr(39), '').split(', '))}, got {choice['given']}"
    return text


def in_words(text: str) -> str:
    """A range such as `1<=x<=9` as `1 to 9`; what is none stays as it is."""
    for pattern, words in RANGES:
        text = pattern.sub(words, text)
    return text
