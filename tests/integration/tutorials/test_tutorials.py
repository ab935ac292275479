"""The tutorials: what is stored in them, and that they run."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest

from tests.support.training import needs_training

REPOSITORY: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = REPOSITORY / "docs" / "tutorials"
NAMES: Final = ("attention", "one_finger", "pipeline", "serve", "session", "spectrograms")
LIGHT: Final = ("session",)
"""Tutorials that need no training library."""
MOST_BYTES: Final = 300_000
MACHINE: Final = re.compile(r"/(?:home|root|tmp|work|usr|Users|var)/|[A-Z]:\\|site-packages|Traceback")
"""What names the machine that a notebook was run on."""
TIMEOUT_S: Final = 580.0


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: Any) -> list[str]:
    """What a cell printed or showed as text."""
    return [output.get("text") or output["data"].get("text/plain", "") for output in cell.outputs]


def check_outputs(notebook: Any) -> None:
    """Every cell ran, in order and without an error, and what it gave is stored."""
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert kinds == {"stream", "display_data"}
    assert all(cell.outputs for cell in cells if "print(" in cell.source and "def " not in cell.source)
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)


def test_every_notebook_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_stored(name: str) -> None:
    check_outputs(read(FOLDER / f"{name}.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_says_nothing_of_the_machine_and_is_small(name: str) -> None:
    path = FOLDER / f"{name}.ipynb"
    notebook = read(path)
    assert path.stat().st_size <= MOST_BYTES
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert all(not cell.metadata for cell in notebook.cells)
    said = "\n".join(text for cell in code_cells(notebook) for text in (cell.source, *texts(cell)))
    assert MACHINE.findall(said) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_names_its_data_its_split_and_its_baseline(name: str) -> None:
    head = read(FOLDER / f"{name}.ipynb").cells[0].source
    assert head.startswith("# ")
    words = ("**Data:**",) if name in LIGHT else ("**Data:**", "**Split:**", "**Baseline:**")
    assert [word for word in words if word not in head] == []
    for cell in code_cells(read(FOLDER / f"{name}.ipynb")):
        printed = "\n".join(texts(cell))
        if re.search(r"\d mm\b", printed) and "error" in printed.lower():
            assert re.search(r"mean pose|still hand", printed), printed


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_png(name: str) -> None:
    for cell in code_cells(read(FOLDER / f"{name}.ipynb")):
        for output in cell.outputs:
            picture = output.get("data", {}).get("image/png")
            assert picture is None or base64.b64decode(picture).startswith(b"\x89PNG")


def run(name: str, out: Path) -> Any:
    """The notebook, run with little data by a kernel of its own."""
    tool = REPOSITORY / "tools" / "run_tutorials.py"
    done = subprocess.run(
        [sys.executable, tool, "--size", "small", "--out", out, name], cwd=REPOSITORY, text=True, capture_output=True,
        check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return read(out / f"{name}.ipynb")


def same_sources(notebook: Any, name: str) -> bool:
    cells = read(FOLDER / f"{name}.ipynb").cells
    return [cell.source for cell in notebook.cells] == [cell.source for cell in cells]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", LIGHT)
def test_it_runs(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    notebook = run(name, tmp_path)
    check_outputs(notebook)
    assert same_sources(notebook, name)


class TestWithTraining:
    """Those that train a network or need scikit-learn."""

    pytestmark = needs_training

    @pytest.mark.parametrize("name", [name for name in NAMES if name not in LIGHT])
    def test_it_runs(self, name: str, tmp_path: Path) -> None:
        notebook = run(name, tmp_path)
        check_outputs(notebook)
        assert same_sources(notebook, name)
