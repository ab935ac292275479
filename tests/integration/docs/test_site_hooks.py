"""Links and notebooks on their way into the site."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import nbformat
import pytest

from tools.site_hooks import notebook_files, site_links

PICTURE = b"\x89PNG"


@pytest.mark.parametrize(
    ("uri", "link", "expected"),
    [
        ("guides/clients.md", "[js](../../clients/js/README.md)", "[js](../clients/javascript.md)"),
        ("guides/clients.md", "[all](../../clients)", "[all](../clients/index.md)"),
        ("guides/clients.md", "[c](../protocol.md#the-hand)", "[c](../protocol.md#the-hand)"),
        ("guides/clients.md", "[file](../../docker/compose.yaml)", "file (`docker/compose.yaml`)"),
        ("guides/clients.md", "[out](https://mcap.dev)", "[out](https://mcap.dev)"),
        ("guides/clients.md", "[here](#clocks)", "[here](#clocks)"),
        ("clients/python.md", "[docs](../README.md)", "[docs](index.md)"),
        ("contributing.md", "[words](docs/glossary.md)", "[words](glossary.md)"),
        ("results/models.md", "![a](../../service/weights/raw200/rotation.png)", "![a](weights/raw200/rotation.png)"),
    ],
)
def test_links_lead_to_the_same_page_in_the_site(uri: str, link: str, expected: str) -> None:
    assert site_links(f"See {link}.", uri) == f"See {expected}."


def test_a_link_to_nothing_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mkdocs"):
        site_links("[no](none.md)", "index.md")
    assert "none.md, which is not in the repository" in caplog.text


def test_a_notebook_becomes_a_page_with_its_outputs(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook()
    shown = nbformat.v4.new_output("display_data", data={"image/png": base64.b64encode(PICTURE).decode()})
    printed = nbformat.v4.new_output("stream", text="1\n")
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# Signals"),
        nbformat.v4.new_code_cell("print(1)", outputs=[printed, shown]),
    ]
    nbformat.write(notebook, tmp_path / "one.ipynb")
    text = "# Signals\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n![Output](one_1_1.png)"
    assert dict(notebook_files(tmp_path / "one.ipynb", Path("tutorials/one.ipynb"))) == {
        "tutorials/one_1_1.png": PICTURE,
        "tutorials/one.md": text,
    }
