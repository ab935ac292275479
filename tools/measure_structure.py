"""Print the figures by which the structure of this repository is kept in check.

Run: .venv/bin/python tools/measure_structure.py [--json | --names]

`--names` lists the modules, classes and functions that bear a replaced name; there should be none.

A room of a package is a file or a folder directly inside it; an import between rooms is an ordered pair of rooms of
which the first imports from the second, counted once however many names are taken.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("drivers", "models", "exporters", "service")

# Names that were replaced by the field's own words (docs/glossary.md); in lower case, without leading underscores.
# No module, class or function may be called so. `feed` of a parser and `tell` of a file are standard names of methods.
NAMES = """
announcer ask asked bad bare child closure committedfile crossing crowd desk doubles dress dynamics eye feed figures
flags floats gate head hear hook interrupt ints judge judged judging line listening look material minimal
modelshelf nets obey open_source owed pace pacer parts people pieces place playlist quantum refusal replayable rest
returning served shelf still taker tell track users_own vibrating walk wire wish withfirstsample
"""
REPLACED_NAMES = frozenset(NAMES.split())
# Configuration is called …Config; a class of one of these names would be another convention.
REPLACED_CLASSES = frozenset({"found", "options", "plan", "request", "setting", "settings"})
STANDARD_METHODS = frozenset({"feed", "tell"})


def tracked(*patterns: str) -> list[Path]:
    """Tracked files that match these git patterns."""
    command = ["git", "ls-files", "-z", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def imported(node: ast.AST) -> Iterator[str]:
    """Dotted names that one node imports; `from a import b` gives `a.b`, which may be a module or a name in one."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(package: str, name: str) -> str | None:
    """Room of `package` that holds a dotted name; None if it is in another package."""
    parts = name.split(".")
    return parts[1] if parts[0] == package and len(parts) > 1 else None


def rooms(package: str) -> tuple[set[str], set[tuple[str, str]]]:
    """Rooms of a package, and the imports between them."""
    found: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for path in tracked(f"{package}/*.py"):
        here = path.relative_to(ROOT / package).with_suffix("").parts[0]
        if here == "__init__":
            continue
        found.add(here)
        names = [name for node in ast.walk(ast.parse(path.read_text("utf-8"))) for name in imported(node)]
        pairs.update((here, there) for name in names if (there := room(package, name)) not in (None, here))
    return found, {(a, b) for a, b in pairs if b in found}


def imports_in_functions(folder: str) -> int:
    """Import statements inside functions, those for type checkers alone left out."""
    count = 0
    for path in tracked(f"{folder}/*.py"):
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        tree = ast.parse(path.read_text("utf-8"))
        inside = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, functions)
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        count += len(inside)
    return count


def matches(pattern: str) -> int:
    """How often a pattern stands in the Python files of the four packages."""
    return sum(
        len(re.findall(pattern, path.read_text("utf-8"))) for name in PACKAGES for path in tracked(f"{name}/*.py")
    )


def replaced_names() -> list[str]:
    """Modules, classes and functions of the Python files that bear a replaced name, as `path:line name`."""
    found = []
    for path in tracked("*.py"):
        name = path.relative_to(ROOT)
        if path.stem in REPLACED_NAMES:
            found.append(f"{name}:1 {path.stem}")
        tree = ast.parse(path.read_text("utf-8"))
        methods = {id(child) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for child in node.body}
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if id(node) in methods and node.name in STANDARD_METHODS:
                continue
            banned = REPLACED_NAMES | REPLACED_CLASSES if isinstance(node, ast.ClassDef) else REPLACED_NAMES
            if node.name.lstrip("_").lower() in banned:
                found.append(f"{name}:{node.lineno} {node.name}")
    return found


def line_count(*patterns: str) -> int:
    return sum(len(path.read_text("utf-8").splitlines()) for path in tracked(*patterns))


def measurements() -> dict[str, int]:
    found: dict[str, int] = {}
    for package in PACKAGES:
        inside, pairs = rooms(package)
        found[f"rooms in {package}"] = len(inside)
        found[f"imports between rooms of {package}"] = len(pairs)
    found["imports inside functions of service/cli"] = imports_in_functions("service/cli")
    found["`Any` in the four packages"] = matches(r"\bAny\b")
    found["`# fmt: skip` in the four packages"] = matches(r"# fmt: skip")
    found["lines of the C# core"] = line_count("clients/unity/Runtime/Core/*.cs")
    found["modules, classes and functions that bear a replaced name"] = len(replaced_names())
    return found


def main() -> int:
    if "--names" in sys.argv[1:]:
        names = replaced_names()
        print("\n".join(names))
        return 1 if names else 0
    found = measurements()
    if "--json" in sys.argv[1:]:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(f"{value:6,}  {name}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
