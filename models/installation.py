"""The command that adds an optional part to this installation of Myocast."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
"""The folder that the packages are in: a checkout, or `site-packages`."""


def install_command(extra: str, *, root: Path = ROOT, python: Path | None = None, folder: Path | None = None) -> str:
    """Return the command that installs what `extra` needs, to be typed in `folder`.

    In a checkout it installs the extra with the versions of `constraints.txt`. Elsewhere (pipx, uv, a wheel) it names
    the packages themselves, because Myocast is on no index that pip could take the extra from.

    Args:
        extra: a name under `[project.optional-dependencies]` in pyproject.toml.
        root: where the packages are.
        python: this installation's interpreter; None: the running one.
        folder: the working directory; None: the current one.
    """
    python, folder = python or Path(sys.executable), folder or Path.cwd()
    if (root / "pyproject.toml").is_file():
        checkout = _shown(root, folder)
        constraints = _shown(root / "constraints.txt", folder)
        what = ["--constraint", constraints, "--editable", f"{checkout}[{extra}]"]
    else:
        what = requirements(extra)
    return f"{_installer(_shown(python, folder))} {' '.join(map(_quoted, what))}"


def requirements(extra: str) -> list[str]:
    """The packages, with their versions, that an extra adds on this platform."""
    from packaging.requirements import Requirement

    found = [Requirement(text) for text in requires("myocast") or ()]
    return [
        f"{each.name}{each.specifier}"
        for each in found
        if each.marker is not None
        and each.marker.evaluate({"extra": extra})
        and not each.marker.evaluate({"extra": ""})
    ]


def _installer(python: str) -> str:
    """pip of this installation; uv where it has none, as in environments that uv made."""
    if find_spec("pip") is None:
        return f"uv pip install --python {_quoted(python)}"
    return f"{_quoted(python)} -m pip install"


def _shown(path: Path, folder: Path) -> str:
    """A path as one would type it in `folder`."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _quoted(text: str) -> str:
    if sys.platform == "win32":
        return f'"{text}"' if any(character in " []<>&" for character in text) else text
    return shlex.quote(text)
