"""The repository's Markdown pages, and the fenced blocks and command lines in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.check_docs import files

REPOSITORY: Final = Path(__file__).resolve().parents[2]

_BLOCK: Final = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`((?:\.venv/bin/)?myocast [a-z][^`]*)`")
_LINE: Final = re.compile(r"^(?:\.venv/bin/)?myocast\s+(.*)$")
_CONTINUED: Final = re.compile(r"\\\n\s*")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str


def pages() -> list[Path]:
    """Every Markdown page of the repository."""
    return list(files(REPOSITORY, (".md",)))


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page, in order; of some languages, or all."""
    found = [Block(*match) for match in _BLOCK.findall(page.read_text(encoding="utf-8"))]
    return [block for block in found if not languages or block.language in languages]


def command_lines(page: Path) -> Iterator[list[str]]:
    """The arguments of every `myocast …` in a page, in fenced blocks and in backticks; comments are left out."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page) for line in _CONTINUED.sub("", block.text).splitlines()]
    lines += _INLINE.findall(_BLOCK.sub("", text))
    for line in lines:
        found = _LINE.match(line.strip())
        if found:
            yield shlex.split(found[1].replace("…", "etc"), comments=True)
