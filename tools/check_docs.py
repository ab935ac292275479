"""Check what the documentation points at, and what points at the documentation.

Run: .venv/bin/python tools/check_docs.py

Three things are checked: links between the repository's Markdown files (file and anchor), references to a page in docs/
and its heading in code, and paths of the repository that pages name in backticks. Exit code 1 if one leads nowhere.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FOLDERS: Final = ("clients", "docker", "docs", "drivers", "exporters", "models", "myocast", "service", "tests", "tools")
GENERATED: Final = frozenset(("node_modules", "dist", "__pycache__", "Library"))
"""Folders that other programs write; what is in them is not checked."""
CODE: Final = frozenset((".py", ".ts", ".js", ".mjs", ".cs", ".gd", ".html", ".toml", ".yml", ".yaml", ".json", ".css"))

_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
_REFERENCE = re.compile(r"\b(docs/[\w./-]+\.md)(?:#([\w-]+))?")
_PATH = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`")


def files(root: Path, suffixes: Iterable[str]) -> Iterator[Path]:
    """The repository's own files with these suffixes."""
    wanted = frozenset(suffixes)
    yield from (path for path in sorted(root.iterdir()) if path.is_file() and path.suffix in wanted)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in wanted and not GENERATED.intersection(path.relative_to(root).parts) and path.is_file():
                yield path


@cache
def anchors(page: Path) -> Counter[str]:
    """The anchors of a page's headings, as the site and code hosts make them, and how often each occurs."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return Counter(slug(heading) for heading in _HEADING.findall(text))


def slug(heading: str) -> str:
    """A heading as an anchor: lower case, letters, digits, `_` and `-`, with spaces as `-`."""
    words = _LINK.sub(lambda match: match[0].partition("](")[0].lstrip("!["), heading)
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", words).strip().lower())


def broken_links(root: Path = ROOT) -> list[str]:
    """Links in Markdown files to files or headings that do not exist: one line each."""
    found = []
    for page in files(root, (".md",)):
        for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
            if _ELSEWHERE.match(target):
                continue
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            why = _missing(there, anchor)
            if why:
                found.append(f"{page.relative_to(root)}: {target}: {why}")
    return found


def broken_references(root: Path = ROOT) -> list[str]:
    """References to pages in code that lead nowhere: one line each."""
    found = []
    for source in files(root, CODE):
        for path, anchor in _REFERENCE.findall(source.read_text(encoding="utf-8")):
            why = _missing(root / path, anchor)
            if why:
                found.append(f"{source.relative_to(root)}: {path}#{anchor}: {why}")
    return found


def missing_paths(root: Path = ROOT) -> list[str]:
    """Paths of the repository named in backticks in Markdown files that do not exist: one line each."""
    return [
        f"{page.relative_to(root)}: `{path}`: no such file"
        for page in files(root, (".md",))
        for path in _PATH.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
        if not (root / path).exists()
    ]


def _missing(path: Path, anchor: str) -> str | None:
    if not path.exists():
        return "no such file"
    if anchor and path.suffix == ".md" and anchor not in anchors(path):
        return "no such heading"
    if anchor and path.suffix == ".md" and anchors(path)[anchor] > 1:
        return "more than one heading of this name"
    return None


def main() -> int:
    """Print every broken link, reference and path."""
    problems = [*broken_links(), *broken_references(), *missing_paths()]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
