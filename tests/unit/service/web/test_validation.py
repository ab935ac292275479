"""What a person reads where pydantic refuses a request: our words, whatever the field and the value."""

from __future__ import annotations

import re
from typing import Any, Final, get_args

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core.core_schema import ErrorType

from service.web import requests
from service.web.validation import describe, expectation

PYDANTIC: Final = re.compile(
    r"Input should|should (be|have|match)|[Vv]alid (integer|number|string|boolean|list|dictionary)|"
    r"greater than|less than|or equal to|after validation|Value error|unable to parse|Field required|dictionary|items"
)
"""Words of its own messages."""
LIMITS: Final = {
    "gt": 1, "ge": 1, "lt": 1, "le": 1, "multiple_of": 2, "min_length": 1, "max_length": 1, "pattern": "^a$",
    "expected": "'a' or 'b'", "error": "why",
}  # fmt: skip
WRONG: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    1.5,
    float("nan"),
    1e9,
    "",
    "x y",
    "1",
    [],
    ["x"],
    [1e9] * 64,
    {},
    {"a": 1},
)


def bodies() -> list[tuple[str, dict[str, Any]]]:
    """Every request with one of its fields wrong."""
    found = []
    for name in ("RecordingRequest", "ReplayRequest", "AlignmentRequest", "PersonalRequest", "Vibrate", "UseModel"):
        union = get_args(getattr(requests, name))
        members = get_args(union[0]) if union else (getattr(requests, name),)
        for member in members:
            action = get_args(member.model_fields["action"].annotation)[0]
            right = {"action": action, "value": 1, "name": "a", "matrix": [0.0] * 64}
            for field in member.model_fields:
                found += [(name, {**right, field: wrong}) for wrong in WRONG]
    return found


def test_no_request_is_refused_in_pydantics_words() -> None:
    said = set()
    for name, body in bodies():
        adapter: TypeAdapter[Any] = TypeAdapter(getattr(requests, name))
        try:
            adapter.validate_python(body)
        except ValidationError as error:
            first = error.errors()[0]
            said.add(describe({**first, "loc": ("body", *first["loc"])}))
    assert len(said) > 60
    assert [words for words in said if PYDANTIC.search(words)] == []
    assert all("\n" not in words and words.startswith("`") for words in said)


def test_every_kind_of_error_has_words() -> None:
    said = {kind: expectation(kind, LIMITS) for kind in get_args(ErrorType)}
    assert len(said) > 100
    assert [kind for kind, words in said.items() if not words or PYDANTIC.search(words)] == []


def test_a_value_inside_a_list_is_named_by_its_place() -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(requests.AlignmentRequest).validate_python({"action": "use", "matrix": [0.0] * 63 + ["x"]})
    first = refused.value.errors()[0]
    assert describe({**first, "loc": ("body", *first["loc"])}) == "`matrix[63]`: expected a number, got 'x'"
