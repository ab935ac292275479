"""What the documentation says can be found, typed and trusted."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from service.cli.verbs import VERBS
from tests.support.command_line import parse
from tests.support.pages import REPOSITORY, command_lines, pages
from tools import check_docs, result_tables

README = REPOSITORY / "README.md"
TROUBLESHOOTING = REPOSITORY / "docs" / "guides" / "troubleshooting.md"
PROTOCOL = REPOSITORY / "docs" / "protocol.md"
WRITTEN = REPOSITORY / "docs" / "results" / "data"
"""Files that commands wrote."""
CODE = ("drivers", "models", "exporters", "service", "myocast", "clients/python", "hatch_build.py", "Makefile")
SYSTEM = re.compile(r"command not found|No module named|ensurepip|requires a different|zsh:")
"""Messages of other programs that the page explains."""


def test_links_references_and_paths_lead_somewhere() -> None:
    assert check_docs.broken_links() == []
    assert check_docs.broken_references() == []
    assert check_docs.missing_paths() == []


def test_a_broken_link_a_broken_reference_and_a_missing_path_are_found(tmp_path: Path) -> None:
    for folder in check_docs.FOLDERS:
        (tmp_path / folder).mkdir()
    (tmp_path / "docs" / "page.md").write_text(
        "# One `two`\n\n[a](page.md#one-two) [b](page.md#three) [c](none.md) [d](#four)\n\n# Four\n\n## Four\n"
    )
    (tmp_path / "README.md").write_text("See `drivers/none.py` and `drivers/`.\n\n```text\n[not](a-link)\n```\n")
    references = ("page.md#one-two", "page.md#five", "none.md")
    (tmp_path / "drivers" / "code.py").write_text("".join(f"# See docs/{name}\n" for name in references))
    assert check_docs.broken_links(tmp_path) == [
        f"docs/{'page.md'}: page.md#three: no such heading",
        f"docs/{'page.md'}: none.md: no such file",
        f"docs/{'page.md'}: #four: more than one heading of this name",
    ]
    assert check_docs.broken_references(tmp_path) == [
        f"drivers/code.py: docs/{'page.md'}#five: no such heading",
        f"drivers/code.py: docs/{'none.md'}#: no such file",
    ]
    assert check_docs.missing_paths(tmp_path) == ["README.md: `drivers/none.py`: no such file"]


@pytest.mark.parametrize(
    "page",
    [page for page in pages() if WRITTEN not in page.parents],
    ids=lambda page: str(page.relative_to(REPOSITORY)),
)
def test_every_command_line_is_one_that_the_parser_takes(page: Path) -> None:
    for words in command_lines(page):
        if any("[" in word for word in words):
            continue  # a synopsis
        if len(words) == 1:
            assert words[0] in VERBS  # a verb that is named, without its arguments
            continue
        try:
            parse(words)
        except Exception as error:
            raise AssertionError(f"myocast {' '.join(words)}: {error}") from error


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_module_and_script_that_a_page_runs_exists(page: Path) -> None:
    text = page.read_text()
    for module in re.findall(r"python3? -m ((?:drivers|models|exporters|service|tests|tools)\.[\w.]+)", text):
        assert find_spec(module) is not None, module
    for script in re.findall(r"python3? ((?:docs|tests|tools)/[\w/]+\.py)", text):
        assert (REPOSITORY / script).is_file(), script


@pytest.mark.parametrize("words", [["serve", "--nonsense"], ["nonsense"], ["record", "myo:"]])
def test_the_parser_refuses_what_is_wrong(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|missing"):
        parse(words)


def test_the_contract_has_a_line_for_every_verb() -> None:
    synopsis = PROTOCOL.read_text().partition("## The command line")[2].partition("```text")[2].partition("```")[0]
    assert set(re.findall(r"^myocast (\w+)", synopsis, re.MULTILINE)) == set(VERBS)


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= 120
    for words in ("make demo", "make demo PORT=9000", "make test"):
        assert words in text


def test_figures_are_those_that_commands_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    assert result_tables.main(["--check"]) == 0, capsys.readouterr().err


def test_tables_for_people_have_at_most_eight_columns() -> None:
    for page in (REPOSITORY / "docs").rglob("*.md"):
        if WRITTEN not in page.parents:
            wide = [table.header for table in result_tables.tables(page) if len(table.header) > 8]
            assert wide == [], page


def test_messages_in_troubleshooting_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for path in sources())
    said = re.sub(r'"\s*\n\s*f?"', "", code)
    for message in messages(TROUBLESHOOTING.read_text()):
        for part in filter(None, (part.strip(" '") for part in message.split("…"))):
            assert part in said, message


def sources() -> list[Path]:
    return [path for name in CODE for path in ([REPOSITORY / name] if (REPOSITORY / name).is_file() else folder(name))]


def folder(name: str) -> list[Path]:
    return sorted((REPOSITORY / name).rglob("*.py"))


def messages(text: str) -> list[str]:
    """What stands in backticks in the first column of the tables, but for messages of other programs and states."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    found = [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    return [message for message in found if " " in message and not SYSTEM.search(message)]
