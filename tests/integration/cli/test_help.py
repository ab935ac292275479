"""`--help` of every verb: readable at 80 columns, in a pipe and in any encoding; and what stands beside it."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from models.version import package_version
from service.cli import main
from service.cli.app import build
from service.cli.verbs import VERBS
from tests.support.console import Console

REPOSITORY: Final = Path(__file__).resolve().parents[3]
WIDTH: Final = 80
ENCODINGS: Final = ("latin-1", "ascii", "cp932")


def run(*arguments: str, encoding: str = "utf-8", **variables: str) -> subprocess.CompletedProcess[str]:
    """`myocast ARGUMENTS` in a pipe of this encoding, 80 columns wide."""
    environment = {**os.environ, "COLUMNS": str(WIDTH), "PYTHONIOENCODING": encoding, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-P", "-c", "from service.cli import main; main()", *arguments]
    return subprocess.run(
        command, env=environment | variables, capture_output=True, encoding=encoding, check=False, timeout=60
    )


def help_of(monkeypatch: pytest.MonkeyPatch, verb: str, option: str, encoding: str = "utf-8") -> str:
    """`myocast VERB --help` in this process, whose stdout is as a pipe of this encoding."""
    said, complained = (io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for _ in range(2))
    monkeypatch.setattr(sys, "argv", ["myocast", verb, option])
    monkeypatch.setattr(sys, "stdout", said)
    monkeypatch.setattr(sys, "stderr", complained)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    with pytest.raises(SystemExit) as ended:
        main()
    text, errors = (stream.buffer.getvalue().decode(encoding) for stream in (said, complained))
    assert (ended.value.code, errors) == (0, "")
    return text


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_80_columns_and_names_no_type_of_python(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    said = help_of(monkeypatch, verb, "--help")
    text, _, examples = said.partition("\nExamples:\n")
    assert max(map(len, text.splitlines())) <= WIDTH
    assert not re.search(r"<\w", text)
    assert "\x1b" not in said
    assert len(examples.strip().splitlines()) == 2


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_help_can_be_written_in_any_encoding(monkeypatch: pytest.MonkeyPatch, verb: str, encoding: str) -> None:
    assert "Options:" in help_of(monkeypatch, verb, "-h", encoding)


@pytest.mark.case("B36")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_process_of_its_own_writes_it_in_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    done = run("serve", "-h", encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == help_of(monkeypatch, "serve", "-h", encoding)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_and_argument_is_explained(verb: str) -> None:
    import typer

    command = typer.main.get_command(build([verb])).commands[verb]  # type: ignore[attr-defined]
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{verb}: {parameter.opts} has no text"


@pytest.mark.parametrize(
    ("verb", "example"), [(verb, line) for verb, about in VERBS.items() for line in about.examples]
)
def test_examples_are_taken_by_the_parser(verb: str, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    program, *arguments = shlex.split(example)
    command = typer.main.get_command(build([verb])).commands[verb]  # type: ignore[attr-defined]
    assert (program, arguments[0]) == ("myocast", verb)
    command.make_context(verb, arguments[1:])


def test_the_help_of_all_lists_verbs_in_groups() -> None:
    lines = run("-h").stdout.splitlines()
    assert [line for line in lines if line in ("Use:", "Record:", "Train:", "Measure:")] == [
        "Use:", "Record:", "Train:", "Measure:",
    ]  # fmt: skip
    assert max(map(len, lines)) <= WIDTH
    assert [line.split()[0] for line in lines if re.match(r"  [a-z]+ +[A-Z]", line)] == list(VERBS)


def test_the_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"myocast {package_version()}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_lists_the_verbs(shell: str) -> None:
    words = {"COMP_WORDS": "myocast s", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "myocast s"}
    done = run(**{"_MYOCAST_COMPLETE": f"complete_{shell}", **words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"})
    assert {"serve", "scan", "synthesize"} <= set(re.findall(r"[a-z]+", done.stdout)), done.stderr
    assert "record" not in done.stdout.split()


def test_sessions_and_sources_are_taken_for_what_they_are(console: Console, tmp_path: Path) -> None:
    done = console.run("convert", "demo:", "demo.csv")
    assert (done.returncode, (tmp_path / "demo.csv").is_file()) == (0, True), done.stderr
    assert console.run("info", "replay:demo.csv").returncode == 0
    recorded = console.run("record", "demo.csv", "again.mcap", "--seconds", "0.2")
    assert (recorded.returncode, (tmp_path / "again.mcap").is_file()) == (0, True), recorded.stderr
    missing = console.run("record", "none.csv", "x.mcap")
    assert missing.returncode == 2
    assert "none.csv: no such file" in missing.stderr
