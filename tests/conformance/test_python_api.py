"""The Python API is stable: its names, signatures and the members of its classes are those of the golden file.

After a change that is meant: `python -m tests.conformance.test_python_api > tests/golden/python_api.txt`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import myocast

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "python_api.txt"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
OURS = ("Model", "PoseStream", "Server")
"""Classes whose members are the API's own."""


def surface() -> Iterator[str]:
    """One line for each public name, and for each public member of a class."""
    for name in sorted(myocast.__all__):
        value = getattr(myocast, name)
        if inspect.isfunction(value):
            yield f"{name}{signature(value)}"
        elif name in OURS:
            yield f"class {name}"
            yield from members(value)
        elif inspect.isclass(value):
            yield f"class {name}"
        else:
            yield f"{name}: {type(value).__mro__[-2].__name__}"


def members(cls: type) -> Iterator[str]:
    for name, value in sorted(vars(cls).items()):
        if isinstance(value, property) and not name.startswith("_"):
            yield f"  {name} -> {inspect.signature(value.fget or members).return_annotation}"
        elif inspect.isfunction(value) and not name.startswith("_"):
            yield f"  {name}{signature(value)}"


def signature(function: Callable[..., object]) -> str:
    """Without the quotes around annotations, and without the addresses of default functions."""
    text = re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", str(inspect.signature(function)))
    return re.sub(r"""(: |-> )(['"])(.*?)\2(?=,| =|\)|$)""", r"\1\3", text)


def test_names_and_signatures_are_those_of_the_golden_file() -> None:
    assert list(surface()) == GOLDEN.read_text("utf-8").splitlines()


def test_every_name_is_documented() -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in myocast.__all__ if not re.search(rf"`(myocast\.)?{name}\b", page)] == []
    assert [name for name in myocast.__all__ if not inspect.getdoc(getattr(myocast, name))] == []


def test_the_package_is_typed() -> None:
    assert (Path(myocast.__file__).parent / "py.typed").is_file()


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in surface()))
