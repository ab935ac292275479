"""The application: the root command and its verbs.

It overrides methods of typer that write the help, and reads what typer says of parameters, neither of which typer
documents. pyproject.toml therefore bounds typer's version; before raising the bound, run
tests/unit/service/cli/test_typer.py, which checks everything used here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, Final, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from models.version import package_version
from service.cli.usage import RANGES
from service.cli.verbs import VERBS, Group

_TYPE: Final = re.compile(r" <(\w+)[^>]*>")
_PLACEHOLDERS: Final = {"int": "N", "float": "X", "str": "TEXT", "path": "FILE", "list": "TEXT"}
_WORDS: Final = (
    *RANGES,
    (re.compile(r"(; )?required"), ""),
    (re.compile(r"  \[\]$"), ""),
)


class VerbGroup(TyperGroup):
    """The root command: its verbs are listed in groups, each on one line."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, VERBS))
        for group in get_args(Group):
            rows = [(name.ljust(width), verb.summary) for name, verb in VERBS.items() if verb.group == group]
            with formatter.section(group):
                formatter.write_dl(rows)


class VerbCommand(TyperCommand):
    """A verb: arguments and options without the names of Python types, then examples, a command a line."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [p.metavar for p in self.get_params(ctx) if p.param_type_name == "argument"]
        return [self.options_metavar or "", *filter(None, arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            parameters = [p for p in self.get_params(ctx) if p.param_type_name == kind]
            rows = [_plain(record, kind) for p in parameters if (record := p.get_help_record(ctx))]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Examples"):
            for example in VERBS[ctx.info_name].examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def _plain(record: tuple[str, str], kind: str) -> tuple[str, str]:
    """Say a parameter's type and range in words: a placeholder, and `1 to 9` or `at least 1`."""
    name, text = record
    name = _TYPE.sub("" if kind == "argument" else lambda found: " " + _PLACEHOLDERS[found[1].lower()], name)
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return name, text


def build(arguments: Sequence[str]) -> typer.Typer:
    """Make the application with the verb that is asked for, or with all of them where none is.

    A verb's module is imported only when it is needed, so that `serve` starts fast and without TensorFlow.
    """
    app = typer.Typer(
        cls=VerbGroup,
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        # Plain text reads well in a terminal of any width, in a pipe and in any encoding, and shows `[lsl]` as it is.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(epilog="`myocast VERB --help` explains a verb and shows examples.")(_root)
    for verb in [word for word in arguments[:1] if word in VERBS] or VERBS:
        app.command(verb, cls=VerbCommand)(import_module(f"service.cli.{verb}").command)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"myocast {package_version()}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """A moving 3-D hand from the EMG of a forearm armband, in real time."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)
