"""The parts of typer that `service/cli/app.py` and `service/cli` override or read, most of them undocumented."""

from __future__ import annotations

import contextlib
import inspect
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from service.cli.app import VerbCommand

ADVICE = f"typer {version('typer')}; adapt service/cli/app.py, or lower the bound of typer in pyproject.toml"

METHODS: list[tuple[type, str, list[str]]] = [
    (TyperGroup, "format_commands", ["self", "ctx", "formatter"]),
    (TyperCommand, "collect_usage_pieces", ["self", "ctx"]),
    (TyperCommand, "format_options", ["self", "ctx", "formatter"]),
    (TyperCommand, "format_epilog", ["self", "ctx", "formatter"]),
    (TyperCommand, "get_params", ["self", "ctx"]),
]
"""Class, method and its parameters."""

KINDS = ["argument"] * 2 + ["option"] * 10
"""Of the parameters of `probe`, and of the three that typer adds for completion and help."""
RECORDS = [
    ("--between <int range>", "Both.  [default: 3; 1<=x<=9]"),
    ("--lowest <float range>", "Low.  [default: 1.0; x>=0.5]"),
    ("--highest <int range>", "High.  [x<=7]"),
    ("--needed <str>", "Needed.  [required]"),
    ("--file <path>", "A file."),
    ("--flag", "A flag."),
]
"""What typer says of the options of `probe`: `service.cli.app` turns the types and ranges in it into words."""


def changed(what: str) -> str:
    return f"{what} ({ADVICE})"


def probe(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCES...", help="Where from.")],
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Where to.")],
    needed: Annotated[str, typer.Option(help="Needed.")],
    between: Annotated[int, typer.Option(min=1, max=9, help="Both.")] = 3,
    lowest: Annotated[float, typer.Option(min=0.5, help="Low.")] = 1.0,
    highest: Annotated[int | None, typer.Option(max=7, help="High.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file.")] = None,
    many: Annotated[list[str] | None, typer.Option(help="Many.")] = None,
    flag: Annotated[bool, typer.Option("--flag", help="A flag.")] = False,
) -> None: ...


@pytest.fixture
def context() -> Any:
    """The context of a command that was typed, whose parameters are those of `probe`."""
    app = typer.Typer(rich_markup_mode=None)
    app.command("probe", cls=VerbCommand)(probe)
    return typer.main.get_command(app).make_context("probe", ["in", "out", "--needed", "x"])


@pytest.mark.parametrize(("owner", "name", "parameters"), METHODS, ids=[method[1] for method in METHODS])
def test_a_method_has_the_signature_that_is_overridden_or_called(owner: type, name: str, parameters: list[str]) -> None:
    method = getattr(owner, name, None)
    assert method is not None, changed(f"{owner.__name__}.{name} is gone")
    found = list(inspect.signature(method).parameters)
    assert found == parameters, changed(f"{owner.__name__}.{name} takes {found}, expected {parameters}")


def test_parameters_say_what_the_help_reads_of_them(context: Any) -> None:
    parameters = context.command.get_params(context)
    kinds = sorted(getattr(parameter, "param_type_name", "none") for parameter in parameters)
    assert kinds == KINDS, changed(f"param_type_name of parameters is {kinds}, expected {KINDS}")
    found = [parameter.get_help_record(context) for parameter in parameters]
    for record in RECORDS:
        assert record in found, changed(f"get_help_record gives none that is {record}, but {found}")
    metavars = [parameter.metavar for parameter in parameters if parameter.param_type_name == "argument"]
    assert metavars == ["SOURCES...", "FILE"], changed(f"metavars of arguments are {metavars}")
    assert context.command.options_metavar == "[OPTIONS]", changed("options_metavar of a command is another")


def test_a_formatter_writes_sections_lists_and_lines(context: Any) -> None:
    formatter = context.make_formatter()
    for name in ("section", "write_dl", "write", "current_indent"):
        assert hasattr(formatter, name), changed(f"{type(formatter).__name__}.{name} is gone")
    section = formatter.section("Title")
    assert isinstance(section, contextlib.AbstractContextManager), changed("`section` is no context manager")
    with section:
        formatter.write_dl([("name", "text")])
        formatter.write(f"{'':>{formatter.current_indent}}line\n")
    written = formatter.getvalue()
    assert written == "Title:\n  name  text\n  line\n", changed(f"a section is written as {written!r}")


def test_help_is_plain_text_with_words_for_types_and_ranges(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VerbCommand, "format_epilog", lambda *_: None)
    words = " ".join(context.get_help().split())
    for text in (
        "probe [OPTIONS] SOURCES... FILE",
        "Arguments: SOURCES... Where from. FILE Where to. Options:",
        "--between N Both. [default: 3; 1 to 9]",
        "--lowest X Low. [default: 1.0; at least 0.5]",
        "--highest N High. [at most 7]",
        "--needed TEXT Needed.",
        "--file FILE A file. --many TEXT Many. --flag A flag.",
    ):
        assert text in words, changed(f"the help lacks {text!r}: {words}")


def test_mistakes_are_exceptions_that_say_where_they_were_made() -> None:
    """`service.cli.main` takes the classes from here, for typer has a click of its own, or imports it."""
    names = [base.__name__ for base in typer.BadParameter.__mro__[:3]]
    expected = ["BadParameter", "UsageError", "ClickException"]
    assert names == expected, changed(f"typer.BadParameter descends from {names}, expected {expected}")
    mistake = typer.BadParameter("it is wrong", param_hint="--file")
    assert hasattr(mistake, "ctx"), changed("a BadParameter has no `ctx`")
    said = mistake.format_message()
    assert said == "Invalid value for --file: it is wrong", changed(f"a BadParameter says {said!r}")
