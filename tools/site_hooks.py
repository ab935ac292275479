"""Hooks of the documentation site (`mkdocs.yml`): pages that live outside of docs/, notebooks, and links to both.

Pages stay readable where the repository is read as files, so their links are paths in the repository. In the site a
link to a page that is part of it leads there; a link to any other file of the repository becomes that file's path. A
link to a file that does not exist is a warning, and so an error of `mkdocs build --strict`.

Notebooks become pages here and not by nbconvert, which would bring fifteen more packages.
"""

from __future__ import annotations

import base64
import logging
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = "docs"

OUTSIDE: Final[Mapping[str, str]] = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "clients/README.md": "clients/index.md",
    "clients/js/README.md": "clients/javascript.md",
    "clients/python/README.md": "clients/python.md",
    "clients/unity/README.md": "clients/unity.md",
    "clients/godot/README.md": "clients/godot.md",
    "models/forward/README.md": "results/generator.md",
    "service/weights/README.md": "results/weights/index.md",
    "service/weights/raw200/report.md": "results/weights/raw200/report.md",
    "service/weights/envelope50/report.md": "results/weights/envelope50/report.md",
}
"""Pages outside of docs/ that are part of the site: path in the repository -> path in the site."""

IMAGES: Final = ("service/weights/*/*.png",)
"""Pictures of those pages, found beside them in the site as in the repository."""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^()\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#|/")

log = logging.getLogger("mkdocs.hooks.site")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of `OUTSIDE` with their pictures, and a page for each notebook."""
    for path, uri in OUTSIDE.items():
        if (ROOT / path).is_file():
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    for pattern in IMAGES:
        for picture in sorted(ROOT.glob(pattern)):
            uri = posixpath.join("results/weights", picture.parent.name, picture.name)
            files.append(File.generated(config, uri, abs_src_path=str(picture)))
    for notebook in sorted((ROOT / DOCS).rglob("*.ipynb")):
        for uri, content in notebook_files(notebook, notebook.relative_to(ROOT / DOCS)):
            files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    return site_links(markdown, page.file.src_uri)


def site_links(markdown: str, uri: str) -> str:
    """The text of a page at `uri` in the site, with its links between files as links between pages."""
    path = {site: repository for repository, site in OUTSIDE.items()}.get(uri, posixpath.join(DOCS, uri))
    return _LINK.sub(lambda match: _link(match, path, uri), markdown)


def notebook_files(notebook: Path, uri: Path) -> Iterator[tuple[str, str | bytes]]:
    """A notebook as a page, with the outputs that are stored in it, and its pictures: address in the site and content.

    Args:
        notebook: the file.
        uri: where it would stand in the site as it is.
    """
    parts = []
    for number, cell in enumerate(nbformat.read(notebook, as_version=4).cells):
        parts.append(cell.source if cell.cell_type == "markdown" else _fenced(cell.source, "python"))
        for index, output in enumerate(cell.get("outputs", ())):
            data = output.get("data", {})
            if "image/png" in data:
                picture = uri.with_name(f"{uri.stem}_{number}_{index}.png")
                yield picture.as_posix(), base64.b64decode(data["image/png"])
                parts.append(f"![Output]({picture.name})")
            else:
                parts.append(_fenced(output.get("text") or data.get("text/plain", ""), "text"))
    yield uri.with_suffix(".md").as_posix(), "\n\n".join(parts)


def _fenced(text: str, language: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def _link(match: re.Match[str], path: str, uri: str) -> str:
    picture, text, target = match.groups()
    if _ELSEWHERE.match(target):
        return match[0]
    target, hash_, anchor = target.partition("#")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if not (ROOT / wanted).exists():
        log.warning("%s links to %s, which is not in the repository", path, wanted)
    site = _in_site(wanted)
    if site is None:
        return f"{text} (`{wanted}`)"
    return f"{picture}[{text}]({posixpath.relpath(site, posixpath.dirname(uri) or '.')}{hash_}{anchor})"


def _in_site(path: str) -> str | None:
    """Where a file of the repository stands in the site, or None."""
    if path.startswith(f"{DOCS}/"):
        path = path.removeprefix(f"{DOCS}/")
        return f"{path.removesuffix('.ipynb')}.md" if path.endswith(".ipynb") else path
    if any(Path(path).match(pattern) for pattern in IMAGES):
        return posixpath.join("results/weights", *Path(path).parts[-2:])
    return OUTSIDE.get(path) or OUTSIDE.get(posixpath.join(path, "README.md"))
