"""The site that `make docs` builds: complete, and without anything from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import REPOSITORY

LOADED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video)[^>]*\ssrc=["'](?:https?:)?//[^"']+"""
    r"""|<link[^>]*rel=["'](?:stylesheet|preconnect|icon)["'][^>]*href=["'](?:https?:)?//[^"']+"""
    r"""|url\(["']?(?:https?:)?//[^)]+|@import\s+["'](?:https?:)?//[^"']+"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=REPOSITORY, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_in_it(site: Path) -> None:
    for name in ("index", "protocol", "architecture", "glossary", "contributing", "clients/python", "results/index"):
        assert (site / f"{name}.html").is_file(), name
    assert 'id="frame-hand"' in (site / "protocol.html").read_text()
    assert (site / "search" / "search_index.json").stat().st_size > 10_000


def test_nothing_is_loaded_from_other_sites(site: Path) -> None:
    for path in site.rglob("*"):
        if path.suffix in (".html", ".css"):
            assert LOADED.findall(path.read_text()) == [], path


def test_a_link_into_the_repository_leads_to_the_page_in_the_site(site: Path) -> None:
    clients = (site / "guides" / "clients.html").read_text()
    assert 'href="../clients/javascript.html"' in clients
    assert "docker/compose.yaml" in (site / "guides" / "deployment.html").read_text()


@pytest.mark.parametrize(
    "loaded", ["<script src='https://x.y/z.js'>", "<link rel='stylesheet' href='//x.y'>", "url(//x.y)"]
)
def test_the_search_for_such_things_finds_them(loaded: str) -> None:
    assert LOADED.search(loaded)
