"""Execute the notebooks of docs/tutorials and write their outputs into them.

Run: .venv/bin/python tools/run_tutorials.py [--size small|full] [--out FOLDER] [NAME ...]

A notebook is run in an empty folder by a fresh kernel of this Python. What depends on the machine or the moment is left
out of the file (execution times, messages on standard error, versions), so that a diff shows what has changed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER: Final = Path(__file__).parents[1] / "docs" / "tutorials"
SIZE: Final = "MYOCAST_TUTORIAL_SIZE"
"""Environment variable of every tutorial: `small` for tests, `full` for the outputs that are committed."""
CELL_TIMEOUT_S: Final = 1800
KERNEL: Final = {"display_name": "Python 3", "language": "python", "name": "python3"}
QUIET: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "JUPYTER_PLATFORM_DIRS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def names() -> list[str]:
    """The tutorials, without their suffix."""
    return sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def run(notebook: Any) -> None:
    """Execute all cells in an empty folder. Raises CellExecutionError."""
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=CELL_TIMEOUT_S, kernel_name="python3", coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )  # fmt: skip
        client.execute()
    tidy(notebook)


def tidy(notebook: Any) -> None:
    """Leave out what depends on the machine or the moment."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if "metadata" in output:
                    output.metadata = nbformat.from_dict({})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names; 1 if a cell fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="tutorials, without .ipynb; all without any")
    parser.add_argument("--size", choices=("small", "full"), default="full")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the executed notebooks")
    options = parser.parse_args(arguments)
    os.environ.update(QUIET | {SIZE: options.size})
    for name in options.names or names():
        notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        try:
            run(notebook)
        except CellExecutionError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        nbformat.write(notebook, options.out / f"{name}.ipynb")
        print(f"{options.out / name}.ipynb")
    return 0


if __name__ == "__main__":
    sys.exit(main())
