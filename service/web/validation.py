"""What pydantic finds wrong with a request, in plain words: the one place where its messages are turned into ours.

pydantic tells the kind of an error and its limits apart from its wording; only those two are read here.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

from service.recording.paths import NAME

Limits = Mapping[str, Any]
"""pydantic's `ctx` of an error: the limits that were broken."""

_WHERE: Final = ("body", "query", "path", "header", "cookie")
"""Where FastAPI says that a value stood; the first part of an error's place."""
_PATTERNS: Final = {
    f"^{NAME.pattern}$": "a name of letters, digits, `.`, `_` and `-` that begins with a letter or a digit (at most 64)"
}
"""Patterns of texts in words."""
_KINDS: Final = (
    (r"int_.*", "a whole number"),
    (r"float_.*|decimal_.*|complex_.*|fraction_.*", "a number"),
    (r"bool_.*", "true or false"),
    (r"string_unicode|string_type", "a text"),
    (r"string_not_ascii", "a text of plain letters"),
    (r"bytes_.*", "bytes"),
    (r"(list|tuple|set|frozen_set|deque|iterable)_type|iteration_error|set_item_not_hashable", "a list"),
    (r"(dict|frozen_dict|ordered_dict|counter|mapping|model|dataclass|model_attributes|named_tuple)_type", "an object"),
    (r"dataclass_exact_type", "an object"),
    (r"none_required", "null"),
    (r"date_.*", "a date such as 2026-03-01"),
    (r"time_delta_.*", "a length of time"),
    (r"time_.*", "a time of day such as 12:30"),
    (r"datetime_.*|timezone_.*", "a date and time such as 2026-03-01T12:30:00Z"),
    (r"url_.*", "an address such as http://127.0.0.1:8765/"),
    (r"uuid_.*", "a UUID"),
    (r"json_.*", "JSON"),
)
"""Kinds of errors that say no more than what was expected."""
_LIMITS: Final[dict[str, Callable[[Limits], str]]] = {
    "greater_than": lambda limits: f"above {limits['gt']:g}",
    "greater_than_equal": lambda limits: f"at least {limits['ge']:g}",
    "less_than": lambda limits: f"below {limits['lt']:g}",
    "less_than_equal": lambda limits: f"at most {limits['le']:g}",
    "multiple_of": lambda limits: f"a multiple of {limits['multiple_of']:g}",
    "finite_number": lambda limits: "a finite number",
    "too_short": lambda limits: f"at least {limits['min_length']} values",
    "too_long": lambda limits: f"at most {limits['max_length']} values",
    "string_too_short": lambda limits: f"a text of at least {limits['min_length']} characters",
    "string_too_long": lambda limits: f"a text of at most {limits['max_length']} characters",
    "string_pattern_mismatch": lambda limits: _PATTERNS.get(
        limits["pattern"], f"a text of the form {limits['pattern']}"
    ),
    "literal_error": lambda limits: _choices(limits["expected"]),
    "enum": lambda limits: _choices(limits["expected"]),
}
"""Kinds of errors whose limits are told."""


def describe(error: ErrorDetails) -> str:
    """Say in one line what is wrong with a request: the field, what was expected, what was given."""
    kind, place, limits = error["type"], error["loc"], error.get("ctx", {})
    if kind == "json_invalid":
        return f"the body is not JSON ({limits['error']} at character {place[-1]})"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _describe_tag(error)
    if len(place) < 2:
        return "expected a JSON object as the body"
    name = f"`{_field(place)}`"
    if kind.startswith("missing"):
        return f"{name} is missing"
    if kind in ("value_error", "assertion_error"):
        # A check of ours; its message says what was expected.
        return f"{name}: {limits['error']}, got {_shown(error)}"
    if kind in ("extra_forbidden", "unexpected_keyword_argument", "no_such_attribute"):
        return f"{name} is not known here"
    return f"{name}: expected {expectation(kind, limits)}, got {_shown(error)}"


def expectation(kind: str, limits: Limits) -> str:
    """What pydantic expected, by the kind of the error and its limits."""
    if kind in _LIMITS:
        return _LIMITS[kind](limits)
    return next((words for pattern, words in _KINDS if re.fullmatch(pattern, kind)), "another value")


def _field(place: tuple[int | str, ...]) -> str:
    """The name of a field, such as `matrix[3]`, from the place of an error.

    A place begins with where the value stood; in a union the tag of its member follows, which is not part of the name.
    """
    parts = list(place[1:] if place[0] in _WHERE else place)
    names = [part for part in parts if isinstance(part, str)]
    at = "".join(f"[{part}]" for part in parts if isinstance(part, int))
    return (names[-1] if names else str(place[0])) + at


def _shown(error: ErrorDetails) -> str:
    """What was given; of a list or a text of the wrong length, its length."""
    given = error["input"]
    if error["type"] in ("too_short", "too_long") and hasattr(given, "__len__"):
        return str(len(given))
    return reprlib.repr(given)


def _describe_tag(error: ErrorDetails) -> str:
    """One line about a field that says which request a body is."""
    limits, given = error.get("ctx", {}), error["input"]
    name = limits["discriminator"].strip("'")
    if error["type"] == "union_tag_not_found":
        return f"`{name}` is missing"
    return f"`{name}`: expected {_choices(limits['expected_tags'])}, got {reprlib.repr(given[name])}"


def _choices(expected: str) -> str:
    """`'a', 'b' or 'c'` as `a or b or c`."""
    return " or ".join(expected.replace("'", "").replace(" or ", ", ").split(", "))
